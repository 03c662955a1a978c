// Several models side by side: every metric with its change against the first.

import Artifacts
import Tasks

/// An evaluated model, read from its metrics file.
public struct EvaluatedModel: Sendable {
  /// What the model goes by: the name of its file, as ``opening(_:)`` and ``init(opening:)`` say.
  public private(set) var label: String
  public let path: String
  public let metrics: Metrics
  /// The kinds of the metrics' tasks.
  let kinds: [any TaskKind]
  /// The command that wrote the metrics.
  public let command: String
  public package(set) var inputs: [Provenance.Input]
  /// The digest of the metrics file's content, where it records one.
  public let sha256: String?

  public init(opening path: String) throws {
    let reader = try ArtifactReader(opening: path, as: .metrics)
    self.path = path
    label = EvaluatedModel.label(path)
    metrics = try MetricsFile.read(reader)
    kinds = try metrics.tasks.map { task in
      try TaskDescription(
        name: task.task, channels: task.confusion?.classes ?? 0, classNames: task.classNames
      ).task(ofKind: task.kind.rawValue)
    }
    let provenance = reader.provenance
    command = provenance.command ?? ""
    inputs = provenance.inputs
    sha256 = reader.recordedDigest
  }

  /// Opens several. A number at the end of their names that is the same for all who have one tells
  /// nothing, and is left out: beside `dense`, `snip-0.95` is snip.
  public static func opening(_ paths: [String]) throws -> [EvaluatedModel] {
    var models = try paths.map(EvaluatedModel.init(opening:))
    let names = models.map { SparsitySweep.method($0.label) }
    let numbers = Set(
      zip(models, names).map { $0.label.dropFirst($1.count) }.filter { !$0.isEmpty })
    if numbers.count == 1, Set(names).count == Set(models.map(\.label)).count {
      for (index, name) in names.enumerated() { models[index].label = name }
    }
    return models
  }

  /// The file's name without `-metrics.h5`, or its folder's where nothing else is left.
  private static func label(_ path: String) -> String {
    let parts = path.split(separator: "/").map(String.init)
    var name = parts.last ?? path
    for ending in [".h5", "metrics", "-"] where name.hasSuffix(ending) {
      name = String(name.dropLast(ending.count))
    }
    return name.isEmpty ? parts.dropLast().last ?? path : name
  }
}

extension EvaluatedModel {
  /// The metric of a task to show where there is room for one: its kind's headline, or the first one
  /// where that was not measured.
  func headline(ofTask task: Int) -> MetricValue? {
    let metrics = metrics.tasks[task].metrics
    return metrics.first { $0.name == kinds[task].headline.name } ?? metrics.first
  }

  /// The measure that a metric's name in the file stands for. A name that the kind of task does not know
  /// is taken for an error: less is better.
  func measure(named name: String, ofTask task: Int) -> Measure {
    kinds[task].measures.first { $0.name == name } ?? Measure(name, .lower)
  }
}

/// One metric over all models.
public struct ComparisonRow: Sendable {
  public let task: String
  let measure: Measure
  public var metric: String { measure.name }
  /// What the best constant prediction achieves, by the first model's file.
  public let constant: Double
  /// One per model; NaN where it was not measured.
  public let values: [Double]
  /// Relative change against the first model, positive for better; nil for the first and where it
  /// cannot be told.
  public let changes: [Double?]
  /// ↑ where more is better, else ↓.
  public var direction: String { measure.direction }
}

/// The table of a comparison.
public struct Comparison: Sendable {
  public let models: [EvaluatedModel]
  public let rows: [ComparisonRow]

  /// - Throws: ``ArtifactError`` when a model was evaluated on other tasks than the first.
  public init(_ models: [EvaluatedModel]) throws {
    self.models = models
    guard let first = models.first else {
      rows = []
      return
    }
    let names = first.metrics.tasks.map(\.task)
    for model in models.dropFirst() where model.metrics.tasks.map(\.task) != names {
      throw ArtifactError(
        file: model.path, path: "/@tasks",
        reason: "has the tasks \(model.metrics.tasks.map(\.task).joined(separator: ", ")), but "
          + "\(first.path) has \(names.joined(separator: ", "))")
    }
    rows = first.metrics.tasks.enumerated().flatMap { index, task in
      task.metrics.map { reference in
        let values = models.map { model in
          model.metrics.tasks[index].metrics.first { $0.name == reference.name }?.value
            ?? .nan
        }
        let measure = first.measure(named: reference.name, ofTask: index)
        return ComparisonRow(
          task: task.task, measure: measure, constant: reference.constant, values: values,
          changes: values.enumerated().map { model, value in
            model == 0 ? nil : measure.relativeChange(to: value, from: reference.value)
          })
      }
    }
  }

  /// ΔT of a model against the first: the mean over tasks of the mean relative change of each one's
  /// metrics, positive for better; nil for the first model and where no metric can be compared, NaN
  /// where the model lacks one that counts.
  public func deltaT(ofModel model: Int) -> Double? {
    TaskChange.mean(overTasks: changes(ofModel: model))
  }

  /// A model's mean relative change of each task's metrics, nil and NaN as in ``deltaT(ofModel:)``.
  func changes(ofModel model: Int) -> [Double?] {
    (models.first?.metrics.tasks ?? []).map { task in
      guard model > 0 else { return nil }
      return TaskChange.mean(
        over: rows.filter { $0.task == task.task }.map {
          ($0.measure, $0.values[model], $0.values[0])
        })
    }
  }
}
