// The time per image, as the table and the page show it.

import Artifacts
import Formatting

extension Timing {
  static func milliseconds(_ seconds: Double) -> String {
    let milliseconds = 1000 * seconds
    return Format.fixed(milliseconds, milliseconds >= 100 ? 0 : milliseconds >= 10 ? 1 : 2)
  }

  /// How many times as fast the sparse engine is as the dense one; nil where it was not timed.
  var speedup: String? { sparse.map { Format.fixed(dense / $0, 2) + "×" } }

  /// What it was measured with.
  fileprivate var conditions: String {
    [
      batchSize == 1 ? "single images" : "batches of \(batchSize) images", precision,
      threads == 1 ? "1 thread" : "\(threads) threads", processor,
    ].compactMap { $0 }.joined(separator: ", ")
  }
}

extension Comparison {
  /// Milliseconds per image, one cell per model, of the engines that any model was timed with.
  var times: [(engine: String, cells: [String])] {
    let timings = models.map(\.metrics.timing)
    let dense = timings.map { $0.map { Timing.milliseconds($0.dense) } }
    let sparse = timings.map { timing -> String? in
      guard let sparse = timing?.sparse, let speedup = timing?.speedup else { return nil }
      return "\(Timing.milliseconds(sparse)) (\(speedup))"
    }
    return [("dense", dense), ("sparse", sparse)].filter { $0.1.contains { $0 != nil } }
      .map { ($0, $1.map { $0 ?? "–" }) }
  }

  /// What the times were measured with; nil where there are none.
  var timingConditions: String? {
    let timed = models.compactMap { model in
      model.metrics.timing.map { (label: model.label, conditions: $0.conditions) }
    }
    guard let first = timed.first else { return nil }
    if timed.allSatisfy({ $0.conditions == first.conditions }) { return first.conditions }
    return timed.map { "\($0.label) with \($0.conditions)" }.joined(separator: "; ")
  }
}
