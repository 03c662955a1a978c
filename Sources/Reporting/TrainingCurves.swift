// What a training run recorded, as curves that a chart can hold.

import Artifacts

/// One run's curves.
struct TrainingCurves {
  private let history: TrainingHistory
  private let colour: Int

  /// Points of a curve at most: longer runs are averaged over stretches of steps.
  static let points = 150

  init(_ history: TrainingHistory, colour: Int) {
    self.history = history
    self.colour = colour
  }

  var hasValidation: Bool { !history.validations.isEmpty }

  var total: [Chart.Series] { training + validationLoss }

  /// The weighted loss of the training batches.
  var training: [Chart.Series] { curve(history.losses) }

  /// The weighted loss of the validation images.
  var validationLoss: [Chart.Series] { validation { $0.loss } }

  func loss(of task: String) -> [Chart.Series] {
    guard let index = history.taskLosses.firstIndex(where: { $0.task == task }) else { return [] }
    return curve(history.taskLosses[index].values) + validation { $0.taskLosses[index] }
  }

  /// A task's loss of the training batches.
  func training(ofTask task: String) -> [Chart.Series] {
    history.taskLosses.first { $0.task == task }.map { curve($0.values) } ?? []
  }

  var learningRate: [Chart.Series] { curve(history.learningRates) }

  /// In percent; only masks that change have one.
  var density: [Chart.Series] {
    guard !history.updates.isEmpty else { return [] }
    let points = history.updates.flatMap { update -> [(Double, Double)] in
      [
        (Double(update.step), 100 * update.densityBefore),
        (Double(update.step), 100 * update.densityAfter),
      ]
    }
    return [Chart.Series(colour: colour, points: points)]
  }

  private func curve(_ values: [Double]) -> [Chart.Series] {
    let steps = history.steps
    guard !values.isEmpty, values.count == steps.count else { return [] }
    let stretch = (values.count + Self.points - 1) / Self.points
    let points = stride(from: 0, to: values.count, by: stretch).map { first in
      let part = first..<min(first + stretch, values.count)
      let middle = steps[part].reduce(0) { $0 + Double($1) } / Double(part.count)
      return (middle, values[part].reduce(0, +) / Double(part.count))
    }
    return [
      Chart.Series(
        colour: colour, shape: points.count == 1 ? .points : .line, points: points)
    ]
  }

  private func validation(_ value: (TrainingHistory.Validation) -> Double) -> [Chart.Series] {
    guard hasValidation else { return [] }
    return [
      Chart.Series(
        colour: colour, shape: .points,
        points: history.validations.map { (Double($0.step), value($0)) })
    ]
  }
}

extension [[Chart.Series]] {
  /// Several runs in one chart; nil where none has this curve.
  func merged(title: String, yFormat: String = "%g") -> Chart? {
    let series = flatMap { $0 }
    return series.isEmpty
      ? nil : Chart(title: title, xLabel: "step", series: series, yFormat: yFormat)
  }
}
