// How files store numbers: little-endian, and floating-point ones in one of four formats.

import Foundation

enum NumberFormat {
  case float32, float64, float16, bfloat16
  case int8, uint8, int32, int64
  case boolean

  /// Bytes of one number.
  var size: Int {
    switch self {
    case .int8, .uint8, .boolean: 1
    case .float16, .bfloat16: 2
    case .float32, .int32: 4
    case .float64, .int64: 8
    }
  }

  var isFloatingPoint: Bool {
    switch self {
    case .float32, .float64, .float16, .bfloat16: true
    case .int8, .uint8, .int32, .int64, .boolean: false
    }
  }

  /// All of `bytes` as float32: narrower numbers exactly, float64 and large integers rounded.
  func floats(_ bytes: Data) -> [Float] {
    switch self {
    case .float32: float32(bytes)
    case .float64: map(bytes) { Float(Double(bitPattern: $0)) }
    case .float16: map(bytes, widened)
    case .bfloat16: map(bytes) { (bits: UInt16) in Float(bitPattern: UInt32(bits) << 16) }
    case .int8, .uint8, .int32, .int64, .boolean: integers(bytes).map { Float($0) }
    }
  }

  /// All of `bytes`, of an integer format; booleans as 0 and 1.
  func integers(_ bytes: Data) -> [Int] {
    switch self {
    case .int8: map(bytes) { Int(Int8(bitPattern: $0)) }
    case .uint8: map(bytes) { (bits: UInt8) in Int(bits) }
    case .int32: map(bytes) { Int(Int32(bitPattern: $0)) }
    case .int64: map(bytes) { Int(Int64(bitPattern: $0)) }
    case .boolean: map(bytes) { (bits: UInt8) in bits == 0 ? 0 : 1 }
    case .float32, .float64, .float16, .bfloat16: floats(bytes).map { Int(exactly: $0) ?? 0 }
    }
  }

  /// What weights are mostly stored as, all at once.
  private func float32(_ bytes: Data) -> [Float] {
    #if _endian(little)
      let count = bytes.count / size
      return [Float](unsafeUninitializedCapacity: count) { values, initialized in
        _ = bytes.copyBytes(to: values, count: count * size)
        initialized = count
      }
    #else
      return map(bytes) { Float(bitPattern: $0) }
    #endif
  }

  private func map<Bits: FixedWidthInteger, Number>(
    _ bytes: Data, _ number: (Bits) -> Number
  ) -> [Number] {
    bytes.withUnsafeBytes { bytes in
      (0..<bytes.count / size).map {
        number(
          Bits(littleEndian: bytes.loadUnaligned(fromByteOffset: $0 * size, as: Bits.self)))
      }
    }
  }
}

/// The value of an IEEE 754 half.
func widened(_ half: UInt16) -> Float {
  let sign: Float = half >> 15 == 0 ? 1 : -1
  let (exponent, fraction) = (Int(half >> 10 & 31), Float(half & 1023))
  switch exponent {
  case 0: return sign * fraction * 0x1p-24
  case 31: return half & 1023 == 0 ? sign * .infinity : .nan
  default:
    return sign * Float(sign: .plus, exponent: exponent - 15, significand: 1 + fraction / 1024)
  }
}

/// float32 as files store it.
package func littleEndianBytes(_ values: [Float]) -> Data {
  values.withUnsafeBytes { bytes in
    #if _endian(little)
      Data(bytes)
    #else
      Data(
        bytes.bindMemory(to: UInt32.self).flatMap {
          withUnsafeBytes(of: $0.littleEndian, Array.init)
        })
    #endif
  }
}
