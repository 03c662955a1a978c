// ΔT: how much better or worse a network is at all its tasks, in one number (Maninis et al. 2019; Sun
// et al. 2020).

/// Whether more of a metric is better.
func higherIsBetter(_ metric: String) -> Bool {
  ["miou", "pixel_accuracy", "within_", "delta_"].contains { metric.hasPrefix($0) }
}

/// The relative change of a metric against a reference, positive for better; nil where it cannot be
/// told, as against 0.
func relativeChange(of metric: String, _ value: Double, against reference: Double) -> Double? {
  // Adding 0 turns −0 into 0.
  let change = (higherIsBetter(metric) ? 1 : -1) * (value - reference) / abs(reference) + 0
  return change.isFinite ? change : nil
}

/// Means of relative changes.
package enum TaskChange {
  /// Shown where published tables are compared, and no measure of a change: it rises as a network
  /// gives up rare classes.
  private static let neverCounted: Set = ["miou_published"]

  /// The mean over a task's metrics.
  ///
  /// - Parameter metrics: with the values of a model and of the reference.
  /// - Returns: nil when no metric of the reference's counts; NaN when one that counts was not measured
  ///   of the model, since a mean over the others would be another measure.
  static func mean(over metrics: [(name: String, value: Double, reference: Double)]) -> Double? {
    let counted = metrics.filter {
      !neverCounted.contains($0.name) && $0.reference.isFinite && $0.reference != 0
    }
    return mean(
      counted.map { relativeChange(of: $0.name, $0.value, against: $0.reference) ?? .nan })
  }

  /// ΔT: the mean over the tasks that have a metric that counts; nil when none has.
  package static func mean(overTasks changes: [Double?]) -> Double? {
    mean(changes.compactMap { $0 })
  }

  private static func mean(_ changes: [Double]) -> Double? {
    changes.isEmpty ? nil : changes.reduce(0, +) / Double(changes.count)
  }
}
