// Seeded random numbers.

import CTorch

/// A stream of random numbers: the same seed gives the same numbers.
public final class Generator {
  let raw: OpaquePointer

  public init(seed: UInt64, on device: Device = .cpu) throws {
    raw = try made { ct_generator(&$0, seed, device.raw) }
  }

  deinit { ct_release_generator(raw) }
}

extension Tensor {
  public static func normal(
    mean: Double = 0, deviation: Double, shape: [Int], using generator: Generator
  ) throws -> Tensor {
    let tensor = try Tensor.full(0, shape: shape)
    try check(ct_fill_normal(tensor.raw, mean, deviation, generator.raw))
    return tensor
  }

  /// Uniform in [low, high).
  public static func uniform(
    _ low: Double, _ high: Double, shape: [Int], using generator: Generator
  ) throws -> Tensor {
    let tensor = try Tensor.full(0, shape: shape)
    try check(ct_fill_uniform(tensor.raw, low, high, generator.raw))
    return tensor
  }
}
