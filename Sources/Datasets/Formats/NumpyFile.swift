// NumPy's .npy files (numpy.org, NEP 1): one array, versions 1 to 3.

import Artifacts
import Foundation

/// An array of numbers, row-major, whatever order, byte order and type the file has.
struct NumpyFile: Sendable {
  let path: String
  let shape: [Int]
  /// As float32; integers above 2²⁴ and float64 are rounded to it.
  let values: [Float]

  /// - Throws: ``InputError`` naming the file, when it is missing, truncated, damaged, or holds
  ///   pickled Python objects, which are never loaded.
  init(_ path: String) throws {
    func failure(_ reason: String) -> InputError {
      InputError(file: path, reason: reason)
    }
    let bytes = try InputFile(path).readAll()
    guard bytes.count >= 10, bytes[0...5].elementsEqual([0x93] + Array("NUMPY".utf8)) else {
      throw failure("not an .npy file")
    }
    let major = bytes[6]
    guard (1...3).contains(major) else { throw failure(".npy version \(major) is unknown") }
    let lengthBytes = major == 1 ? 2 : 4
    guard bytes.count >= 8 + lengthBytes else { throw failure("the file ends in its header") }
    let length = (0..<lengthBytes).reduce(0) { $0 | Int(bytes[8 + $1]) << (8 * $1) }
    let start = 8 + lengthBytes
    guard length <= bytes.count - start else { throw failure("the file ends in its header") }
    let header = String(decoding: bytes[start..<start + length], as: UTF8.self)

    guard let descriptor = header.firstMatch(of: #/'descr':\s*'([^']*)'/#)?.1,
      let order = header.firstMatch(of: #/'fortran_order':\s*(True|False)/#)?.1,
      let dimensions = header.firstMatch(of: #/'shape':\s*\(([0-9, ]*)\)/#)?.1
    else { throw failure("the header is not that of a plain array") }
    let sizes = dimensions.split(separator: ",").map {
      Int($0.filter { $0 != " " })
    }
    let shape = sizes.compactMap { $0 }
    guard shape.count == sizes.count, let type = ElementType(String(descriptor)) else {
      if descriptor.contains("O") {
        throw failure("holds pickled Python objects; save it as a plain array of numbers")
      }
      throw failure("element type '\(descriptor)' is none that is read")
    }
    var count = 1
    for size in shape {
      let (product, overflow) = count.multipliedReportingOverflow(by: size)
      guard !overflow, product <= bytes.count else { throw failure("the file ends too early") }
      count = product
    }
    let content = bytes[(start + length)...]
    guard content.count >= count * type.size else {
      throw failure("expected \(count * type.size) bytes of values, found \(content.count)")
    }
    self.path = path
    self.shape = shape
    let stored = type.decode(content, count: count)
    values = order == "True" ? Self.rowMajor(stored, shape) : stored
  }

  /// Values of a column-major array in row-major order.
  private static func rowMajor(_ stored: [Float], _ shape: [Int]) -> [Float] {
    var strides: [Int] = []
    var step = 1
    for size in shape {
      strides.append(step)
      step *= size
    }
    var result = stored
    var position = [Int](repeating: 0, count: shape.count)
    for index in stored.indices {
      result[index] = stored[zip(position, strides).reduce(0) { $0 + $1.0 * $1.1 }]
      for axis in shape.indices.reversed() {
        position[axis] += 1
        if position[axis] < shape[axis] { break }
        position[axis] = 0
      }
    }
    return result
  }
}

/// How numbers stand in the file.
private struct ElementType {
  enum Kind: Character {
    case float = "f"
    case signed = "i"
    case unsigned = "u"
    case boolean = "b"
  }

  let kind: Kind
  let size: Int
  let isBigEndian: Bool

  /// Reads NumPy's type string, such as `<f4`.
  init?(_ descriptor: String) {
    let text = Array(descriptor)
    guard text.count == 3, "<>|=".contains(text[0]), let kind = Kind(rawValue: text[1]),
      let size = text[2].wholeNumberValue
    else { return nil }
    let sizes: [Int] =
      switch kind {
      case .float: [4, 8]
      case .signed, .unsigned: [1, 2, 4, 8]
      case .boolean: [1]
      }
    guard sizes.contains(size) else { return nil }
    self.kind = kind
    self.size = size
    isBigEndian = text[0] == ">"
  }

  func decode(_ bytes: ArraySlice<UInt8>, count: Int) -> [Float] {
    bytes.withUnsafeBytes { bytes in
      (0..<count).map { index in
        var bits: UInt64 = 0
        for byte in 0..<size {
          let place = isBigEndian ? size - 1 - byte : byte
          bits |= UInt64(bytes[index * size + byte]) << (8 * place)
        }
        switch kind {
        case .float:
          return size == 4
            ? Float(bitPattern: UInt32(truncatingIfNeeded: bits)) : Float(Double(bitPattern: bits))
        case .signed:
          let shift = 64 - 8 * size
          return Float(Int64(bitPattern: bits << shift) >> shift)
        case .unsigned, .boolean:
          return Float(bits)
        }
      }
    }
  }
}
