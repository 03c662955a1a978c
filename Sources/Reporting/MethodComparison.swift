// Methods side by side, each run several times: means with their spread.

import Artifacts
import Formatting
import Tasks

/// Runs of one method that differ in their seed.
public struct Method: Sendable {
  public let label: String
  public let runs: [EvaluatedModel]
}

/// A number over several runs.
public struct Spread: Sendable, Equatable {
  public let mean: Double
  /// Sample standard deviation; NaN for a single run.
  public let deviation: Double

  public init(_ values: [Double]) {
    let count = Double(values.count)
    let mean = values.reduce(0, +) / count
    self.mean = mean
    let squares = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
    deviation = values.count > 1 ? (squares / (count - 1)).squareRoot() : .nan
  }
}

/// Methods against the first one: metrics with their spread over the runs, and relative changes
/// against the first method's mean, positive for better.
public struct MethodComparison: Sendable {
  public let methods: [Method]
  /// Tasks with what was measured of them, as the first run has it.
  let tasks: [(name: String, measures: [Measure])]

  /// Groups models by their label; the order of the labels is that of their first model.
  ///
  /// - Throws: ``ArtifactError`` when models were evaluated on different tasks.
  public init(_ models: [EvaluatedModel]) throws {
    var methods: [Method] = []
    for model in models where !methods.contains(where: { $0.label == model.label }) {
      methods.append(
        Method(label: model.label, runs: models.filter { $0.label == model.label }))
    }
    self.init(try Comparison(models), methods)
  }

  /// Every model is a method of its own, run once.
  public init(_ comparison: Comparison) {
    self.init(comparison, comparison.models.map { Method(label: $0.label, runs: [$0]) })
  }

  private init(_ comparison: Comparison, _ methods: [Method]) {
    self.methods = methods
    let models = comparison.models
    tasks = (models.first?.metrics.tasks ?? []).map { task in
      (task.task, comparison.rows.filter { $0.task == task.task }.map(\.measure))
    }
  }

  private func values(_ method: Method, _ task: Int, _ measure: Measure) -> [Double] {
    method.runs.map { run in
      run.metrics.tasks[task].metrics.first { $0.name == measure.name }?.value ?? .nan
    }
  }

  /// A metric over a method's runs.
  func spread(ofMethod method: Int, task: Int, _ measure: Measure) -> Spread {
    Spread(values(methods[method], task, measure))
  }

  /// What the best constant prediction achieves, by the first run's file.
  func constant(task: Int, _ measure: Measure) -> Double {
    let metrics = methods.first?.runs.first?.metrics.tasks[task].metrics
    return metrics?.first { $0.name == measure.name }?.constant ?? .nan
  }

  /// What runs a network.
  enum Engine: String, CaseIterable { case dense, sparse }

  /// The time of an engine over a method's runs; nil unless all were timed with it.
  func secondsPerImage(ofMethod method: Int, _ engine: Engine) -> Spread? {
    let seconds = methods[method].runs.compactMap { run in
      run.metrics.timing.flatMap { engine == .dense ? $0.dense : $0.sparse }
    }
    return seconds.count == methods[method].runs.count ? Spread(seconds) : nil
  }

  /// The mean relative change of a task's metrics, of each of a method's runs.
  public func change(ofMethod method: Int, task: Int) -> Spread {
    Spread(methods[method].runs.indices.map { change(method, $0, task) ?? .nan })
  }

  /// ΔT of each of a method's runs: the mean over the tasks of their mean changes.
  public func deltaT(ofMethod method: Int) -> Spread {
    Spread(
      methods[method].runs.indices.map { run in
        TaskChange.mean(overTasks: tasks.indices.map { change(method, run, $0) }) ?? .nan
      })
  }

  private func change(_ method: Int, _ run: Int, _ task: Int) -> Double? {
    TaskChange.mean(
      over: tasks[task].measures.map { measure in
        (
          measure, values(methods[method], task, measure)[run],
          spread(ofMethod: 0, task: task, measure).mean
        )
      })
  }

  /// A metric's change over a method's runs.
  func change(ofMethod method: Int, task: Int, _ measure: Measure) -> Spread {
    let reference = spread(ofMethod: 0, task: task, measure).mean
    return Spread(
      values(methods[method], task, measure).map {
        measure.relativeChange(to: $0, from: reference) ?? .nan
      })
  }

  /// A table of changes for all tasks, then one per task with every metric.
  ///
  /// - Parameter inColour: with escape sequences: what got better green, what got worse red.
  public func text(inColour: Bool = false) -> String {
    let names = tasks.map(\.name)
    var summary = [["mean change", "runs", "sparsity"] + names + ["ΔT"]]
    for (index, method) in methods.enumerated() {
      let sparsity = Spread(method.runs.map(\.metrics.size.sparsity)).mean
      summary.append(
        [method.label, "\(method.runs.count)", Format.percent(sparsity)]
          + tasks.indices.map { Self.percent(change(ofMethod: index, task: $0)) }
          + [Self.percent(deltaT(ofMethod: index))])
    }
    func styled(_ change: @escaping (_ method: Int, _ column: Int) -> Double?) -> (
      (Int, Int) -> TextStyle?
    )? {
      guard inColour else { return nil }
      return { row, column in
        row == 0 ? .header : row == 1 || column == 0 ? nil : .ofChange(change(row - 1, column))
      }
    }
    var tables = [
      Format.table(
        summary,
        style: styled { method, column in
          guard column >= 3 else { return nil }
          let task = column - 3
          return tasks.indices.contains(task)
            ? change(ofMethod: method, task: task).mean : deltaT(ofMethod: method).mean
        })
    ]
    for (task, (name, measures)) in tasks.enumerated() {
      var rows = [[name] + measures.map { "\($0.name) \($0.direction)" }]
      for (index, method) in methods.enumerated() {
        rows.append(
          [method.label]
            + measures.map { measure in
              let value = spread(ofMethod: index, task: task, measure)
              let change = change(ofMethod: index, task: task, measure)
              return Self.number(value)
                + (index == 0 ? "" : " (\(Format.change(change.mean)))")
            })
      }
      tables.append(
        Format.table(
          rows,
          style: styled { method, column in
            change(ofMethod: method, task: task, measures[column - 1]).mean
          }))
    }
    return tables.joined(separator: "\n\n")
  }

  private static func number(_ spread: Spread) -> String {
    Format.number(spread.mean)
      + (spread.deviation.isNaN ? "" : " ± \(Format.number(spread.deviation))")
  }

  private static func percent(_ spread: Spread) -> String {
    Format.change(spread.mean)
      + (spread.deviation.isNaN ? "" : " ± \(Format.fixed(100 * spread.deviation, 1))")
  }
}
