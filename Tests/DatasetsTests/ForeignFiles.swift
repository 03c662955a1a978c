// Files in other people's formats, written as small as they can be.

import Artifacts
import CDeflate
import Datasets
import Foundation
import TestSupport
import Testing

/// A new folder to write such files into.
struct ForeignFolder {
  let path: String

  /// Calls `body` with a new folder, which is removed afterwards.
  static func with<R>(_ body: (ForeignFolder) throws -> R) throws -> R {
    try withFolder { try body(ForeignFolder(path: $0)) }
  }

  var input: InputFolder {
    get throws { try InputFolder(path) }
  }

  func write(_ name: String, _ bytes: [UInt8]) throws {
    let file = URL(fileURLWithPath: path + "/" + name)
    try FileManager.default.createDirectory(
      at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
    try Data(bytes).write(to: file)
  }

  func write(_ name: String, text: String) throws { try write(name, Array(text.utf8)) }

  /// Writes a PNG of H×W×channels samples, of 8 or 16 bits.
  func writePNG(
    _ name: String, height: Int, width: Int, bitDepth: Int = 8, _ samples: [UInt16]
  ) throws {
    let channels = samples.count / (height * width)
    try writePNG(
      name, height: height, width: width, bitDepth: bitDepth, colourType: channels == 3 ? 2 : 0,
      samples)
  }

  /// Writes a PNG of indices into two colours.
  func writePalette(_ name: String, height: Int, width: Int, _ indices: [UInt16]) throws {
    try writePNG(
      name, height: height, width: width, bitDepth: 8, colourType: 3,
      palette: [0, 0, 0, 255, 9, 9],
      indices)
  }

  private func writePNG(
    _ name: String, height: Int, width: Int, bitDepth: Int, colourType: UInt8,
    palette: [UInt8] = [], _ samples: [UInt16]
  ) throws {
    func chunk(_ type: String, _ data: [UInt8]) -> [UInt8] {
      let content = Array(type.utf8) + data
      let sum = libdeflate_crc32(0, content, content.count)
      return bigEndian(UInt32(data.count)) + content + bigEndian(sum)
    }
    let header =
      bigEndian(UInt32(width)) + bigEndian(UInt32(height))
      + [UInt8(bitDepth), colourType, 0, 0, 0]
    let row = samples.count / height
    var lines: [UInt8] = []
    for y in 0..<height {
      // Each line begins with its filter, 0 for none.
      lines.append(0)
      for sample in samples[y * row..<(y + 1) * row] {
        lines += bitDepth == 16 ? bigEndian(sample) : [UInt8(sample)]
      }
    }
    try write(
      name,
      [0x89] + Array("PNG\r\n\u{1A}\n".unicodeScalars.map { UInt8($0.value) })
        + chunk("IHDR", header) + (palette.isEmpty ? [] : chunk("PLTE", palette))
        + chunk("IDAT", deflated(lines)) + chunk("IEND", []))
  }

  /// Writes an .npy file, by default of float32.
  func writeNumpy<T: BitwiseCopyable>(
    _ name: String, shape: [Int], type: String = "<f4", isFortran: Bool = false, _ values: [T]
  ) throws {
    let dimensions = shape.map { "\($0)," }.joined(separator: " ")
    let header =
      "{'descr': '\(type)', 'fortran_order': \(isFortran ? "True" : "False"), "
      + "'shape': (\(dimensions)), }\n"
    try write(
      name,
      [0x93] + Array("NUMPY".utf8) + [1, 0, UInt8(header.utf8.count % 256), 0] + header.utf8
        + littleEndian(values))
  }
}

/// As a zlib stream.
func deflated(_ bytes: [UInt8]) -> [UInt8] {
  let compressor = libdeflate_alloc_compressor(6)
  defer { libdeflate_free_compressor(compressor) }
  let room = libdeflate_zlib_compress_bound(compressor, bytes.count)
  return [UInt8](unsafeUninitializedCapacity: room) { packed, count in
    count = libdeflate_zlib_compress(
      compressor, bytes, bytes.count, packed.baseAddress, packed.count)
  }
}

func bigEndian<T: FixedWidthInteger & BitwiseCopyable>(_ value: T) -> [UInt8] {
  withUnsafeBytes(of: value.bigEndian) { Array($0) }
}

/// As this machine has them in memory.
func littleEndian<T: BitwiseCopyable>(_ values: [T]) -> [UInt8] {
  values.withUnsafeBytes { Array($0) }
}

/// What the error that `body` throws says, with `FOLDER` for the folder; nil if it throws none.
func message(_ folder: ForeignFolder, _ body: () throws -> Void) -> String? {
  do {
    try body()
    return nil
  } catch {
    return "\(error)".replacingOccurrences(of: folder.path, with: "FOLDER")
  }
}

/// A sample after it was written to a dataset.h5 and read again.
func stored(_ dataset: any ForeignDataset, _ split: Split, _ index: Int) throws -> Sample {
  try withFolder { folder in
    let path = folder + "/dataset.h5"
    let writer = try DatasetWriter(
      path, tasks: dataset.tasks, storage: dataset.storage, provenance: someProvenance)
    let size = dataset.size
    try writer.begin(.train, count: 1, height: size.height, width: size.width)
    try writer.append(dataset.sample(index, of: split))
    try writer.finish()
    let file = try DatasetFile(opening: path)
    return try file.sample(0, of: file.info(.train))
  }
}

/// MAT files of version 5, element by element.
struct MatWriter {
  var isBigEndian = false

  func number<T: FixedWidthInteger & BitwiseCopyable>(_ value: T) -> [UInt8] {
    isBigEndian ? bigEndian(value) : bigEndian(value).reversed()
  }

  func file(_ elements: [UInt8]...) -> [UInt8] {
    Array("MATLAB 5.0 MAT-file".utf8) + [UInt8](repeating: 32, count: 105)
      + number(UInt16(0x0100)) + Array((isBigEndian ? "MI" : "IM").utf8) + elements.joined()
  }

  func element(_ type: Int, _ data: [UInt8]) -> [UInt8] {
    if (1...4).contains(data.count) {
      let tag = number(UInt32(data.count << 16 | type))
      return tag + data + [UInt8](repeating: 0, count: 4 - data.count)
    }
    let padding = type == 15 ? 0 : (8 - data.count % 8) % 8
    return number(UInt32(type)) + number(UInt32(data.count)) + data
      + [UInt8](repeating: 0, count: padding)
  }

  /// - Parameters:
  ///   - kind: MATLAB's class, 6 for double.
  ///   - type: that the values are stored as.
  func matrix(
    _ name: String, count: Int, kind: Int = 6, flags: Int = 0, type: Int, _ values: [UInt8]
  ) -> [UInt8] {
    element(
      14,
      element(6, number(UInt32(kind | flags)) + number(UInt32(0)))
        + element(5, number(Int32(1)) + number(Int32(count))) + element(1, Array(name.utf8))
        + element(type, values))
  }

  func doubles(_ name: String, _ values: [Double]) -> [UInt8] {
    matrix(name, count: values.count, type: 9, values.flatMap { number($0.bitPattern) })
  }

  func compressed(_ element: [UInt8]) -> [UInt8] { self.element(15, deflated(element)) }
}
