// Reads and writes datasets: whole, or one slab (a box inside the shape) at a time.

import CHDF5
import Synchronization

/// A dataset: an array of numbers or strings of a fixed shape, in row-major order.
public final class Dataset: AttributeHolder {
  public let handle: Handle
  /// The size of each dimension; [] for a single value.
  public let shape: [Int]
  /// What is stored; reading and writing convert between number types.
  public let elementType: ElementType
  /// The size of a chunk in each dimension; nil when not chunked.
  public let chunk: [Int]?
  /// Whether the values lie in other datasets, which ``virtualBlocks()`` names. They are not read
  /// through this one.
  public let isVirtual: Bool
  /// The absolute path.
  public var path: String { handle.place.path }
  /// The file's name as it was opened.
  public var file: String { handle.place.file }
  /// The number of values in the shape.
  public let count: Int
  private let type: StoredType
  /// Bytes, once they were asked for: counting chunks takes time.
  private let stored = Mutex<UInt64?>(nil)

  init(_ handle: Handle) throws {
    let place = handle.place
    let creation = try handle.call("open") { H5Dget_create_plist($0) }
    defer { H5Pclose(creation) }
    let layout = H5Pget_layout(creation)
    guard H5Pget_external_count(creation) == 0 else {
      throw place.error("keeps its values in another file, which is not read")
    }
    // Before libhdf5 looks for their size in other files.
    if layout == H5D_VIRTUAL { try place.checkVirtualSources(creation) }
    let space = try handle.call("open") { H5Dget_space($0) }
    defer { H5Sclose(space) }
    let type = try handle.call("open") { H5Dget_type($0) }
    defer { H5Tclose(type) }
    let shape = try place.shape(of: space)

    self.handle = handle
    self.shape = shape
    self.type = StoredType(type)
    elementType = self.type.element
    count = try place.valueCount(shape)
    isVirtual = layout == H5D_VIRTUAL
    if layout == H5D_CHUNKED {
      var sizes = [hsize_t](repeating: 0, count: shape.count)
      try place.check("open") { H5Pget_chunk(creation, Int32(sizes.count), &sizes) }
      chunk = sizes.map { Int(clamping: $0) }
    } else {
      chunk = nil
    }
  }

  /// The bytes the values take in the file, after compression.
  public func storageSize() -> UInt64 {
    var size: UInt64 = 0
    _ = try? handle.call("measure") { id -> herr_t in
      size = H5Dget_storage_size(id)
      return 0
    }
    return size
  }

  // MARK: Reading

  /// Reads all values, converted to `T`. Throws "is string, expected float32", or what keeps
  /// libhdf5 from reading ("cannot read: …").
  public func read<T: HDF5Scalar>(as type: T.Type) throws -> [T] {
    try read(as: type, offset: shape.map { _ in 0 }, count: shape)
  }

  /// Reads the values of the slab that starts at `offset` and has shape `count`. Throws as
  /// `read(as:)`, and if the slab is not inside the shape.
  public func read<T: HDF5Scalar>(
    as type: T.Type, offset: [Int], count: [Int]
  ) throws -> [T] {
    let total = try checkSlab(offset, count)
    try self.type.requireNumber(T.typeName, at: handle.place)
    try handle.place.checkMemory(total, of: MemoryLayout<T>.stride)
    try checkStored(total)
    return try [T](unsafeUninitializedCapacity: total) { memory, initialized in
      try read(into: .init(rebasing: memory[..<total]), offset: offset, count: count)
      initialized = total
    }
  }

  /// Reads a slab into memory that holds exactly its values. Throws as
  /// `read(as:offset:count:)`, and "expected 12 values, found 10" if the memory does not fit.
  public func read<T: HDF5Scalar>(
    into memory: UnsafeMutableBufferPointer<T>, offset: [Int], count: [Int]
  ) throws {
    let total = try checkSlab(offset, count)
    try type.requireNumber(T.typeName, at: handle.place)
    try checkCount(memory.count, total)
    try checkStored(total)
    if try readDirectly(into: memory, offset: offset, count: count) { return }
    try withSlab(offset, count) { memorySpace, fileSpace in
      try handle.call("read") {
        let type = T.elementType.nativeID
        return H5Dread($0, type, memorySpace, fileSpace, chdf5_default(), memory.baseAddress)
      }
    }
  }

  /// Reads all strings, of fixed or variable length. Throws "is float32, expected string", or
  /// "cannot read: …".
  public func readStrings() throws -> [String] {
    try type.requireString(at: handle.place)
    try checkStored(count)
    let type = try handle.call("read") { H5Dget_type($0) }
    defer { H5Tclose(type) }
    let space = try handle.call("read") { H5Dget_space($0) }
    defer { H5Sclose(space) }
    return try handle.place.readStrings(count, type: type, space: space) { memoryType, memory in
      try handle.call("read") {
        H5Dread($0, memoryType, chdf5_all(), chdf5_all(), chdf5_default(), memory)
      }
    }
  }

  /// What one stored byte can stand for at most: deflate's best ratio (zlib's documentation, 1032:1).
  static let largestExpansion = 1032
  /// So few bytes may be reserved whatever a file holds.
  static let alwaysAllowed = 1 << 20

  /// Throws unless the stored bytes can hold so many values, and a chunk of them: a damaged or hostile
  /// file may claim any shape, and reserving memory for it would take down more than this program.
  /// Values that were never written read as fill values, and so count as not there.
  public func checkStored(_ values: Int) throws {
    guard !isVirtual else {
      throw handle.place.error("is virtual: its values lie in other datasets, which are not read")
    }
    let size = type.size
    let (bytes, tooMany) = values.multipliedReportingOverflow(by: size)
    let (chunkBytes, tooLarge) = (chunk ?? []).reduce((size, false)) {
      let (product, overflow) = $0.0.multipliedReportingOverflow(by: $1)
      return (product, $0.1 || overflow)
    }
    let wanted = tooMany || tooLarge ? Int.max : max(bytes, chunk == nil ? 0 : chunkBytes)
    guard wanted > Self.alwaysAllowed else { return }
    let held = stored.withLock { stored in
      let size = stored ?? storageSize()
      stored = size
      return size
    }
    let expansion = chunk == nil ? 1 : UInt64(Self.largestExpansion)
    let (room, isPlenty) = held.multipliedReportingOverflow(by: expansion)
    guard isPlenty || UInt64(wanted) <= room else {
      throw handle.place.error(
        "claims \(tooMany || tooLarge ? "more" : "\(wanted)") bytes of values, more than the "
          + "\(held) stored ones can hold")
    }
  }

  // MARK: Writing

  /// Writes all values. Throws "expected 12 values, found 10", "is string, expected float32",
  /// or "cannot write: …".
  public func write<T: HDF5Scalar>(_ values: [T]) throws {
    try values.withUnsafeBufferPointer { try write($0) }
  }

  /// Writes all values from memory. Throws as `write(_:)` of an array.
  public func write<T: HDF5Scalar>(_ values: UnsafeBufferPointer<T>) throws {
    try write(values, offset: shape.map { _ in 0 }, count: shape)
  }

  /// Writes the values of the slab that starts at `offset` and has shape `count`. Throws as
  /// `write(_:)`, and if the slab is not inside the shape.
  public func write<T: HDF5Scalar>(
    _ values: UnsafeBufferPointer<T>, offset: [Int], count: [Int]
  ) throws {
    let total = try checkSlab(offset, count)
    try type.requireNumber(T.typeName, at: handle.place)
    try checkCount(values.count, total)
    try withSlab(offset, count) { memorySpace, fileSpace in
      try handle.call("write") {
        let type = T.elementType.nativeID
        return H5Dwrite($0, type, memorySpace, fileSpace, chdf5_default(), values.baseAddress)
      }
    }
  }

  // MARK: Slabs

  /// Throws unless the slab is inside the shape; returns its number of values.
  private func checkSlab(_ offset: [Int], _ count: [Int]) throws -> Int {
    let fits =
      offset.count == shape.count && count.count == shape.count
      && shape.indices.allSatisfy {
        offset[$0] >= 0 && count[$0] >= 0 && offset[$0] <= shape[$0]
          && count[$0] <= shape[$0] - offset[$0]
      }
    guard fits else {
      throw handle.place.error("offset \(offset), count \(count) is outside shape \(shape)")
    }
    return try handle.place.valueCount(count)
  }

  private func checkCount(_ found: Int, _ expected: Int) throws {
    guard found == expected else {
      throw handle.place.error("expected \(expected) values, found \(found)")
    }
  }

  /// Calls `transfer` with the dataspaces of the slab in memory and in the file, unless the slab
  /// is empty, when there is nothing to do.
  private func withSlab<R>(
    _ offset: [Int], _ count: [Int], transfer: (_ memory: hid_t, _ file: hid_t) throws -> R
  ) throws {
    if count.contains(0) { return }
    if count == shape {
      _ = try transfer(chdf5_all(), chdf5_all())
      return
    }
    let fileSpace = try handle.call("select") { H5Dget_space($0) }
    defer { H5Sclose(fileSpace) }
    let (start, size) = (offset.map { hsize_t($0) }, count.map { hsize_t($0) })
    try handle.place.check("select") {
      H5Sselect_hyperslab(fileSpace, H5S_SELECT_SET, start, nil, size, nil)
    }
    let memorySpace = try handle.place.makeSpace(count)
    defer { H5Sclose(memorySpace) }
    _ = try transfer(memorySpace, fileSpace)
  }
}
