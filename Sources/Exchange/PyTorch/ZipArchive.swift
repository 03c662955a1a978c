// Zip archives of stored (uncompressed) files, as PyTorch writes them (PKWARE's APPNOTE.TXT).

import CDeflate

/// What lies uncompressed in an archive, by name.
struct ZipArchive {
  private(set) var files: [String: ArraySlice<UInt8>] = [:]

  private static let localHeader: UInt32 = 0x0403_4B50
  private static let directoryEntry: UInt32 = 0x0201_4B50
  private static let directoryEnd: UInt32 = 0x0605_4B50
  private static let largeDirectoryLocator: UInt32 = 0x0706_4B50
  private static let largeDirectoryEnd: UInt32 = 0x0606_4B50

  static func isArchive(_ bytes: [UInt8]) -> Bool {
    bytes.starts(with: [0x50, 0x4B, 3, 4])
  }

  /// - Throws: ``FormatError`` when the archive is damaged.
  init(_ bytes: [UInt8]) throws {
    let directory = try Self.directory(of: bytes)
    var reader = ByteReader(directory.bytes)
    var total = 0
    for _ in 0..<directory.count {
      guard try reader.integer(UInt32.self) == Self.directoryEntry else {
        throw FormatError("the zip directory is damaged")
      }
      try reader.skip(4)
      let flags = try reader.integer(UInt16.self)
      let method = try reader.integer(UInt16.self)
      try reader.skip(4)
      let checksum = try reader.integer(UInt32.self)
      var packed = try reader.count(UInt32.self)
      var size = try reader.count(UInt32.self)
      let nameLength = try reader.count(UInt16.self)
      let extraLength = try reader.count(UInt16.self)
      let commentLength = try reader.count(UInt16.self)
      try reader.skip(8)
      var place = try reader.count(UInt32.self)
      let name = try reader.string(nameLength)
      var extra = ByteReader(try reader.bytes(extraLength))
      try reader.skip(commentLength)

      // Zip64: numbers that do not fit stand in an extra field, in this order.
      while extra.rest.count >= 4 {
        let kind = try extra.integer(UInt16.self)
        var field = ByteReader(try extra.bytes(extra.count(UInt16.self)))
        guard kind == 1 else { continue }
        if size == UInt32.max { size = try field.count(UInt64.self) }
        if packed == UInt32.max { packed = try field.count(UInt64.self) }
        if place == UInt32.max { place = try field.count(UInt64.self) }
      }
      // The code of TorchScript programs is compressed; nothing that is read here ever is.
      guard method == 0, flags & 1 == 0, packed == size else { continue }
      // Files that lie on top of each other would take long to check.
      total += min(size, bytes.count)
      guard total <= bytes.count else { throw FormatError("the zip directory is damaged") }
      let content = try Self.content(of: bytes, at: place, size: size)
      // PyTorch can be told to write no check sums: then they are 0.
      guard checksum == 0 || checksum == Self.checksum(content) else {
        throw FormatError("\(name) is damaged: its check sum is wrong")
      }
      files[name] = content
    }
  }

  /// The directory stands at the end, where a record says where it begins.
  private static func directory(of bytes: [UInt8]) throws -> (
    bytes: ArraySlice<UInt8>, count: Int
  ) {
    let endLength = 22
    let signature = withUnsafeBytes(of: directoryEnd.littleEndian, Array.init)
    // Only a comment can follow.
    let first = max(0, bytes.count - endLength - Int(UInt16.max))
    guard bytes.count >= endLength,
      let end = (first...bytes.count - endLength).last(where: {
        bytes[$0..<$0 + 4].elementsEqual(signature)
      })
    else { throw FormatError("the file is cut off: it has no zip directory") }
    var reader = ByteReader(bytes[(end + 10)...])
    var count = try reader.count(UInt16.self)
    var length = try reader.count(UInt32.self)
    var place = try reader.count(UInt32.self)

    let locatorLength = 20
    if end >= locatorLength {
      var locator = ByteReader(bytes[(end - locatorLength)...])
      if try locator.integer(UInt32.self) == largeDirectoryLocator {
        try locator.skip(4)
        var record = ByteReader(try tail(of: bytes, from: locator.count(UInt64.self)))
        guard try record.integer(UInt32.self) == largeDirectoryEnd else {
          throw FormatError("the zip directory is damaged")
        }
        try record.skip(28)
        count = try record.count(UInt64.self)
        length = try record.count(UInt64.self)
        place = try record.count(UInt64.self)
      }
    }
    var found = ByteReader(try tail(of: bytes, from: place))
    return (try found.bytes(length), count)
  }

  private static func content(of bytes: [UInt8], at place: Int, size: Int) throws
    -> ArraySlice<UInt8>
  {
    var header = ByteReader(try tail(of: bytes, from: place))
    guard try header.integer(UInt32.self) == localHeader else {
      throw FormatError("the zip directory is damaged")
    }
    try header.skip(22)
    let nameLength = try header.count(UInt16.self)
    let extraLength = try header.count(UInt16.self)
    try header.skip(nameLength + extraLength)
    return try header.bytes(size)
  }

  private static func tail(of bytes: [UInt8], from place: Int) throws -> ArraySlice<UInt8> {
    guard place <= bytes.count else { throw FormatError("the zip directory is damaged") }
    return bytes[place...]
  }

  private static func checksum(_ bytes: ArraySlice<UInt8>) -> UInt32 {
    bytes.withUnsafeBufferPointer {
      libdeflate_crc32(0, $0.baseAddress, $0.count)
    }
  }

  /// An archive of these files, in this order, each beginning at a multiple of 64 bytes, where
  /// PyTorch can map tensors into memory.
  ///
  /// - Throws: ``FormatError`` when it would be larger than 4 GiB.
  static func archive(_ files: [(name: String, bytes: [UInt8])]) throws -> [UInt8] {
    var result = ByteWriter()
    var directory = ByteWriter()
    for (name, bytes) in files {
      let name = Array(name.utf8)
      let place = result.bytes.count
      guard place + bytes.count + directory.bytes.count < Int(UInt32.max) - (1 << 20) else {
        throw FormatError("the tensors are larger than the 4 GiB that are written")
      }
      var entry = ByteWriter()
      entry.write(UInt16(20), UInt16(0x800), UInt16(0))  // version 2.0, names in UTF-8, stored
      entry.write(UInt16(0), UInt16(0x21))  // 1 January 1980
      entry.write(checksum(bytes[...]), UInt32(bytes.count), UInt32(bytes.count))
      entry.write(UInt16(name.count))
      // An extra field of PyTorch's kind pads; its own header has four bytes.
      let header = place + 30 + name.count + 4
      let padding = (64 - header % 64) % 64
      result.write(localHeader)
      result.bytes += entry.bytes
      result.write(UInt16(4 + padding))
      result.bytes += name
      result.write(UInt16(0x4246), UInt16(padding))
      result.bytes += [UInt8](repeating: 0, count: padding)
      result.bytes += bytes

      directory.write(directoryEntry)
      directory.write(UInt16(20))
      directory.bytes += entry.bytes
      directory.write(UInt16(0), UInt16(0), UInt16(0), UInt16(0))  // no extra, no comment, disk 0
      directory.write(UInt32(0), UInt32(place))
      directory.bytes += name
    }
    guard files.count < UInt16.max else {
      throw FormatError("\(files.count) tensors are more than can be written")
    }
    let place = result.bytes.count
    result.bytes += directory.bytes
    result.write(directoryEnd)
    result.write(UInt16(0), UInt16(0), UInt16(files.count), UInt16(files.count))
    result.write(UInt32(directory.bytes.count), UInt32(place))
    result.write(UInt16(0))
    return result.bytes
  }
}

/// Bytes written one behind the other.
struct ByteWriter {
  var bytes: [UInt8] = []

  /// Integers with their lowest byte first.
  mutating func write<each T: FixedWidthInteger>(_ values: repeat each T) {
    repeat withUnsafeBytes(of: (each values).littleEndian) { bytes += $0 }
  }
}
