// ΔT: how much better or worse a network is at all its tasks, in one number (Maninis et al. 2019; Sun
// et al. 2020).

import Tasks

extension Measure {
  /// ↑ for more is better.
  var direction: String { better == .higher ? "↑" : "↓" }

  /// The relative change from a reference to a value, positive for better; nil where it cannot be
  /// told, as from 0.
  func relativeChange(to value: Double, from reference: Double) -> Double? {
    // Adding 0 turns −0 into 0.
    let change = (better == .higher ? 1 : -1) * (value - reference) / abs(reference) + 0
    return change.isFinite ? change : nil
  }
}

/// Means of relative changes.
package enum TaskChange {
  /// The mean over a task's metrics.
  ///
  /// - Parameter metrics: with the values of a model and of the reference.
  /// - Returns: nil when no metric of the reference's counts; NaN when one that counts was not measured
  ///   of the model, since a mean over the others would be another measure.
  static func mean(over metrics: [(measure: Measure, value: Double, reference: Double)]) -> Double?
  {
    let counted = metrics.filter {
      $0.measure.counts && $0.reference.isFinite && $0.reference != 0
    }
    return mean(
      counted.map { $0.measure.relativeChange(to: $0.value, from: $0.reference) ?? .nan })
  }

  /// ΔT: the mean over the tasks that have a metric that counts; nil when none has.
  package static func mean(overTasks changes: [Double?]) -> Double? {
    mean(changes.compactMap { $0 })
  }

  private static func mean(_ changes: [Double]) -> Double? {
    changes.isEmpty ? nil : changes.reduce(0, +) / Double(changes.count)
  }
}
