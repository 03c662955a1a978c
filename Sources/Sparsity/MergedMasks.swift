// Masks of a multi-task network, and what they are asked to be.

/// How much of the network stays.
public enum KeepTarget: Equatable, Sendable {
  /// Every task keeps this share of its own network, in (0, 1]; what the merged network comes out
  /// at follows from how far the tasks agree (the published way).
  case keepRatio(Double)
  /// This share of the merged network's weights goes, in [0, 1), exact to the weight.
  case sparsity(Double)
}

/// Masks in network order, 1 = kept.
public struct MergedMasks: Sendable {
  public let network: PrunableNetwork
  /// Over the whole network.
  public let merged: [UInt8]
  /// Per task over its own network, before the arbiter.
  public let tasks: [[UInt8]]
  /// The keep ratio that gives these masks.
  public let keepRatio: Double
  public let kept: Int

  init(network: PrunableNetwork, merged: [UInt8], tasks: [[UInt8]], keepRatio: Double) {
    self.network = network
    self.merged = merged
    self.tasks = tasks
    self.keepRatio = keepRatio
    kept = keptCount(merged)
  }

  /// The share of pruned weights among all prunable weights.
  public var sparsity: Double { 1 - Double(kept) / Double(network.count) }

  /// Layers that lost all their weights: whatever follows them sees nothing.
  public var deadLayers: [PrunableLayer] {
    slices(merged, by: network.layers).filter { keptCount($0.values) == 0 }.map(\.layer)
  }
}

extension KeepTarget: CustomStringConvertible {
  public var description: String {
    switch self {
    case .keepRatio(let ratio): "keep ratio \(ratio)"
    case .sparsity(let sparsity): "sparsity \(sparsity)"
    }
  }

  var sparsity: Double? {
    if case .sparsity(let sparsity) = self { sparsity } else { nil }
  }

  func check() throws {
    switch self {
    case .keepRatio(let ratio):
      guard ratio > 0, ratio <= 1 else {
        throw SparsityError("keep ratio \(ratio) is not in (0, 1]")
      }
    case .sparsity(let sparsity):
      guard sparsity >= 0, sparsity < 1 else {
        throw SparsityError("sparsity \(sparsity) is not in [0, 1)")
      }
    }
  }
}

extension PrunableNetwork {
  /// The number of weights that stay at a sparsity, to the nearest weight.
  public func keptCount(atSparsity sparsity: Double) -> Int {
    count - Int((sparsity * Double(count)).rounded())
  }

  /// The sparsity at which so many weights stay.
  public func sparsity(keeping kept: Int) -> Double { Double(count - kept) / Double(count) }
}
