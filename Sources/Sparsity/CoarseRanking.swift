// Ranking by buckets: how many weights are better, up to the weights of one's own bucket. Two looks
// at each score settle nearly all weights of any cut; only those beside it need their exact rank.

import Torch

/// A weight of a task's network and its score's bit pattern.
struct Scored {
  let position: UInt32
  let bits: UInt32
}

/// A ranking scope of one task with its scores counted by bucket: the 16 leading bits behind the sign.
struct CoarseRanking {
  let scope: RankingScope
  /// Bucket b holds the ranks starts[b] + 1 ... starts[b + 1]; bucket 0 the largest scores.
  private(set) var starts: [Int]
  /// Weights of the task's head by bucket; the others are shared.
  let headCounts: [Int]

  static let buckets = 1 << 16
  private static let lowBits: UInt32 = 15

  /// - Throws: ``SparsityError`` when a score is negative, infinite or not a number.
  init(_ scores: UnsafeBufferPointer<Float>, _ scope: RankingScope, sharedCount: Int) throws {
    self.scope = scope
    let split = min(max(sharedCount, scope.range.lowerBound), scope.range.upperBound)
    let shared = try Self.counts(scores, scope.range.lowerBound..<split)
    headCounts = try Self.counts(scores, split..<scope.range.upperBound)
    starts = [0]
    starts.reserveCapacity(Self.buckets + 1)
    for bucket in 0..<Self.buckets {
      starts.append(starts[bucket] + shared[bucket] + headCounts[bucket])
    }
  }

  private static func counts(_ scores: UnsafeBufferPointer<Float>, _ range: Range<Int>) throws
    -> [Int]
  {
    nonisolated(unsafe) let scores = scores
    let parts = inParallel(range) { range -> [Int] in
      // One more bucket for what is no score.
      var counts = [Int](repeating: 0, count: buckets + 1)
      counts.withUnsafeMutableBufferPointer { counts in
        for index in range {
          let bits = (scores[index] + 0).bitPattern
          counts[bits < Float.infinity.bitPattern ? bucket(bits) : buckets] += 1
        }
      }
      return counts
    }
    var total = [Int](repeating: 0, count: buckets + 1)
    for counts in parts {
      for bucket in total.indices { total[bucket] += counts[bucket] }
    }
    guard total.removeLast() == 0 else {
      throw SparsityError("a score is negative, infinite or not a number")
    }
    return total
  }

  /// The bucket of a score's bit pattern, its sign being 0.
  @inline(__always) private static func bucket(_ bits: UInt32) -> Int {
    buckets - 1 - Int(bits >> lowBits)
  }

  @inline(__always) static func bucket(of score: Float) -> Int { bucket((score + 0).bitPattern) }

  /// The bit pattern from which on scores lie in a bucket before `bucket`.
  private static func edge(_ bucket: Int) -> UInt32 { UInt32(buckets - bucket) << lowBits }

  /// What a bucket says of its weights' critical keep ratios.
  typealias Bounds = (lower: KeepRatio, upper: KeepRatio)

  /// The critical keep ratios of each bucket's first and last rank.
  var bounds: [Bounds] {
    (0..<Self.buckets).map { bucket in
      guard starts[bucket] < starts[bucket + 1] else { return (.never, .never) }
      return (
        scope.criticalKeepRatio(atRank: starts[bucket] + 1),
        scope.criticalKeepRatio(atRank: starts[bucket + 1])
      )
    }
  }

  /// The buckets that may hold critical keep ratios between two; those before lie below the lower
  /// one, those behind above the upper one.
  func buckets(from lower: KeepRatio, through upper: KeepRatio) -> Range<Int> {
    let settled = scope.rank(below: lower)
    let reached = scope.rank(at: upper)
    // The first bucket with a rank above `settled`, and the first whose ranks are all above
    // `reached`.
    let first = Self.firstIndex(in: starts) { $0 > settled } - 1
    let end = Self.firstIndex(in: starts) { $0 >= reached }
    return max(first, 0)..<max(min(end, Self.buckets), max(first, 0))
  }

  /// The bucket of a rank.
  func bucket(ofRank rank: Int) -> Int { Self.firstIndex(in: starts) { $0 >= rank } - 1 }

  private static func firstIndex(in starts: [Int], where holds: (Int) -> Bool) -> Int {
    var (low, high) = (0, starts.count)
    while low < high {
      let middle = (low + high) / 2
      if holds(starts[middle]) { high = middle } else { low = middle + 1 }
    }
    return low
  }

  /// Marks the weights of the buckets before `undecided` with 1, and hands out those inside it: their
  /// positions in ascending order, with their bit patterns.
  func mark(
    _ scores: UnsafeBufferPointer<Float>, undecided: Range<Int>,
    in mask: UnsafeMutableBufferPointer<UInt8>
  ) -> [Scored] {
    let upper = Self.edge(undecided.lowerBound)
    let lower = Self.edge(undecided.upperBound)
    nonisolated(unsafe) let (scores, mask) = (scores, mask)
    return inParallel(scope.range) { range -> [Scored] in
      var inside: [Scored] = []
      // Few are inside, so most blocks need no look at each of their weights.
      for start in stride(from: range.lowerBound, to: range.upperBound, by: 64) {
        let block = start..<min(start + 64, range.upperBound)
        let (scores, mask) = (
          UnsafeBufferPointer(rebasing: scores[block]),
          UnsafeMutableBufferPointer(rebasing: mask[block])
        )
        var found: UInt32 = 0
        for index in scores.indices {
          let bits = (scores[index] + 0).bitPattern
          mask[index] = bits >= upper ? 1 : 0
          found |= bits >= lower && bits < upper ? 1 : 0
        }
        guard found > 0 else { continue }
        for (index, score) in scores.enumerated() {
          let bits = (score + 0).bitPattern
          if bits >= lower, bits < upper {
            inside.append(Scored(position: UInt32(start + index), bits: bits))
          }
        }
      }
      return inside
    }.flatMap { $0 }
  }

  /// The exact critical keep ratios of the weights in the buckets `undecided`, in their order.
  func criticalKeepRatios(_ inside: [Scored], undecided: Range<Int>)
    -> [KeepRatio]
  {
    // Descending score, then position: as one number, so that sorting numbers sorts the pairs.
    var sorted = inside.enumerated().map { UInt64(~$1.bits) << 32 | UInt64($0) }
    sorted.sort()
    var ratios = [KeepRatio](repeating: .always, count: inside.count)
    let better = starts[undecided.lowerBound]
    var tie = KeepRatio.always
    for (index, entry) in sorted.enumerated() {
      if index == 0 || entry >> 32 != sorted[index - 1] >> 32 {
        tie = scope.criticalKeepRatio(atRank: better + index + 1)
      }
      ratios[Int(entry & 0xFFFF_FFFF)] = tie
    }
    return ratios
  }
}
