// PyTorch's element types, and tensors made of the numbers of a storage.

import Torch

/// The storages that are read, by PyTorch's names.
enum StoredType: String {
  case float32 = "FloatStorage"
  case float64 = "DoubleStorage"
  case float16 = "HalfStorage"
  case bfloat16 = "BFloat16Storage"
  case int64 = "LongStorage"
  case int32 = "IntStorage"
  case int16 = "ShortStorage"
  case int8 = "CharStorage"
  case uint8 = "ByteStorage"
  case bool = "BoolStorage"

  /// Bytes of an element.
  var size: Int {
    switch self {
    case .float64, .int64: 8
    case .float32, .int32: 4
    case .float16, .bfloat16, .int16: 2
    case .int8, .uint8, .bool: 1
    }
  }

  init(_ type: DType) {
    switch type {
    case .float32: self = .float32
    case .float64: self = .float64
    case .bfloat16: self = .bfloat16
    case .int64: self = .int64
    case .uint8: self = .uint8
    case .bool: self = .bool
    }
  }
}

extension Pickle.Tensor {
  /// How many elements there are.
  ///
  /// - Throws: ``FormatError`` when an element lies outside the storage.
  func elementCount() throws -> Int {
    let damaged = FormatError("a tensor of shape \(shape) does not fit its storage")
    guard offset >= 0, (shape + strides).allSatisfy({ $0 >= 0 }) else {
      throw damaged
    }
    // As if no side were 0, so that no product of sizes overflows anywhere.
    var volume = 1
    var last = offset
    for (size, stride) in zip(shape, strides) {
      let (product, tooLarge) = volume.multipliedReportingOverflow(by: max(size, 1))
      let (reach, tooFar) = max(size - 1, 0).multipliedReportingOverflow(by: stride)
      let (sum, tooFarYet) = last.addingReportingOverflow(reach)
      guard !tooLarge, !tooFar, !tooFarYet, product <= 1 << 48 else { throw damaged }
      (volume, last) = (product, sum)
    }
    if shape.contains(0) { return 0 }
    guard last < storage.count else { throw damaged }
    return volume
  }

  /// The tensor, row-major. float16 and bfloat16 become float32, integers below 64 bits int64, but
  /// for uint8.
  ///
  /// - Parameter bytes: the storage's.
  func tensor(_ type: StoredType, _ bytes: ArraySlice<UInt8>) throws -> Tensor {
    guard storage.count <= bytes.count / type.size else {
      throw FormatError(
        "storage \(storage.key) has \(bytes.count) bytes for \(storage.count) elements")
    }
    func numbers<T: BitwiseCopyable>(_: T.Type) throws -> [T] { try gathered(bytes) }
    switch type {
    case .float32: return try Tensor(numbers(Float.self), shape: shape)
    case .float64: return try Tensor(numbers(Double.self), shape: shape)
    case .float16: return try Tensor(numbers(Float16.self).map(Float.init), shape: shape)
    case .bfloat16:
      let values = try numbers(UInt16.self).map { Float(bitPattern: UInt32($0) << 16) }
      return try Tensor(values, shape: shape)
    case .int64: return try Tensor(numbers(Int64.self), shape: shape)
    case .int32: return try Tensor(numbers(Int32.self).map(Int64.init), shape: shape)
    case .int16: return try Tensor(numbers(Int16.self).map(Int64.init), shape: shape)
    case .int8: return try Tensor(numbers(Int8.self).map(Int64.init), shape: shape)
    case .uint8: return try Tensor(numbers(UInt8.self), shape: shape)
    case .bool: return try Tensor(numbers(UInt8.self), shape: shape).to(.bool)
    }
  }

  /// The elements in row-major order, by their strides.
  private func gathered<T: BitwiseCopyable>(_ bytes: ArraySlice<UInt8>) throws -> [T] {
    let count = try elementCount()
    return bytes.withUnsafeBytes { bytes in
      var place = offset
      var index = [Int](repeating: 0, count: shape.count)
      return (0..<count).map { _ in
        defer {
          // The next index, and what it moves the place by.
          for axis in shape.indices.reversed() {
            index[axis] += 1
            place += strides[axis]
            if index[axis] < shape[axis] { break }
            place -= strides[axis] * shape[axis]
            index[axis] = 0
          }
        }
        return bytes.loadUnaligned(fromByteOffset: place * MemoryLayout<T>.stride, as: T.self)
      }
    }
  }
}

extension Tensor {
  /// The elements as PyTorch stores them, row-major.
  func storedBytes() throws -> [UInt8] {
    func bytes<T: TensorScalar>(_ values: [T]) -> [UInt8] { values.withUnsafeBytes(Array.init) }
    switch dtype {
    case .float32: return bytes(try array(of: Float.self))
    case .float64: return bytes(try array(of: Double.self))
    case .int64: return bytes(try array(of: Int64.self))
    case .uint8: return try array()
    case .bool: return try to(.uint8).array()
    // The upper half of a float32.
    case .bfloat16:
      return try to(.float32).array(of: Float.self).flatMap { value in
        let bits = value.bitPattern >> 16
        return [UInt8(truncatingIfNeeded: bits), UInt8(truncatingIfNeeded: bits >> 8)]
      }
    }
  }
}
