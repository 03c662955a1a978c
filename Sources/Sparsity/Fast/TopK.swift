// The best-scored weights of a task, in linear time: what a keep ratio keeps.

/// The highest-scored share of one ranking as a mask: the K = ⌊keepRatio · N⌋ best weights and
/// whatever ties with the K-th.
public func selectTopK(_ scores: [Float], keepRatio: Double) throws -> [UInt8] {
  var mask = [UInt8](repeating: 0, count: scores.count)
  try selectTopK(
    scores, scopes: [RankingScope(0..<scores.count)],
    counts: [Int(keepRatio * Double(scores.count))], in: &mask)
  return mask
}

/// Marks the highest-scored weights of each scope: in each as many of the best as `counts` says, and
/// whatever ties with the last of them.
///
/// - Parameter mask: of the task's network, all 0.
func selectTopK(
  _ scores: [Float], scopes: [RankingScope], counts: [Int], in mask: inout [UInt8]
) throws {
  try scores.withUnsafeBufferPointer { scores in
    try mask.withUnsafeMutableBufferPointer { mask in
      for (scope, count) in zip(scopes, counts) {
        let ranking = BucketRanking(scope, counts: try Buckets.counts(scores, in: [scope.range]))
        guard count > 0 else { continue }
        let bucket = ranking.bucket(ofRank: count)
        let inside = ranking.mark(scores, open: bucket..<bucket + 1, in: mask)
        let threshold = inside.map { ~$0.bits }.withUnsafeBufferPointer {
          smallest(count - ranking.starts[bucket], of: $0)
        }
        for weight in inside where ~weight.bits <= threshold { mask[Int(weight.position)] = 1 }
      }
    }
  }
}
