// Exact ranking: every weight's critical keep ratio from its score, in linear time and on all cores.

import Torch

/// The critical keep ratio of every weight of a task's network: from its rank among the weights of
/// its scope, best score first. Equal scores share the first rank of their tie, so that a keep
/// ratio keeps a tie whole.
///
/// Radix sort: scattered by exponent and leading mantissa bits, then bucket by bucket on all cores.
/// 12 bytes per weight besides scores and result.
///
/// - Parameter scores: finite and at least 0; fewer than 2³².
/// - Throws: ``SparsityError`` when a score is negative, infinite or not a number.
public func criticalKeepRatios(of scores: [Float], scopes: [RankingScope]) throws -> [KeepRatio] {
  try check(scores)
  return [KeepRatio](unsafeUninitializedCapacity: scores.count) { ratios, initialized in
    scores.withUnsafeBufferPointer { scores in
      for scope in scopes {
        rank(scores, scope, into: ratios)
      }
    }
    initialized = scores.count
  }
}

/// The critical keep ratios of one ranking: rank over number.
public func criticalKeepRatios(of scores: [Float]) throws -> [KeepRatio] {
  try criticalKeepRatios(of: scores, scopes: [RankingScope(0..<scores.count)])
}

private func check(_ scores: [Float]) throws {
  guard scores.allSatisfy({ $0 >= 0 && $0.isFinite }) else {
    throw SparsityError("a score is negative, infinite or not a number")
  }
}

/// Ascending in this is descending in the score: bit patterns of floats that are at least 0 order
/// like the floats. Adding 0 turns −0 into 0.
private func key(_ score: Float) -> UInt32 { ~(score + 0).bitPattern }

private func rank(
  _ scores: UnsafeBufferPointer<Float>, _ scope: RankingScope,
  into ratios: UnsafeMutableBufferPointer<KeepRatio>
) {
  let range = scope.range
  guard !range.isEmpty else { return }
  let bucketBits: UInt32 = 16
  let buckets = 1 << Int(bucketBits)
  // Of the 32 bits the sign is always the same, so it is shifted out.
  func bucket(_ key: UInt32) -> Int { Int((key << 1) >> (32 - bucketBits)) }

  var starts = [Int](repeating: 0, count: buckets + 1)
  starts.withUnsafeMutableBufferPointer { starts in
    for index in range { starts[bucket(key(scores[index])) + 1] += 1 }
  }
  for index in 0..<buckets { starts[index + 1] += starts[index] }

  // Key and position as one number, so that sorting numbers sorts the pairs.
  let entries = UnsafeMutableBufferPointer<UInt64>.allocate(capacity: range.count)
  defer { entries.deallocate() }
  var ends = starts
  ends.withUnsafeMutableBufferPointer { ends in
    for index in range {
      let key = key(scores[index])
      let place = bucket(key)
      entries[ends[place]] = UInt64(key) << 32 | UInt64(index - range.lowerBound)
      ends[place] += 1
    }
  }

  let occupied = (0..<buckets).filter { starts[$0] < starts[$0 + 1] }
  let work = BucketWork(
    entries: entries, starts: starts, ratios: ratios, offset: range.lowerBound, scope: scope)
  inParallel(pieces: occupied.count) { work.rank(occupied[$0]) }
}

/// What the threads share while they rank bucket after bucket; no two touch the same bucket.
private struct BucketWork: @unchecked Sendable {
  let entries: UnsafeMutableBufferPointer<UInt64>
  let starts: [Int]
  let ratios: UnsafeMutableBufferPointer<KeepRatio>
  let offset: Int
  let scope: RankingScope

  func rank(_ bucket: Int) {
    let range = starts[bucket]..<starts[bucket + 1]
    var members = UnsafeMutableBufferPointer(rebasing: entries[range])
    members.sort()
    var tie = KeepRatio(raw: 0)
    var last: UInt64?
    for (index, entry) in members.enumerated() {
      let key = entry >> 32
      if key != last {
        tie = scope.criticalKeepRatio(atRank: range.lowerBound + index + 1)
        last = key
      }
      ratios.initializeElement(at: offset + Int(entry & 0xFFFF_FFFF), to: tie)
    }
  }
}
