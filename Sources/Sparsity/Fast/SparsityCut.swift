// Cutting the merged network at a sparsity, exact to the weight.

import Torch

/// Masks for each sparsity: exactly so many weights go, and the task masks vote for what stays.
///
/// Two looks at each task's scores: the first counts them by bucket, which bounds every weight's
/// critical keep ratio and so brackets each cut; the second marks the weights below the bracket and
/// ranks those inside it exactly.
func cut(
  _ network: PrunableNetwork, _ settings: MergeSettings, _ sparsities: [Double],
  scores: ScoreSupply
) throws -> [MergedMasks] {
  var rankings: [[BucketRanking]] = []
  let bounds = RatioBounds(network, settings.arbiter)
  try network.forTasks(scores) { task, scores in
    let scopes = network.scopes(ofTask: task, settings.distribution)
    rankings.append(
      try scores.withUnsafeBufferPointer { try bounds.enter($0, scopes, ofTask: task) })
  }
  let brackets = bounds.brackets()
  var cuts = sparsities.map { sparsity in
    let kept = network.keptCount(atSparsity: sparsity)
    let bracket = brackets(kept)
    return Cut(
      masks: network.emptyMasks, kept: kept, lower: bracket.lower, upper: bracket.upper)
  }
  try network.forTasks(scores) { task, scores in
    scores.withUnsafeBufferPointer { scores in
      for index in cuts.indices { cuts[index].add(scores, rankings[task], ofTask: task) }
    }
  }
  return cuts.indices.map { cuts[$0].finish(network, settings.arbiter) }
}

/// What the buckets say of the weights' critical keep ratios after the arbiter: bounds to the ratios'
/// 16 leading bits, which is finer than buckets are.
private final class RatioBounds {
  private typealias Cell = UInt16
  private static let cells = 1 << 16

  private let network: PrunableNetwork
  /// A lower and an upper bound per weight, by section; nil for a section of a single task, whose weights
  /// are counted without looking at each.
  private let columns: [RatioColumns<Cell>?]
  /// The weights with a single owner, by the cell of each bound.
  private var lower = [Int](repeating: 0, count: cells)
  private var upper = [Int](repeating: 0, count: cells)

  init(_ network: PrunableNetwork, _ arbiter: Arbiter) {
    self.network = network
    columns = network.sections.map { section in
      guard section.isShared else { return nil }
      return RatioColumns(
        count: section.range.count, width: 2,
        votes: arbiter.requiredVotes(ofOwners: section.owners.count))
    }
  }

  /// Enters a task's scores.
  func enter(
    _ scores: UnsafeBufferPointer<Float>, _ scopes: [RankingScope], ofTask task: Int
  ) throws -> [BucketRanking] {
    let sections = network.sections.map { $0.range(inTask: task) }
    func ranges(_ areShared: Bool, in scope: RankingScope) -> [Range<Int>] {
      zip(network.sections, sections).compactMap { section, range in
        guard section.isShared == areShared, let range else { return nil }
        let common = range.clamped(to: scope.range)
        return common.isEmpty ? nil : common
      }
    }
    var rankings: [BucketRanking] = []
    var tables: [(range: Range<Int>, bounds: [Cell])] = []
    for scope in scopes {
      let shared = try Buckets.counts(scores, in: ranges(true, in: scope))
      let single = try Buckets.counts(scores, in: ranges(false, in: scope))
      let ranking = BucketRanking(scope, counts: zip(shared, single).map(+))
      rankings.append(ranking)
      // A bucket's two bounds after another; none is looked up for an empty bucket.
      var table = [Cell](repeating: 0, count: 2 * Buckets.count)
      for bucket in 0..<Buckets.count {
        guard let bounds = ranking.bounds(ofBucket: bucket) else { continue }
        table[2 * bucket] = Cell(bounds.lower.raw >> 16)
        table[2 * bucket + 1] = Cell(bounds.upper.raw >> 16)
        lower[Int(table[2 * bucket])] += single[bucket]
        upper[Int(table[2 * bucket + 1])] += single[bucket]
      }
      tables.append((scope.range, table))
    }
    nonisolated(unsafe) let scores = scores
    for (columns, section) in zip(columns, sections) {
      guard let columns, let section else { continue }
      columns.enter { [tables] weights, bounds in
        let block =
          section.lowerBound + weights.lowerBound..<section.lowerBound + weights.upperBound
        for (range, table) in tables where range.overlaps(block) {
          let common = range.clamped(to: block)
          let first = common.lowerBound - block.lowerBound
          let bounds = UnsafeMutableBufferPointer(
            rebasing: bounds[2 * first..<2 * (first + common.count)])
          let scores = UnsafeBufferPointer(rebasing: scores[common])
          table.withUnsafeBufferPointer { table in
            for (index, score) in scores.enumerated() {
              let bucket = Buckets.bucket(of: score)
              bounds.initializeElement(at: 2 * index, to: table[2 * bucket])
              bounds.initializeElement(at: 2 * index + 1, to: table[2 * bucket + 1])
            }
          }
        }
      }
    }
    return rankings
  }

  /// Between which ratios the one lies at which so many weights stay.
  func brackets() -> (_ kept: Int) -> (lower: KeepRatio, upper: KeepRatio) {
    for columns in columns {
      columns?.withDecided { bounds in
        nonisolated(unsafe) let bounds = bounds
        let parts = inParallel(0..<bounds.count / 2) { range in
          var counts = [Int](repeating: 0, count: 2 * Self.cells)
          counts.withUnsafeMutableBufferPointer { counts in
            for index in range {
              counts[Int(bounds[2 * index])] += 1
              counts[Self.cells + Int(bounds[2 * index + 1])] += 1
            }
          }
          return counts
        }
        for counts in parts {
          for cell in 0..<Self.cells {
            lower[cell] += counts[cell]
            upper[cell] += counts[Self.cells + cell]
          }
        }
      }
    }
    return { [lower, upper] kept in
      let first = UInt32(Self.cell(ofRank: kept, lower))
      let last = UInt32(Self.cell(ofRank: kept, upper))
      return (KeepRatio(raw: first << 16), KeepRatio(raw: last << 16 | 0xFFFF))
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

/// A cut that lies between two critical keep ratios. Weights inside this bracket are open until all tasks
/// have been added.
private struct Cut {
  private let kept: Int
  private let lower: KeepRatio
  private let upper: KeepRatio
  private var masks: [[UInt8]]
  /// Per task in ascending order; their masks are 0 until the end.
  private var open: [[RankedWeight]]

  /// - Parameter masks: of 0, per task.
  init(masks: [[UInt8]], kept: Int, lower: KeepRatio, upper: KeepRatio) {
    self.masks = masks
    open = masks.map { _ in [] }
    self.kept = kept
    self.lower = lower
    self.upper = upper
  }

  /// Marks what a task keeps for certain, and ranks what is open.
  mutating func add(
    _ scores: UnsafeBufferPointer<Float>, _ rankings: [BucketRanking], ofTask task: Int
  ) {
    guard kept > 0 else { return }
    for ranking in rankings {
      let buckets = ranking.buckets(from: lower, through: upper)
      let found = masks[task].withUnsafeMutableBufferPointer {
        ranking.mark(scores, open: buckets, in: $0)
      }
      open[task] += ranking.ranked(found, open: buckets)
    }
  }

  /// Cuts: the open weights with the smallest critical ratios stay, as many as are needed; among equals at
  /// the cut the first in network order.
  mutating func finish(_ network: PrunableNetwork, _ arbiter: Arbiter) -> MergedMasks {
    var merged = mergedMask(masks, of: network, by: arbiter)
    let missing = kept - keptCount(merged)
    guard missing > 0 else {
      return MergedMasks(network: network, merged: merged, tasks: masks, keepRatio: 0)
    }
    let contested = contested(in: network, by: arbiter)
    let threshold = KeepRatio(
      raw: contested.map(\.ratio.raw).withUnsafeBufferPointer { smallest(missing, of: $0) })
    var ties = missing - contested.count { $0.ratio < threshold }
    for (place, ratio) in contested where ratio <= threshold {
      if ratio == threshold {
        ties -= 1
        if ties < 0 { continue }
      }
      merged[place] = 1
    }
    // Of a tie at the cut a task keeps what the merged network keeps, so that the arbiter over the
    // tasks' masks gives the merged mask.
    for task in open.indices {
      var rest = open[task][...]
      for section in network.sections {
        guard let range = section.range(inTask: task) else { continue }
        while let weight = rest.first, Int(weight.position) < range.upperBound {
          rest.removeFirst()
          guard weight.ratio <= threshold else { continue }
          let place = section.range.lowerBound + Int(weight.position) - range.lowerBound
          masks[task][Int(weight.position)] = weight.ratio < threshold ? 1 : merged[place]
        }
      }
    }
    return MergedMasks(network: network, merged: merged, tasks: masks, keepRatio: threshold.value)
  }

  /// The weights whose votes depend on the owners for whom they are open, in network order, each with
  /// the ratio from which on it has them.
  private func contested(in network: PrunableNetwork, by arbiter: Arbiter)
    -> [(place: Int, ratio: KeepRatio)]
  {
    var contested: [(place: Int, ratio: KeepRatio)] = []
    // Each task's next open weight.
    var next = open.map { _ in 0 }
    var ratios: [KeepRatio] = []
    for section in network.sections {
      let owners = Array(zip(section.owners, section.starts))
      let required = arbiter.requiredVotes(ofOwners: owners.count)
      while true {
        // Weights by their place in the section.
        var weight = section.range.count
        for (task, start) in owners where next[task] < open[task].count {
          weight = min(weight, Int(open[task][next[task]].position) - start)
        }
        guard weight < section.range.count else { break }
        ratios.removeAll(keepingCapacity: true)
        var missing = required
        for (task, start) in owners {
          if next[task] < open[task].count,
            Int(open[task][next[task]].position) == start + weight
          {
            ratios.append(open[task][next[task]].ratio)
            next[task] += 1
          } else {
            missing -= Int(masks[task][start + weight])
          }
        }
        if missing > 0, missing <= ratios.count {
          ratios.sort()
          contested.append((section.range.lowerBound + weight, ratios[missing - 1]))
        }
      }
    }
    return contested
  }
}
