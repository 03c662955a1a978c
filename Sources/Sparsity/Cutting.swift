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
  var rankings: [[CoarseRanking]] = []
  var cells = RatioCells(sharedCount: network.sharedCount, votes: votes)
  for task in network.tasks.indices {
    try scores(task).withUnsafeBufferPointer { scores in
      rankings.append(
        try network.scopes(ofTask: task, settings.distribution).map { scope in
          let ranking = try CoarseRanking(scores, scope, sharedCount: network.sharedCount)
          cells.enter(scores, ranking)
          return ranking
        })
    }
  }
  let brackets = cells.brackets
  var cuts = sparsities.map { sparsity in
    let kept = network.keptCount(atSparsity: sparsity)
    let bracket = brackets(kept)
    return Cut(kept: kept, from: bracket.lower, through: bracket.upper)
  }
  for task in network.tasks.indices {
    try scores(task).withUnsafeBufferPointer { scores in
      for index in cuts.indices { cuts[index].settle(scores, rankings[task]) }
    }
  }
  return cuts.indices.map { cuts[$0].finish(network, votes: votes) }
}

/// What the buckets say of the weights' critical keep ratios after the arbiter: bounds to the ratios'
/// 16 leading bits, which is finer than buckets are.
private struct RatioCells {
  private typealias Cell = UInt16

  private let shared: Range<Int>
  private var lowest: Ballot<Cell>
  private var highest: Ballot<Cell>
  /// The heads' weights by cell.
  private var lowestOfHeads = [Int](repeating: 0, count: 1 << 16)
  private var highestOfHeads = [Int](repeating: 0, count: 1 << 16)

  init(sharedCount: Int, votes: Int) {
    shared = 0..<sharedCount
    lowest = Ballot(count: sharedCount, votes: votes, never: .max)
    highest = lowest
  }

  mutating func enter(_ scores: UnsafeBufferPointer<Float>, _ ranking: CoarseRanking) {
    let bounds = ranking.bounds
    let lower = bounds.map { Cell($0.lower.raw >> 16) }
    let upper = bounds.map { Cell($0.upper.raw >> 16) }
    for (bucket, count) in ranking.headCounts.enumerated() where count > 0 {
      lowestOfHeads[Int(lower[bucket])] += count
      highestOfHeads[Int(upper[bucket])] += count
    }
    let range = ranking.scope.range.clamped(to: shared)
    nonisolated(unsafe) let scores = scores
    lower.withUnsafeBufferPointer { lower in
      nonisolated(unsafe) let lower = lower
      lowest.enter(range) { lower[CoarseRanking.bucket(of: scores[$0])] }
    }
    upper.withUnsafeBufferPointer { upper in
      nonisolated(unsafe) let upper = upper
      highest.enter(range) { upper[CoarseRanking.bucket(of: scores[$0])] }
    }
  }

  /// Between which ratios the one lies at which so many weights stay.
  var brackets: (_ kept: Int) -> (lower: KeepRatio, upper: KeepRatio) {
    let lowest = Self.counts(lowest.settled, lowestOfHeads)
    let highest = Self.counts(highest.settled, highestOfHeads)
    return { kept in
      let lower = UInt32(Self.cell(ofRank: kept, lowest))
      let upper = UInt32(Self.cell(ofRank: kept, highest))
      return (KeepRatio(raw: lower << 16), KeepRatio(raw: upper << 16 | 0xFFFF))
    }
  }

  private static func counts(_ cells: ArraySlice<Cell>, _ heads: [Int]) -> [Int] {
    cells.withUnsafeBufferPointer { cells in
      nonisolated(unsafe) let cells = cells
      let parts = inParallel(cells.indices) { range in
        var counts = [Int](repeating: 0, count: 1 << 16)
        counts.withUnsafeMutableBufferPointer { counts in
          for index in range { counts[Int(cells[index])] += 1 }
        }
        return counts
      }
      return parts.reduce(heads) { zip($0, $1).map(+) }
    }
  }

  private static func cell(ofRank rank: Int, _ counts: [Int]) -> Int {
    var reached = 0
    return counts.firstIndex { count in
      reached += count
      return reached >= rank
    } ?? counts.count - 1
  }
}

/// A cut that lies between two critical keep ratios, while the tasks settle what stays.
private struct Cut {
  private typealias Undecided = (position: Int, ratio: KeepRatio)

  private let kept: Int
  private let lower: KeepRatio
  private let upper: KeepRatio
  private var masks: [[UInt8]] = []
  /// Per task, the weights inside the bracket in ascending order; their masks are 0 until the end.
  private var undecided: [[Undecided]] = []

  init(kept: Int, from lower: KeepRatio, through upper: KeepRatio) {
    self.kept = kept
    self.lower = lower
    self.upper = upper
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
      }
    }
    masks.append(mask)
    undecided.append(inside)
  }

  /// Cuts: the undecided weights with the smallest critical ratios stay, as many as are needed; among
  /// equals at the cut the first in network order.
  mutating func finish(_ network: PrunableNetwork, votes: Int) -> MergedMasks {
    var merged = assembled(masks, of: network, votes: votes)
    var open = contested(of: network.sharedCount, votes: votes)
    for task in network.tasks.indices {
      open += undecided[task].filter { $0.position >= network.sharedCount }
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
    return MergedMasks(network: network, merged: merged, tasks: masks, keepRatio: threshold.value)
  }

  /// The shared weights whose votes depend on the tasks that are undecided, in network order, each with
  /// the ratio from which on it has them.
  private func contested(of sharedCount: Int, votes: Int) -> [Undecided] {
    var contested: [Undecided] = []
    // Each task's next undecided weight.
    var next = undecided.map { _ in 0 }
    var ratios: [KeepRatio] = []
    while true {
      var position = sharedCount
      for task in undecided.indices where next[task] < undecided[task].count {
        position = min(position, undecided[task][next[task]].position)
      }
      guard position < sharedCount else { return contested }
      ratios.removeAll(keepingCapacity: true)
      var missing = votes
      for task in undecided.indices {
        if next[task] < undecided[task].count, undecided[task][next[task]].position == position {
          ratios.append(undecided[task][next[task]].ratio)
          next[task] += 1
        } else {
          missing -= Int(masks[task][position])
        }
      }
      if missing > 0, missing <= ratios.count {
        ratios.sort()
        contested.append((position, ratios[missing - 1]))
      }
    }
  }
}
