// Chunks as they lie in the file: packed and unpacked outside libhdf5, whose calls take one lock.

import CDeflate
import CHDF5

/// How the chunks of a dataset are packed: plain, or with their bytes shuffled, deflated, or both, as
/// libhdf5's filters do it (HDF5 file format specification, IV.A.2.l).
public struct ChunkCodec: Sendable {
  /// Bytes of an unpacked chunk.
  public let count: Int
  let elementSize: Int
  let shuffles: Bool
  /// Nil where the bytes are not deflated.
  let deflateLevel: Int32?

  /// The bytes as they stand in the file.
  public func pack(_ values: UnsafeRawBufferPointer) -> [UInt8] {
    let shuffled = shuffles ? shuffle(values) : Array(values)
    guard let deflateLevel else { return shuffled }
    let compressor = libdeflate_alloc_compressor(deflateLevel)
    defer { libdeflate_free_compressor(compressor) }
    let room = libdeflate_zlib_compress_bound(compressor, shuffled.count)
    return [UInt8](unsafeUninitializedCapacity: room) { packed, initialized in
      // It cannot fail: the level is in range, and the room is what it asks for.
      initialized = libdeflate_zlib_compress(
        compressor, shuffled, shuffled.count, packed.baseAddress, packed.count)
    }
  }

  /// Whether packed bytes can stand for a whole chunk.
  public func fits(packed: Int) -> Bool {
    count <= max(Dataset.alwaysAllowed, packed * Dataset.largestExpansion)
  }

  /// Unpacks a chunk into memory of ``count`` bytes; false when the bytes are damaged.
  public func unpack(_ packed: [UInt8], into values: UnsafeMutableRawBufferPointer) -> Bool {
    guard values.count == count else { return false }
    guard shuffles else { return inflate(packed, into: values) }
    return withUnsafeTemporaryAllocation(byteCount: count, alignment: 16) { shuffled in
      guard inflate(packed, into: shuffled) else { return false }
      unshuffle(UnsafeRawBufferPointer(shuffled), into: values)
      return true
    }
  }

  private func inflate(_ packed: [UInt8], into values: UnsafeMutableRawBufferPointer) -> Bool {
    guard deflateLevel != nil else {
      guard packed.count == values.count else { return false }
      values.copyBytes(from: packed)
      return true
    }
    let decompressor = libdeflate_alloc_decompressor()
    defer { libdeflate_free_decompressor(decompressor) }
    var size = 0
    let result = libdeflate_zlib_decompress(
      decompressor, packed, packed.count, values.baseAddress, values.count, &size)
    return result == LIBDEFLATE_SUCCESS && size == values.count
  }

  /// First bytes of all elements, then their second bytes, and so on.
  private func shuffle(_ values: UnsafeRawBufferPointer) -> [UInt8] {
    let elements = values.count / elementSize
    return [UInt8](unsafeUninitializedCapacity: values.count) { out, initialized in
      for byte in 0..<elementSize {
        let plane = byte * elements
        for index in 0..<elements { out[plane + index] = values[index * elementSize + byte] }
      }
      initialized = values.count
    }
  }

  private func unshuffle(
    _ planes: UnsafeRawBufferPointer, into values: UnsafeMutableRawBufferPointer
  ) {
    let elements = planes.count / elementSize
    switch elementSize {
    case 1:
      values.copyMemory(from: planes)
    case 2:
      let out = values.bindMemory(to: UInt16.self)
      for index in 0..<elements {
        out[index] = UInt16(planes[index]) | UInt16(planes[elements + index]) << 8
      }
    case 4:
      let out = values.bindMemory(to: UInt32.self)
      for index in 0..<elements {
        out[index] =
          UInt32(planes[index]) | UInt32(planes[elements + index]) << 8
          | UInt32(planes[2 * elements + index]) << 16
          | UInt32(planes[3 * elements + index]) << 24
      }
    default:
      for byte in 0..<elementSize {
        let plane = byte * elements
        for index in 0..<elements { values[index * elementSize + byte] = planes[plane + index] }
      }
    }
  }
}

extension Dataset {
  /// How to pack and unpack the chunks; nil where there are none, where numbers do not stand as in
  /// memory, and where chunks are packed in another way than ``ChunkCodec`` knows.
  public func chunkCodec() throws -> ChunkCodec? {
    let native = elementType.nativeID
    guard let chunk, native >= 0 else { return nil }
    let type = try handle.call("open") { H5Dget_type($0) }
    defer { H5Tclose(type) }
    guard H5Tequal(type, native) > 0 else { return nil }
    let creation = try handle.call("open") { H5Dget_create_plist($0) }
    defer { H5Pclose(creation) }
    let filters = try handle.place.check("open") { H5Pget_nfilters(creation) }
    var shuffles = false
    var level: Int32?
    for index in 0..<UInt32(filters) {
      var flags: UInt32 = 0
      var valueCount = 1
      var value: UInt32 = 0
      let filter = H5Pget_filter2(creation, index, &flags, &valueCount, &value, 0, nil, nil)
      switch filter {
      case H5Z_FILTER_SHUFFLE where level == nil && !shuffles: shuffles = true
      case H5Z_FILTER_DEFLATE where level == nil: level = Int32(min(value, 9))
      default: return nil
      }
    }
    let size = H5Tget_size(type)
    return ChunkCodec(
      count: try handle.place.valueCount([size] + chunk), elementSize: size,
      shuffles: shuffles && size > 1, deflateLevel: level)
  }

  /// The packed bytes of the chunk that starts with a row; nil where none was written, or where a
  /// filter was left out for it.
  public func readChunk(atRow row: Int) throws -> [UInt8]? {
    let start = start(ofRow: row)
    var size: hsize_t = 0
    try handle.call("read") { H5Dget_chunk_storage_size($0, start, &size) }
    guard size > 0 else { return nil }
    var fileSize: hsize_t = 0
    try handle.root.call("read") { H5Fget_filesize($0, &fileSize) }
    guard size <= fileSize, let size = Int(exactly: size) else {
      throw handle.place.error("has a chunk of \(size) bytes in a file of \(fileSize)")
    }
    var mask: UInt32 = 0
    let bytes = try [UInt8](unsafeUninitializedCapacity: size) { memory, initialized in
      try handle.call("read") {
        H5Dread_chunk($0, chdf5_default(), start, &mask, memory.baseAddress)
      }
      initialized = size
    }
    return mask == 0 ? bytes : nil
  }

  /// Writes the packed bytes of the chunk that starts with a row.
  public func writeChunk(_ bytes: [UInt8], atRow row: Int) throws {
    let start = start(ofRow: row)
    try handle.call("write") {
      H5Dwrite_chunk($0, chdf5_default(), 0, start, bytes.count, bytes)
    }
  }

  private func start(ofRow row: Int) -> [hsize_t] {
    [hsize_t(row)] + shape.dropFirst().map { _ in 0 }
  }

  /// Cuts the first axis of a chunked dataset.
  public func shrink(toRows rows: Int) throws {
    let shape = [rows] + self.shape.dropFirst()
    try handle.call("resize") { H5Dset_extent($0, shape.map { hsize_t($0) }) }
  }
}
