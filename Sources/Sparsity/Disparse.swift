// DiSparse as the paper tells it: every task ranks the weights of its own network, and an arbiter decides
// about those that several tasks own. `merge` gives the same masks to the bit, but in linear time.

/// Prunes a network.
///
/// A task's scores may be divided by their sum, as the paper does: that changes no rank.
///
/// - Parameters:
///   - scores: per task over its own network; at least 0.
///   - target: how much stays.
/// - Throws: ``SparsityError`` when the target is out of range, or the arbiter asks for more tasks than
///   there are.
public func disparse(
  _ scores: [[Float]], of network: PrunableNetwork, arbiter: Arbiter = .union,
  distribution: Distribution = .global, target: KeepTarget
) throws -> MergedMasks {
  try target.check()
  try arbiter.check(tasks: network.tasks.count)
  switch target {
  case .keepRatio(let ratio):
    // Every task keeps the best share of its own network; a shared weight stays if enough owners keep it.
    let masks = network.tasks.indices.map { task in
      let scopes = network.scopes(ofTask: task, distribution)
      let counts = network.counts(ofTask: task, distribution, keeping: ratio)
      return zip(scopes, counts).flatMap { best($1, of: scores[task][$0.range]) }
    }
    let merged = columns(masks, of: network).map { votes -> UInt8 in
      votes.count { $0 == 1 } >= arbiter.requiredVotes(ofOwners: votes.count) ? 1 : 0
    }
    return MergedMasks(network: network, merged: merged, tasks: masks, keepRatio: ratio)

  case .sparsity(let sparsity):
    // A weight's critical keep ratio is the smallest at which its task keeps it. The arbiter makes one of
    // its owners' ratios, and the smallest of these stay: as many as the sparsity leaves.
    let critical = network.tasks.indices.map { task in
      network.scopes(ofTask: task, distribution).flatMap { scope in
        ranks(of: scores[task][scope.range]).map(scope.criticalKeepRatio(atRank:))
      }
    }
    let decided = columns(critical, of: network).map(arbiter.decide)
    let order = decided.indices.sorted { (decided[$0], $0) < (decided[$1], $1) }
    let kept = order.prefix(network.keptCount(atSparsity: sparsity))
    var merged = decided.map { _ in UInt8(0) }
    for weight in kept { merged[weight] = 1 }
    // The last weight that stays sets the keep ratio. Where a task's own weight is as good as that one,
    // the task keeps it if the merged network does, so that its mask is part of the same vote.
    let last = kept.last.map { decided[$0] }
    let masks = network.tasks.indices.map { task in
      zip(critical[task], restriction(of: merged, to: task, network)).map {
        ratio, merged -> UInt8 in
        guard let last else { return 0 }
        return ratio == last ? merged : ratio < last ? 1 : 0
      }
    }
    return MergedMasks(
      network: network, merged: merged, tasks: masks, keepRatio: last?.value ?? 0)
  }
}

/// The mask of the `count` best scores, and of all that are as good as the last of them.
private func best(_ count: Int, of scores: ArraySlice<Float>) -> [UInt8] {
  guard count > 0 else { return scores.map { _ in 0 } }
  let threshold = scores.sorted(by: >)[count - 1]
  return scores.map { $0 >= threshold ? 1 : 0 }
}

/// The ranks of scores, best first from 1. Equal scores share the first rank of their tie, so that a keep
/// ratio keeps them all or none.
private func ranks(of scores: ArraySlice<Float>) -> [Int] {
  var first: [Float: Int] = [:]
  for (index, score) in scores.sorted(by: >).enumerated() where first[score] == nil {
    first[score] = index + 1
  }
  return scores.compactMap { first[$0] }
}

/// What a weight's owners say of it, for each weight of the whole network.
///
/// - Parameter values: per task over its own network.
private func columns<Value>(_ values: [[Value]], of network: PrunableNetwork) -> [[Value]] {
  var rest = values.map { $0[...] }
  return network.layers.flatMap { layer in
    (0..<layer.count).map { _ in layer.owners.map { rest[$0].removeFirst() } }
  }
}

/// The part of the whole network's mask that is about a task's own network.
private func restriction(of mask: [UInt8], to task: Int, _ network: PrunableNetwork) -> [UInt8] {
  slices(mask, by: network.layers).filter { $0.layer.owners.contains(task) }.flatMap(\.values)
}
