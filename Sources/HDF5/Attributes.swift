// Reads and writes the attributes of groups and datasets.

import CHDF5
import Foundation

/// What has attributes: a group (`File.root` for the file's own) or a dataset.
///
/// Errors name an attribute as "/train/image@units". Readers throw "missing attribute",
/// "is string, expected int64" and the like, "has 3 values, expected 1", or "cannot read: …".
/// Writers replace an attribute of that name and throw "cannot write: …".
public protocol AttributeHolder: Sendable {
  var path: String { get }
  var handle: Handle { get }
}

// MARK: - Looking

extension AttributeHolder {
  public func hasAttribute(_ name: String) -> Bool {
    let exists = try? handle.call("look up") { H5Aexists($0, name) }
    return exists.map { $0 > 0 } ?? false
  }

  /// The names of the attributes, sorted bytewise.
  public func attributeNames() throws -> [String] {
    try handle.names("list attributes") { id, names in
      H5Aiterate2(
        id, H5_INDEX_NAME, H5_ITER_INC, nil, { appendName($1, to: $3) }, names)
    }
  }

  public func attributeType(_ name: String) throws -> ElementType {
    try withAttribute(name) { $0.stored.element }
  }
}

// MARK: - Reading

extension AttributeHolder {
  public func attribute(_ name: String) throws -> String {
    try withAttribute(name) { try $0.single($0.strings()) }
  }

  public func attribute(_ name: String) throws -> [String] {
    try withAttribute(name) { try $0.strings() }
  }

  /// Reads a whole number; a stored float must be whole.
  public func attribute(_ name: String) throws -> Int {
    try withAttribute(name) { try $0.single($0.integers()) }
  }

  /// Reads whole numbers; stored floats must be whole.
  public func attribute(_ name: String) throws -> [Int] {
    try withAttribute(name) { try $0.integers() }
  }

  public func attribute(_ name: String) throws -> Double {
    try withAttribute(name) { try $0.single($0.numbers(as: Double.self)) }
  }

  public func attribute(_ name: String) throws -> [Double] {
    try withAttribute(name) { try $0.numbers(as: Double.self) }
  }

  /// Reads one number, converted to `T` by libhdf5, which cuts what does not fit.
  public func attribute<T: HDF5Scalar>(_ name: String, as type: T.Type) throws -> T {
    try withAttribute(name) { try $0.single($0.numbers(as: type)) }
  }

  private func withAttribute<R>(_ name: String, _ body: (OpenAttribute) throws -> R) throws -> R {
    let place = handle.place.attribute(name)
    let exists = try handle.call("look up", at: place) { H5Aexists($0, name) }
    guard exists > 0 else { throw place.error("missing attribute") }
    let id = try handle.call("open", at: place) { H5Aopen($0, name, chdf5_default()) }
    defer { H5Aclose(id) }
    let type = try place.check("open") { H5Aget_type(id) }
    defer { H5Tclose(type) }
    let space = try place.check("open") { H5Aget_space(id) }
    defer { H5Sclose(space) }
    let count = try place.valueCount(place.shape(of: space))
    let attribute = OpenAttribute(
      id: id, type: type, space: space, count: count, stored: StoredType(type), place: place)
    return try body(attribute)
  }
}

/// An attribute while it is being read.
private struct OpenAttribute {
  let id: hid_t
  let type: hid_t
  let space: hid_t
  let count: Int
  let stored: StoredType
  let place: Place

  func single<T>(_ values: [T]) throws -> T {
    guard let value = values.first, values.count == 1 else {
      throw place.error("has \(values.count) values, expected 1")
    }
    return value
  }

  func strings() throws -> [String] {
    try stored.requireString(at: place)
    return try place.readStrings(count, type: type, space: space) { H5Aread(id, $0, $1) }
  }

  func numbers<T: HDF5Scalar>(as: T.Type) throws -> [T] {
    try stored.requireNumber(T.typeName, at: place)
    try place.checkMemory(count, of: MemoryLayout<T>.stride)
    return try [T](unsafeUninitializedCapacity: count) { memory, initialized in
      guard count > 0 else { return }
      try place.check("read") { H5Aread(id, T.elementType.nativeID, memory.baseAddress) }
      initialized = count
    }
  }

  func integers() throws -> [Int] {
    try stored.requireNumber(Int64.typeName, at: place)
    if stored.element == .uint64 { return try numbers(as: UInt64.self).map(whole) }
    if H5Tget_class(type) == H5T_INTEGER { return try numbers(as: Int64.self).map { Int($0) } }
    return try numbers(as: Double.self).map(whole)
  }

  private func whole(_ value: UInt64) throws -> Int {
    guard let whole = Int(exactly: value) else { throw place.error("\(value) is too large") }
    return whole
  }

  private func whole(_ value: Double) throws -> Int {
    guard let whole = Int(exactly: value) else {
      throw place.error("\(value) is not a whole number")
    }
    return whole
  }
}

// MARK: - Writing

extension AttributeHolder {
  /// Writes one fixed-length, null-terminated UTF-8 string; it may be empty or long.
  public func setAttribute(_ name: String, _ value: String) throws {
    let place = handle.place.attribute(name)
    try place.checkStrings([value])
    let type = try place.stringType(length: value.utf8.count + 1)
    defer { H5Tclose(type) }
    try writeAttribute(name, type: type, shape: []) { id in
      value.withCString { H5Awrite(id, type, $0) }
    }
  }

  /// Writes a 1-D array of UTF-8 strings of one length, padded with zeros; it may be empty.
  public func setAttribute(_ name: String, _ values: [String]) throws {
    let place = handle.place.attribute(name)
    try place.checkStrings(values)
    let type = try place.stringType(of: values)
    defer { H5Tclose(type) }
    try writeAttribute(name, type: type, shape: [values.count]) { id in
      H5Awrite(id, type, paddedStrings(values, length: H5Tget_size(type)))
    }
  }

  /// Writes one int64.
  public func setAttribute(_ name: String, _ value: Int) throws {
    try setAttribute(name, typed: Int64(value))
  }

  /// Writes one float64.
  public func setAttribute(_ name: String, _ value: Double) throws {
    try setAttribute(name, typed: value)
  }

  /// Writes a 1-D array of int64; it may be empty.
  public func setAttribute(_ name: String, _ values: [Int]) throws {
    try setAttribute(name, typed: values.map { Int64($0) })
  }

  /// Writes a 1-D array of float64; it may be empty.
  public func setAttribute(_ name: String, _ values: [Double]) throws {
    try setAttribute(name, typed: values)
  }

  /// Writes one number of exactly the type `T`, as `_FillValue` needs.
  public func setAttribute<T: HDF5Scalar>(_ name: String, typed value: T) throws {
    try writeAttribute(name, type: T.elementType.nativeID, shape: []) { id in
      withUnsafePointer(to: value) { H5Awrite(id, T.elementType.nativeID, $0) }
    }
  }

  /// Writes a 1-D array of exactly the type `T`; it may be empty.
  public func setAttribute<T: HDF5Scalar>(_ name: String, typed values: [T]) throws {
    try writeAttribute(name, type: T.elementType.nativeID, shape: [values.count]) { id in
      values.withUnsafeBufferPointer { H5Awrite(id, T.elementType.nativeID, $0.baseAddress) }
    }
  }

  private func writeAttribute(
    _ name: String, type: hid_t, shape: [Int], write: (hid_t) -> herr_t
  ) throws {
    let place = handle.place.attribute(name)
    let space = try place.makeSpace(shape)
    defer { H5Sclose(space) }
    if try handle.call("write", at: place, { H5Aexists($0, name) }) > 0 {
      try handle.call("write", at: place) { H5Adelete($0, name) }
    }
    let id = try handle.call("write", at: place) {
      H5Acreate2($0, name, type, space, chdf5_default(), chdf5_default())
    }
    var isOpen = true
    defer { if isOpen { H5Aclose(id) } }
    if shape != [0] { try handle.call("write", at: place) { _ in write(id) } }
    isOpen = false
    try handle.call("write", at: place) { _ in H5Aclose(id) }
  }
}
