// Ranking by buckets: the leading bits of a score tell how many weights are better, up to the weights of
// its own bucket. That decides nearly all weights of any cut; only those beside it need their exact rank.

import Torch

/// The buckets of scores: the 16 bits behind the sign, so that bucket 0 holds the largest.
enum Buckets {
  private static let lowBits: UInt32 = 15
  /// As many as finite scores have.
  static let count = Int(Float.infinity.bitPattern >> lowBits)

  /// The bucket of a score; −0 is 0.
  @inline(__always) static func bucket(of score: Float) -> Int { bucket((score + 0).bitPattern) }

  @inline(__always) private static func bucket(_ bits: UInt32) -> Int {
    count - 1 - Int(bits >> lowBits)
  }

  /// The score from which on scores lie in a bucket before `bucket`.
  static func edge(_ bucket: Int) -> Float {
    Float(bitPattern: UInt32(count - bucket) << lowBits)
  }

  /// The number of scores by bucket.
  ///
  /// - Throws: ``SparsityError`` when a score is negative, infinite or not a number.
  static func counts(_ scores: UnsafeBufferPointer<Float>, in ranges: [Range<Int>]) throws -> [Int]
  {
    nonisolated(unsafe) let scores = scores
    // One more for negative scores and what is not finite.
    var total = [Int](repeating: 0, count: count + 1)
    for range in ranges {
      let parts = inParallel(range) { range -> [Int] in
        var counts = [Int](repeating: 0, count: count + 1)
        counts.withUnsafeMutableBufferPointer { counts in
          for index in range {
            let bits = (scores[index] + 0).bitPattern
            counts[bits < Float.infinity.bitPattern ? bucket(bits) : count] &+= 1
          }
        }
        return counts
      }
      for counts in parts {
        for bucket in total.indices { total[bucket] += counts[bucket] }
      }
    }
    guard total.removeLast() == 0 else {
      throw SparsityError("a score is negative, infinite or not a number")
    }
    return total
  }
}

/// A ranking scope of one task, whose scores have been counted by bucket.
struct BucketRanking {
  let scope: RankingScope
  /// Bucket b holds the ranks starts[b] + 1 ... starts[b + 1].
  let starts: [Int]

  /// - Parameter counts: the scope's scores by bucket.
  init(_ scope: RankingScope, counts: [Int]) {
    self.scope = scope
    var starts = [0]
    starts.reserveCapacity(counts.count + 1)
    for count in counts { starts.append(starts[starts.count - 1] + count) }
    self.starts = starts
  }

  /// The critical keep ratios of a bucket's first and last rank; nil for an empty bucket.
  func bounds(ofBucket bucket: Int) -> (lower: KeepRatio, upper: KeepRatio)? {
    guard starts[bucket] < starts[bucket + 1] else { return nil }
    return (
      scope.criticalKeepRatio(atRank: starts[bucket] + 1),
      scope.criticalKeepRatio(atRank: starts[bucket + 1])
    )
  }

  /// The buckets that may hold critical keep ratios between two; those before hold smaller ones, those
  /// behind larger ones.
  func buckets(from lower: KeepRatio, through upper: KeepRatio) -> Range<Int> {
    let below = scope.rank(below: lower)
    let reached = scope.rank(at: upper)
    // The first bucket with a rank above `below`, and the first whose ranks are all above `reached`.
    let first = firstStart { $0 > below } - 1
    let end = firstStart { $0 >= reached }
    return max(first, 0)..<max(min(end, starts.count - 1), first, 0)
  }

  /// The bucket of a rank.
  func bucket(ofRank rank: Int) -> Int { firstStart { $0 >= rank } - 1 }

  private func firstStart(where holds: (Int) -> Bool) -> Int {
    var (low, high) = (0, starts.count)
    while low < high {
      let middle = (low + high) / 2
      if holds(starts[middle]) { high = middle } else { low = middle + 1 }
    }
    return low
  }

  /// Writes the mask of the weights in buckets before `open`, and hands out those inside it in ascending
  /// order.
  ///
  /// - Parameters:
  ///   - scores: of the task's network.
  ///   - mask: of the task's network.
  func mark(
    _ scores: UnsafeBufferPointer<Float>, open: Range<Int>,
    in mask: UnsafeMutableBufferPointer<UInt8>
  ) -> [ScoredWeight] {
    let better = Buckets.edge(open.lowerBound)
    let worst = Buckets.edge(open.upperBound)
    nonisolated(unsafe) let (scores, mask) = (scores, mask)
    return inParallel(scope.range) { range -> [ScoredWeight] in
      var inside: [ScoredWeight] = []
      // Few are inside, so most blocks need no look at each of their weights.
      for start in stride(from: range.lowerBound, to: range.upperBound, by: 64) {
        let block = start..<min(start + 64, range.upperBound)
        let (scores, mask) = (
          UnsafeBufferPointer(rebasing: scores[block]),
          UnsafeMutableBufferPointer(rebasing: mask[block])
        )
        var found: UInt8 = 0
        for index in scores.indices {
          let isBetter: UInt8 = scores[index] >= better ? 1 : 0
          let isReached: UInt8 = scores[index] >= worst ? 1 : 0
          mask[index] = isBetter
          found |= isReached ^ isBetter
        }
        guard found > 0 else { continue }
        for (index, score) in scores.enumerated() where score >= worst && score < better {
          inside.append(ScoredWeight(position: UInt32(start + index), score: score))
        }
      }
      return inside
    }.flatMap { $0 }
  }

  /// The exact critical keep ratios of all weights in the buckets `open`, in their order.
  func ranked(_ inside: [ScoredWeight], open: Range<Int>) -> [RankedWeight] {
    // Descending score, then place: as one number, so that sorting numbers sorts the pairs.
    var sorted = inside.enumerated().map { UInt64(~$1.bits) << 32 | UInt64($0) }
    sorted.sort()
    let better = starts[open.lowerBound]
    return [RankedWeight](unsafeUninitializedCapacity: inside.count) { ranked, initialized in
      var tie = 0..<0
      while tie.upperBound < sorted.count {
        let bits = sorted[tie.upperBound] >> 32
        let end = sorted[tie.upperBound...].firstIndex { $0 >> 32 != bits } ?? sorted.count
        tie = tie.upperBound..<end
        let ratio = scope.criticalKeepRatio(atRank: better + tie.lowerBound + 1)
        for entry in sorted[tie] {
          let place = Int(entry & 0xFFFF_FFFF)
          ranked.initializeElement(
            at: place, to: RankedWeight(position: inside[place].position, ratio: ratio))
        }
      }
      initialized = inside.count
    }
  }
}

/// A weight of a task's network and its score.
struct ScoredWeight {
  let position: UInt32
  let score: Float

  /// Bit patterns of scores order like the scores; −0 is 0.
  var bits: UInt32 { (score + 0).bitPattern }
}

/// A weight of a task's network and its critical keep ratio.
struct RankedWeight {
  let position: UInt32
  let ratio: KeepRatio
}
