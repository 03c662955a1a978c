// Random numbers as functions of a seed, what they are for, and how often.

import CTorch

/// A stream of random numbers: the same seed, purpose and index give the same numbers, and no two
/// share any, so runs with neighbouring seeds are independent.
public struct RandomStream: RandomNumberGenerator, Sendable {
  /// What the numbers are for.
  public enum Purpose: UInt64, Sendable, CaseIterable {
    /// By parameter.
    case initialWeights = 1
    /// By parameter.
    case xavierWeights
    /// By layer.
    case randomScores
    /// By batch and by step, each then by dropout layer.
    case dropoutInScoring, dropoutInTraining
    /// By epoch.
    case order
    /// By the sample's position in the sequence of all samples.
    case augmentation
    /// By the stream that it is a part of.
    case part
  }

  /// What the numbers are a function of, besides their position.
  let key: UInt64
  private var position: UInt64 = 0

  public init(seed: UInt64, _ purpose: Purpose, index: Int = 0) {
    // Each word is mixed in by a function that changes half of all bits when one bit changes.
    key = [seed, purpose.rawValue, UInt64(bitPattern: Int64(index))].reduce(0) { key, word in
      Self.mixed((key ^ word) &+ Self.step)
    }
  }

  private static let step: UInt64 = 0x9E37_79B9_7F4A_7C15

  /// SplitMix64's (Steele, Lea & Flood 2014).
  private static func mixed(_ value: UInt64) -> UInt64 {
    var z = value
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  public mutating func next() -> UInt64 {
    position += 1
    return Self.mixed(key &+ position &* Self.step)
  }

  /// An independent stream for a part of the work.
  public func part(_ index: Int) -> RandomStream {
    RandomStream(seed: key, .part, index: index)
  }
}

extension Tensor {
  public static func normal(
    mean: Double = 0, deviation: Double, shape: [Int], stream: RandomStream
  ) throws -> Tensor {
    let tensor = try Tensor.full(0, shape: shape)
    try check(ct_fill_normal(tensor.raw, mean, deviation, stream.key))
    return tensor
  }

  /// Uniform in [low, high).
  public static func uniform(
    _ low: Double, _ high: Double, shape: [Int], stream: RandomStream
  ) throws -> Tensor {
    let tensor = try Tensor.full(0, shape: shape)
    try check(ct_fill_uniform(tensor.raw, low, high, stream.key))
    return tensor
  }
}
