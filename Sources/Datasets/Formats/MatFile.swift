// MATLAB's MAT files, version 5 (MathWorks, "MAT-File Format"): their arrays of numbers.

import Artifacts
import CDeflate
import Foundation

/// The real numeric arrays of a file, by variable name, each column-major.
///
/// Whatever else it has (text, cells, structures, sparse and complex arrays) is passed over.
struct MatFile: Sendable {
  let path: String
  private let variables: [String: [Double]]

  /// A file may unpack to so many bytes.
  private static let largestContent = 64 << 20

  /// - Throws: ``InputError`` naming the file, when it is missing, truncated, damaged, of another
  ///   version, or too large once unpacked.
  init(_ path: String) throws {
    func failure(_ reason: String) -> InputError {
      InputError(file: path, reason: reason)
    }
    let bytes = try InputFile(path).readAll()
    if bytes.starts(with: Array("MATLAB 7.3".utf8)) {
      throw failure("is a MATLAB 7.3 file; save it with -v7")
    }
    guard bytes.count >= 128 else { throw failure("not a MATLAB file") }
    // The mark is the characters "MI" as one number.
    let mark = bytes[126..<128]
    let isBigEndian = mark.elementsEqual(Array("MI".utf8))
    let version = Int(isBigEndian ? bytes[124] : bytes[125])
    guard isBigEndian || mark.elementsEqual(Array("IM".utf8)), version == 1 else {
      throw failure("not a MATLAB 5 file")
    }
    var variables: [String: [Double]] = [:]
    func add(_ matrix: ArraySlice<UInt8>) throws(Damage) {
      if let (name, values) = try numbers(in: matrix, isBigEndian) { variables[name] = values }
    }
    do {
      var content = Elements(rest: bytes[128...], isBigEndian: isBigEndian)
      var left = Self.largestContent
      while let element = try content.next() {
        switch element.type {
        case .matrix: try add(element.data)
        case .compressed:
          let unpacked = try inflated(element.data, limit: left)
          left -= unpacked.count
          var elements = Elements(rest: unpacked[...], isBigEndian: isBigEndian)
          while let element = try elements.next() {
            if element.type == .matrix { try add(element.data) }
          }
        default: break
        }
      }
    } catch {
      throw failure(error.reason)
    }
    self.path = path
    self.variables = variables
  }

  /// - Throws: ``InputError`` when there is no numeric variable of that name.
  func variable(_ name: String) throws -> [Double] {
    guard let values = variables[name] else {
      throw InputError(file: path, reason: "has no numeric variable '\(name)'")
    }
    return values
  }
}

/// What is wrong with a file; the caller knows its name.
private struct Damage: Error {
  let reason: String

  static let endsTooEarly = Damage(reason: "the file ends too early, or is damaged")
}

/// Types of data elements.
private enum DataType: Int {
  case int8 = 1
  case uint8 = 2
  case int16 = 3
  case uint16 = 4
  case int32 = 5
  case uint32 = 6
  case single = 7
  case double = 9
  case int64 = 12
  case uint64 = 13
  case matrix = 14
  case compressed = 15

  /// Bytes of a number; nil for what holds none.
  var size: Int? {
    switch self {
    case .int8, .uint8: 1
    case .int16, .uint16: 2
    case .int32, .uint32, .single: 4
    case .double, .int64, .uint64: 8
    case .matrix, .compressed: nil
    }
  }
}

/// Goes through data elements that follow each other.
private struct Elements {
  struct Element {
    /// Nil for a type that is none of the known ones, such as text.
    let type: DataType?
    let data: ArraySlice<UInt8>
  }

  var rest: ArraySlice<UInt8>
  let isBigEndian: Bool

  /// The next element; nil at the end.
  mutating func next() throws(Damage) -> Element? {
    if rest.isEmpty { return nil }
    let first = whole(try take(4), isBigEndian)
    // A small element has its length in the upper half, and its data in the tag.
    let smallCount = Int(first >> 16)
    if smallCount > 0 {
      let data = try take(4)
      guard smallCount <= 4 else { throw .endsTooEarly }
      return Element(type: DataType(rawValue: Int(first & 0xFFFF)), data: data.prefix(smallCount))
    }
    let type = DataType(rawValue: Int(first))
    let count = Int(whole(try take(4), isBigEndian))
    let data = try take(count)
    // Compressed data alone are not filled up to eight bytes; at the end that may lack.
    if type != .compressed { rest = rest.dropFirst((8 - count % 8) % 8) }
    return Element(type: type, data: data)
  }

  private mutating func take(_ count: Int) throws(Damage) -> ArraySlice<UInt8> {
    guard count <= rest.count else { throw .endsTooEarly }
    defer { rest = rest.dropFirst(count) }
    return rest.prefix(count)
  }

  /// The next element, which must hold numbers.
  mutating func numbers() throws(Damage) -> [Double] {
    guard let element = try next(), let type = element.type, let size = type.size else {
      throw .endsTooEarly
    }
    return stride(from: 0, to: element.data.count - size + 1, by: size).map { offset in
      let bits = whole(element.data.dropFirst(offset).prefix(size), isBigEndian)
      return switch type {
      case .int8: Double(Int8(truncatingIfNeeded: bits))
      case .int16: Double(Int16(truncatingIfNeeded: bits))
      case .int32: Double(Int32(truncatingIfNeeded: bits))
      case .int64: Double(Int64(truncatingIfNeeded: bits))
      case .single: Double(Float(bitPattern: UInt32(truncatingIfNeeded: bits)))
      case .double: Double(bitPattern: bits)
      default: Double(bits)
      }
    }
  }
}

/// A whole number out of its at most eight bytes.
private func whole(_ bytes: ArraySlice<UInt8>, _ isBigEndian: Bool) -> UInt64 {
  isBigEndian
    ? bytes.reduce(0) { $0 << 8 | UInt64($1) }
    : bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) }
}

/// The name and values of an array; nil for one that is not of plain numbers.
private func numbers(in matrix: ArraySlice<UInt8>, _ isBigEndian: Bool) throws(Damage) -> (
  name: String, values: [Double]
)? {
  var elements = Elements(rest: matrix, isBigEndian: isBigEndian)
  guard let flags = try elements.next()?.data, flags.count >= 4 else { throw .endsTooEarly }
  let bits = whole(flags.prefix(4), isBigEndian)
  let isComplex = bits & 0x800 != 0
  // Classes 6 to 15: double, single, and integers of 8 to 64 bits.
  guard (6...15).contains(bits & 0xFF), !isComplex else { return nil }
  let dimensions = try elements.numbers()
  guard let name = try elements.next()?.data else { throw .endsTooEarly }
  let values = try elements.numbers()
  guard dimensions.reduce(1, *) == Double(values.count) else { throw .endsTooEarly }
  return (String(decoding: name, as: UTF8.self), values)
}

/// Unpacks a zlib stream, which does not tell its size beforehand.
private func inflated(_ packed: ArraySlice<UInt8>, limit: Int) throws(Damage) -> [UInt8] {
  guard let decompressor = libdeflate_alloc_decompressor() else {
    throw Damage(reason: "cannot be unpacked: no memory")
  }
  defer { libdeflate_free_decompressor(decompressor) }
  let packed = Array(packed)
  var room = min(max(4 * packed.count, 1 << 16), limit)
  while true {
    var result = LIBDEFLATE_SUCCESS
    let bytes = [UInt8](unsafeUninitializedCapacity: room) { bytes, count in
      result = libdeflate_zlib_decompress(
        decompressor, packed, packed.count, bytes.baseAddress, room, &count)
      if result != LIBDEFLATE_SUCCESS { count = 0 }
    }
    if result == LIBDEFLATE_SUCCESS { return bytes }
    guard result == LIBDEFLATE_INSUFFICIENT_SPACE else {
      throw Damage(reason: "its packed content is damaged")
    }
    guard room < limit else { throw Damage(reason: "unpacks to more than \(limit >> 20) MiB") }
    room = min(2 * room, limit)
  }
}
