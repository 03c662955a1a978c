// Bytes read from front to back, never beyond their end.

/// What is wrong with the bytes of a file.
struct FormatError: Error {
  let reason: String

  init(_ reason: String) { self.reason = reason }
}

struct ByteReader {
  private(set) var rest: ArraySlice<UInt8>

  init(_ bytes: ArraySlice<UInt8>) { rest = bytes }

  mutating func bytes(_ count: Int) throws -> ArraySlice<UInt8> {
    guard count >= 0, count <= rest.count else { throw FormatError("the file ends too early") }
    defer { rest = rest.dropFirst(count) }
    return rest.prefix(count)
  }

  mutating func skip(_ count: Int) throws { _ = try bytes(count) }

  /// An integer with its lowest byte first.
  mutating func integer<T: FixedWidthInteger>(_ type: T.Type) throws -> T {
    try bytes(MemoryLayout<T>.size).reversed().reduce(0) { $0 << 8 | T(truncatingIfNeeded: $1) }
  }

  /// An unsigned number that counts or places something.
  mutating func count<T: FixedWidthInteger & UnsignedInteger>(_ type: T.Type) throws -> Int {
    guard let count = Int(exactly: try integer(type)) else {
      throw FormatError("a length is larger than any file")
    }
    return count
  }

  mutating func string(_ count: Int) throws -> String {
    String(decoding: try bytes(count), as: UTF8.self)
  }

  /// Up to the next line feed, which is dropped.
  mutating func line() throws -> String {
    guard let end = rest.firstIndex(of: UInt8(ascii: "\n")) else {
      throw FormatError("the file ends too early")
    }
    defer { rest = rest[(end + 1)...] }
    return String(decoding: rest[..<end], as: UTF8.self)
  }
}
