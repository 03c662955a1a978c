// Tensor: Swift's view of one libtorch tensor.

import CTorch

/// What libtorch refused, in its own words.
public struct TorchError: Error, CustomStringConvertible, Sendable {
  public let description: String

  public init(_ description: String) { self.description = description }
}

/// The element types that the pipeline uses.
public enum DType: Sendable, Equatable {
  case float32, float64, bfloat16, uint8, int64, bool

  var raw: CDType {
    switch self {
    case .float32: ct_float32
    case .float64: ct_float64
    case .bfloat16: ct_bfloat16
    case .uint8: ct_uint8
    case .int64: ct_int64
    case .bool: ct_bool
    }
  }

  init(_ raw: CDType) {
    switch raw {
    case ct_float64: self = .float64
    case ct_bfloat16: self = .bfloat16
    case ct_uint8: self = .uint8
    case ct_int64: self = .int64
    case ct_bool: self = .bool
    default: self = .float32
    }
  }
}

/// A Swift number that has a libtorch element type of the same layout.
public protocol TensorScalar: BitwiseCopyable, Sendable {
  static var dtype: DType { get }
}

extension Float: TensorScalar { public static var dtype: DType { .float32 } }
extension Double: TensorScalar { public static var dtype: DType { .float64 } }
extension UInt8: TensorScalar { public static var dtype: DType { .uint8 } }
extension Int64: TensorScalar { public static var dtype: DType { .int64 } }

/// A handle on a libtorch tensor. Copies of the handle share the storage; operations return new
/// tensors unless their name says otherwise (`add(_:)`, `keep(_:)`: in place).
public final class Tensor {
  let raw: OpaquePointer

  init(owning raw: OpaquePointer) { self.raw = raw }

  deinit { ct_release(raw) }

  /// Copies `values`, row-major, into a CPU tensor.
  ///
  /// - Throws: ``TorchError`` when the count does not match the shape.
  public convenience init<T: TensorScalar>(_ values: [T], shape: [Int]) throws {
    var count: Int? = 1
    for size in shape {
      let product = count?.multipliedReportingOverflow(by: size)
      count = product?.overflow == false ? product?.partialValue : nil
    }
    guard values.count == count else {
      throw TorchError("\(values.count) values do not fill the shape \(shape)")
    }
    self.init(
      owning: try made { out in
        values.withUnsafeBytes {
          ct_from_data(&out, $0.baseAddress, T.dtype.raw, shape.map(Int64.init), Int32(shape.count))
        }
      })
  }

  public static func full(_ value: Double, shape: [Int], dtype: DType = .float32) throws -> Tensor {
    try returning { ct_full(&$0, value, dtype.raw, shape.map(Int64.init), Int32(shape.count)) }
  }

  public static func zeros(like other: Tensor) throws -> Tensor {
    try returning { ct_zeros_like(&$0, other.raw) }
  }

  public var shape: [Int] {
    (0..<ct_dimensions(raw)).map { Int(ct_size(raw, $0)) }
  }

  public var count: Int { shape.reduce(1, *) }

  public var dtype: DType { DType(ct_dtype(raw)) }

  public var device: Device { Device(ct_device(raw)) }

  /// The elements in row-major order, whatever the memory format.
  ///
  /// - Throws: ``TorchError`` when `T` is not the tensor's element type.
  public func array<T: TensorScalar>(of type: T.Type = T.self) throws -> [T] {
    guard dtype == T.dtype else { throw TorchError("tensor is \(dtype), not \(T.dtype)") }
    let count = self.count
    return try [T](unsafeUninitializedCapacity: count) { buffer, initialized in
      try check(ct_copy_to_host(raw, buffer.baseAddress, count * MemoryLayout<T>.stride))
      initialized = count
    }
  }

  /// The value of a one-element tensor.
  public func item() throws -> Double {
    let values = try to(.float64).array(of: Double.self)
    guard values.count == 1 else { throw TorchError("item() of a tensor of shape \(shape)") }
    return values[0]
  }

  public func to(_ dtype: DType) throws -> Tensor {
    try returning { ct_to(&$0, raw, dtype.raw, device.raw) }
  }

  public func to(_ device: Device) throws -> Tensor {
    try returning { ct_to(&$0, raw, self.dtype.raw, device.raw) }
  }

  /// The same N×C×H×W values with channels innermost in memory, which convolutions prefer.
  public func channelsLast() throws -> Tensor { try returning { ct_channels_last(&$0, raw) } }

  /// Calls `body` with the N×C×H×W values in the order of ``channelsLast()``: in place, where they lie
  /// so on the CPU.
  ///
  /// - Throws: ``TorchError`` when the elements are not float32 or the dimensions not four.
  public func withChannelsLast<Result>(_ body: (UnsafeBufferPointer<Float>) throws -> Result) throws
    -> Result
  {
    let tensor = try to(Device.cpu).channelsLast()
    var values: UnsafePointer<Float>?
    try check(ct_channels_last_data(&values, tensor.raw))
    return try withExtendedLifetime(tensor) {
      try body(UnsafeBufferPointer(start: values, count: tensor.count))
    }
  }
}

extension Tensor {
  /// Copies a float32 tensor's values to memory, in the order in which `like`, of its shape, lies.
  public func pack(to memory: UnsafeMutablePointer<Float>, like: Tensor) throws {
    try check(ct_pack(memory, raw, like.raw))
  }

  /// Where a float32 tensor's values lie, to be changed there; nil unless it has memory of its own on the
  /// CPU, in the order in which `like`, of its shape, lies. It stays as long as the tensor does.
  public func memory(like: Tensor) throws -> UnsafeMutablePointer<Float>? {
    var memory: UnsafeMutablePointer<Float>?
    try check(ct_memory(&memory, raw, like.raw))
    return memory
  }

  /// A tensor of the shape, the device and the order in memory of `like`, from memory in that order.
  public static func unpacked(_ memory: UnsafePointer<Float>, like: Tensor) throws -> Tensor {
    try returning { ct_unpack(&$0, memory, like.raw) }
  }
}

/// Turns an error text of CTorch into a Swift error.
func check(_ error: CError?) throws {
  guard let error else { return }
  defer { ct_free_text(error) }
  throw TorchError(String(cString: error))
}

/// The pointer that a CTorch call hands back through its first parameter.
func made(_ call: (inout OpaquePointer?) -> CError?) throws -> OpaquePointer {
  var result: OpaquePointer?
  try check(call(&result))
  guard let result else { throw TorchError("libtorch returned nothing") }
  return result
}

func returning(_ call: (inout OpaquePointer?) -> CError?) throws -> Tensor {
  Tensor(owning: try made(call))
}
