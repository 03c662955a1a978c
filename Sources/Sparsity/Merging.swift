// From the tasks' rankings to masks: each task's own, and the merged network's.

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
  /// The share that each task keeps of its network.
  public let keepRatio: Double

  public var kept: Int { merged.reduce(0) { $0 + Int($1) } }
  /// The share of pruned weights among all prunable weights.
  public var sparsity: Double { 1 - Double(kept) / Double(network.count) }

  /// Layers that lost all their weights: whatever follows them sees nothing.
  public var deadLayers: [PrunableLayer] {
    slices(merged, by: network.layers).filter { !$0.values.contains(1) }.map(\.layer)
  }
}

/// The highest-scored share of one task's network, as a mask: the K = ⌊keepRatio · N⌋ best weights
/// and whatever ties with the K-th.
public func selectTopK(_ critical: [KeepRatio], keepRatio: Double) -> [UInt8] {
  let count = Int(keepRatio * Double(critical.count))
  guard count > 0 else { return [UInt8](repeating: 0, count: critical.count) }
  let threshold = KeepRatio(rank: min(count, critical.count), of: critical.count)
  return critical.map { $0 <= threshold ? 1 : 0 }
}

/// Lets every task choose among its weights and the arbiter settle the shared ones.
///
/// - Parameter critical: per task, the critical keep ratios of its network's weights.
/// - Throws: ``SparsityError`` when counts do not fit the network, the target is out of range or
///   the arbiter asks for more tasks than there are.
public func merge(
  _ critical: [[KeepRatio]], of network: PrunableNetwork, arbiter: Arbiter, target: KeepTarget
) throws -> MergedMasks {
  let votes = try arbiter.requiredVotes(of: network.tasks.count)
  guard critical.count == network.tasks.count else {
    throw SparsityError("rankings of \(critical.count) tasks for \(network.tasks.count)")
  }
  for (task, ratios) in critical.enumerated() where ratios.count != network.count(ofTask: task) {
    throw SparsityError(
      "task \(network.tasks[task]): expected \(network.count(ofTask: task)) weights, "
        + "found \(ratios.count)")
  }
  switch target {
  case .keepRatio(let ratio):
    guard ratio > 0, ratio <= 1 else { throw SparsityError("keep ratio \(ratio) is not in (0, 1]") }
    let tasks = critical.map { selectTopK($0, keepRatio: ratio) }
    var merged = (0..<network.sharedCount).map { weight -> UInt8 in
      tasks.reduce(0) { $0 + Int($1[weight]) } >= votes ? 1 : 0
    }
    for mask in tasks { merged += mask[network.sharedCount...] }
    return MergedMasks(network: network, merged: merged, tasks: tasks, keepRatio: ratio)

  case .sparsity(let sparsity):
    guard sparsity >= 0, sparsity < 1 else {
      throw SparsityError("sparsity \(sparsity) is not in [0, 1)")
    }
    var merged = arbitrate(critical.map { $0[..<network.sharedCount] }, votes: votes)
    for ratios in critical { merged += ratios[network.sharedCount...] }
    let kept = network.count - Int((sparsity * Double(network.count)).rounded())
    return select(kept, critical: critical, merged: merged, of: network)
  }
}

/// Keeps exactly `kept` weights of the merged network, those with the smallest critical ratios;
/// among equals at the threshold the first in network order.
private func select(
  _ kept: Int, critical: [[KeepRatio]], merged: [KeepRatio], of network: PrunableNetwork
) -> MergedMasks {
  guard kept > 0 else {
    return MergedMasks(
      network: network, merged: merged.map { _ in 0 }, tasks: critical.map { $0.map { _ in 0 } },
      keepRatio: 0)
  }
  let threshold = smallest(kept, of: merged)
  var ties = kept - merged.count { $0 < threshold }
  let mask = merged.map { ratio -> UInt8 in
    if ratio == threshold {
      ties -= 1
      return ties >= 0 ? 1 : 0
    }
    return ratio < threshold ? 1 : 0
  }
  // A task keeps of a split tie what the merged network keeps, so the arbiter over the tasks' masks
  // gives the merged mask.
  let tasks = critical.enumerated().map { task, ratios in
    ratios.enumerated().map { weight, ratio -> UInt8 in
      if ratio != threshold { return ratio < threshold ? 1 : 0 }
      let shared = weight < network.sharedCount
      return mask[shared ? weight : weight - network.sharedCount + network.heads[task].lowerBound]
    }
  }
  return MergedMasks(network: network, merged: mask, tasks: tasks, keepRatio: threshold.value)
}
