// Cutting the merged network at a sparsity, exact to the weight.

import Torch

/// Masks for each sparsity: exactly so many weights go, and the task masks vote for what stays.
///
/// Two looks at each task's scores: the first counts them by bucket, which bounds every weight's
/// critical keep ratio and so brackets each cut; the second settles the weights outside the bracket
/// and ranks those inside it exactly.
func cut(
  _ network: PrunableNetwork, _ settings: MergeSettings, _ sparsities: [Double],
  scores: (_ task: Int) throws -> [Float]
) throws -> [MergedMasks] {
  let votes = try settings.arbiter.requiredVotes(of: network.tasks.count)
  let shared = 0..<network.sharedCount
  var rankings: [[CoarseRanking]] = []
  var lowest = Ballot(count: shared.count, votes: votes)
  var highest = lowest
  for task in network.tasks.indices {
    try scores(task).withUnsafeBufferPointer { scores in
      rankings.append(
        try network.scopes(ofTask: task, settings.distribution).map { scope in
          let ranking = try CoarseRanking(scores, scope, sharedCount: shared.count)
          let bounds = ranking.bounds
          let range = scope.range.clamped(to: shared)
          nonisolated(unsafe) let scores = scores
          bounds.map(\.lower).withUnsafeBufferPointer { lower in
            nonisolated(unsafe) let lower = lower
            lowest.enter(range) { lower[CoarseRanking.bucket(of: scores[$0])] }
          }
          bounds.map(\.upper).withUnsafeBufferPointer { upper in
            nonisolated(unsafe) let upper = upper
            highest.enter(range) { upper[CoarseRanking.bucket(of: scores[$0])] }
          }
          return ranking
        })
    }
  }

  let heads = rankings.joined().flatMap { ranking in
    zip(ranking.bounds, ranking.headCounts).filter { $0.1 > 0 }
  }
  var cuts = sparsities.map { sparsity in
    let kept = network.keptCount(atSparsity: sparsity)
    return Cut(
      network, kept: kept, votes: votes,
      from: bound(kept, lowest.settled, heads.map { ($0.0.lower, $0.1) }),
      through: bound(kept, highest.settled, heads.map { ($0.0.upper, $0.1) }))
  }
  for task in network.tasks.indices {
    try scores(task).withUnsafeBufferPointer { scores in
      for index in cuts.indices { cuts[index].settle(scores, rankings[task]) }
    }
  }
  return cuts.indices.map { cuts[$0].finish(network) }
}

/// The `kept`-th smallest bound of all weights: shared ones as settled, heads' by bucket.
private func bound(
  _ kept: Int, _ settled: ArraySlice<KeepRatio>, _ heads: [(key: KeepRatio, count: Int)]
) -> KeepRatio {
  guard kept > 0 else { return .always }
  return KeepRatio(
    raw: settled.withKeys { smallest(kept, of: $0, and: heads.map { ($0.key.raw, $0.count) }) })
}

/// A cut that lies between two critical keep ratios, while the tasks settle what stays.
private struct Cut {
  private typealias Undecided = (position: Int, ratio: KeepRatio)

  private let kept: Int
  private let sharedCount: Int
  private let lower: KeepRatio
  private let upper: KeepRatio
  private var ballot: Ballot
  private var masks: [[UInt8]] = []
  /// Per task, the weights inside the bracket in ascending order.
  private var undecided: [[Undecided]] = []

  init(
    _ network: PrunableNetwork, kept: Int, votes: Int, from lower: KeepRatio,
    through upper: KeepRatio
  ) {
    self.kept = kept
    self.lower = lower
    self.upper = upper
    ballot = Ballot(count: network.sharedCount, votes: votes)
    sharedCount = network.sharedCount
  }

  /// Marks what the next task keeps for certain, and ranks what is undecided.
  mutating func settle(_ scores: UnsafeBufferPointer<Float>, _ rankings: [CoarseRanking]) {
    var mask = [UInt8](repeating: 0, count: scores.count)
    var inside: [Undecided] = []
    if kept > 0 {
      mask.withUnsafeMutableBufferPointer { mask in
        for ranking in rankings {
          let buckets = ranking.buckets(from: lower, through: upper)
          let found = ranking.mark(scores, undecided: buckets, in: mask)
          let ratios = ranking.criticalKeepRatios(found, undecided: buckets)
          inside += zip(found, ratios).map { (Int($0.position), $1) }
        }
        nonisolated(unsafe) let mask = UnsafeBufferPointer(mask)
        ballot.enter(0..<sharedCount) { mask[$0] == 1 ? .always : .never }
      }
    }
    for (position, ratio) in inside where position < sharedCount {
      ballot.enter(position, ratio)
    }
    masks.append(mask)
    undecided.append(inside)
  }

  /// Cuts: the undecided weights with the smallest critical ratios stay, as many as are needed; among
  /// equals at the cut the first in network order.
  mutating func finish(_ network: PrunableNetwork) -> MergedMasks {
    let settled = ballot.settled
    var merged = [UInt8](repeating: 0, count: network.count)
    // In network order.
    var open = merged.withUnsafeMutableBufferPointer { merged in
      settled.withUnsafeBufferPointer { settled in
        nonisolated(unsafe) let (merged, settled) = (merged, settled)
        return inParallel(settled.indices) { [upper] range -> [Undecided] in
          var open: [Undecided] = []
          // Where the bracket reaches the ratio 1, nothing lies beyond it.
          for weight in range where settled[weight] != .never || upper == .never {
            if settled[weight] == .always {
              merged[weight] = 1
            } else {
              open.append((weight, settled[weight]))
            }
          }
          return open
        }.flatMap { $0 }
      }
    }
    for (task, head) in network.heads.enumerated() {
      merged.replaceSubrange(head, with: masks[task][sharedCount...])
      open += undecided[task].filter { $0.position >= sharedCount }
        .map { (network.place(ofWeight: $0.position, inTask: task), $0.ratio) }
    }
    let missing = kept - keptCount(merged)
    guard missing > 0 else {
      return MergedMasks(network: network, merged: merged, tasks: masks, keepRatio: 0)
    }
    let threshold = KeepRatio(
      raw: open.map(\.ratio.raw).withUnsafeBufferPointer { smallest(missing, of: $0) })
    var ties = missing - open.count { $0.ratio < threshold }
    for (place, ratio) in open where ratio <= threshold {
      if ratio == threshold {
        ties -= 1
        if ties < 0 { continue }
      }
      merged[place] = 1
    }
    // Of a tie at the cut a task keeps what the merged network keeps, so that the arbiter over the
    // tasks' masks gives the merged mask.
    for task in masks.indices {
      for (position, ratio) in undecided[task] where ratio <= threshold {
        masks[task][position] =
          ratio < threshold ? 1 : merged[network.place(ofWeight: position, inTask: task)]
      }
    }
    return MergedMasks(
      network: network, merged: merged, tasks: masks, keepRatio: threshold.value)
  }
}
