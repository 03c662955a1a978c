// The number types Swift and HDF5 share, and the names of stored types and shapes.

import CHDF5
import Foundation

/// A number type that HDF5 stores; the conformances are the ones below.
public protocol HDF5Scalar: BitwiseCopyable, Sendable {
  /// The type's name in messages, such as "float32".
  static var typeName: String { get }
  /// The type as stored in a file.
  static var elementType: ElementType { get }
}

extension HDF5Scalar {
  public static var typeName: String { elementType.description }
}

extension Float: HDF5Scalar { public static var elementType: ElementType { .float32 } }
extension Double: HDF5Scalar { public static var elementType: ElementType { .float64 } }
extension Int8: HDF5Scalar { public static var elementType: ElementType { .int8 } }
extension Int16: HDF5Scalar { public static var elementType: ElementType { .int16 } }
extension Int32: HDF5Scalar { public static var elementType: ElementType { .int32 } }
extension Int64: HDF5Scalar { public static var elementType: ElementType { .int64 } }
extension UInt8: HDF5Scalar { public static var elementType: ElementType { .uint8 } }
extension UInt16: HDF5Scalar { public static var elementType: ElementType { .uint16 } }
extension UInt32: HDF5Scalar { public static var elementType: ElementType { .uint32 } }
extension UInt64: HDF5Scalar { public static var elementType: ElementType { .uint64 } }

/// What a stored dataset or attribute holds, whatever its byte order.
public enum ElementType: Sendable, Equatable, CustomStringConvertible {
  case float32, float64
  case int8, int16, int32, int64
  case uint8, uint16, uint32, uint64
  case string
  /// Anything else by name, such as "float16", "enum" or "compound".
  case other(String)

  public var description: String {
    switch self {
    case .float32: "float32"
    case .float64: "float64"
    case .int8: "int8"
    case .int16: "int16"
    case .int32: "int32"
    case .int64: "int64"
    case .uint8: "uint8"
    case .uint16: "uint16"
    case .uint32: "uint32"
    case .uint64: "uint64"
    case .string: "string"
    case .other(let name): name
    }
  }

  /// Names the datatype `type`.
  init(of type: hid_t) {
    let size = H5Tget_size(type)
    let isSigned = H5Tget_sign(type) == H5T_SGN_2
    switch (H5Tget_class(type), size) {
    case (H5T_FLOAT, 4): self = .float32
    case (H5T_FLOAT, 8): self = .float64
    case (H5T_INTEGER, 1): self = isSigned ? .int8 : .uint8
    case (H5T_INTEGER, 2): self = isSigned ? .int16 : .uint16
    case (H5T_INTEGER, 4): self = isSigned ? .int32 : .uint32
    case (H5T_INTEGER, 8): self = isSigned ? .int64 : .uint64
    case (H5T_STRING, _): self = .string
    case (H5T_FLOAT, _): self = .other("float\(size * 8)")
    case (H5T_INTEGER, _): self = .other("\(isSigned ? "int" : "uint")\(size * 8)")
    case (H5T_COMPOUND, _): self = .other("compound")
    case (H5T_ENUM, _): self = .other("enum")
    case (H5T_ARRAY, _): self = .other("array")
    case (H5T_VLEN, _): self = .other("variable-length list")
    case (H5T_REFERENCE, _): self = .other("reference")
    case (H5T_OPAQUE, _): self = .other("opaque")
    case (H5T_BITFIELD, _): self = .other("bitfield")
    default: self = .other("unknown type")
    }
  }

  /// The datatype of this type in memory; invalid for strings and others, which libhdf5 refuses.
  var nativeID: hid_t {
    switch self {
    case .float32: chdf5_native_float()
    case .float64: chdf5_native_double()
    case .int8: chdf5_native_int8()
    case .int16: chdf5_native_int16()
    case .int32: chdf5_native_int32()
    case .int64: chdf5_native_int64()
    case .uint8: chdf5_native_uint8()
    case .uint16: chdf5_native_uint16()
    case .uint32: chdf5_native_uint32()
    case .uint64: chdf5_native_uint64()
    case .string, .other: -1
    }
  }
}

/// A datatype's element type, and whether it is a number, which HDF5 converts to any other.
struct StoredType: Sendable {
  let element: ElementType
  let isNumber: Bool
  /// Bytes of a stored value.
  let size: Int

  init(_ type: hid_t) {
    size = H5Tget_size(type)
    element = ElementType(of: type)
    isNumber = [H5T_INTEGER, H5T_FLOAT].contains(H5Tget_class(type))
  }

  func requireNumber(_ expected: String, at place: Place) throws {
    guard isNumber else { throw place.error("is \(element), expected \(expected)") }
  }

  func requireString(at place: Place) throws {
    guard element == .string else { throw place.error("is \(element), expected string") }
  }
}

extension Place {
  /// The shape of a dataspace: [] for a single value, [0] for an empty one.
  func shape(of space: hid_t) throws -> [Int] {
    if H5Sget_simple_extent_type(space) == H5S_NULL { return [0] }
    let rank = try check("read the shape") { H5Sget_simple_extent_ndims(space) }
    var sizes = [hsize_t](repeating: 0, count: Int(rank))
    try check("read the shape") { H5Sget_simple_extent_dims(space, &sizes, nil) }
    return try sizes.map {
      guard let size = Int(exactly: $0) else { throw error("has a dimension of \($0)") }
      return size
    }
  }

  /// Makes a dataspace of a shape, which the caller closes.
  func makeSpace(_ shape: [Int]) throws -> hid_t {
    if shape.isEmpty { return try check("create") { H5Screate(H5S_SCALAR) } }
    return try check("create") {
      H5Screate_simple(Int32(shape.count), shape.map { hsize_t($0) }, nil)
    }
  }

  /// Throws unless `shape` can be that of a dataset.
  func checkShape(_ shape: [Int]) throws {
    guard shape.allSatisfy({ $0 >= 0 }), shape.count <= Int(H5S_MAX_RANK) else {
      throw error("\(shape) is no shape")
    }
    _ = try valueCount(shape)
  }

  /// The number of values in a shape.
  func valueCount(_ shape: [Int]) throws -> Int {
    if shape.contains(0) { return 0 }
    var count = 1
    for size in shape {
      let (product, overflow) = count.multipliedReportingOverflow(by: size)
      if overflow { throw error("shape \(shape) is too large") }
      count = product
    }
    return count
  }

  /// Throws unless that many values of that many bytes fit in this machine's memory, since a
  /// damaged file may claim any shape and Swift stops the program if an array does not fit.
  func checkMemory(_ count: Int, of size: Int) throws {
    let (bytes, overflow) = count.multipliedReportingOverflow(by: size)
    guard !overflow, UInt64(bytes) <= ProcessInfo.processInfo.physicalMemory else {
      throw error("\(count) values of \(size) bytes do not fit in memory")
    }
  }
}
