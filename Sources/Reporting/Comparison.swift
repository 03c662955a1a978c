// Several models side by side: every metric with its change against the first.

import Artifacts

/// An evaluated model and where its numbers stand.
public struct EvaluatedModel: Sendable {
  public let label: String
  public let path: String
  public let metrics: Metrics
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
    let provenance = reader.provenance
    command = provenance.command ?? ""
    inputs = provenance.inputs
    sha256 = reader.recordedDigest
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

extension TaskResult {
  /// The metric that a glance is for: the mIoU, the mean angle, the relative error, or the first.
  var headline: MetricValue? {
    let preferred =
      switch kind {
      case .segmentation: "miou"
      case .normals: "angle_mean"
      case .regression: "relative_error"
      }
    return metrics.first { $0.name == preferred } ?? metrics.first
  }
}

/// One metric over all models.
public struct ComparisonRow: Sendable {
  public let task: String
  public let metric: String
  /// What the best constant prediction achieves, by the first model's file.
  public let constant: Double
  /// One per model; NaN where it was not measured.
  public let values: [Double]
  /// Relative change against the first model, positive for better; nil for the first and where it
  /// cannot be told.
  public let changes: [Double?]
  /// The number's arrow: ↑ for more is better.
  public var direction: String { higherIsBetter(metric) ? "↑" : "↓" }
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
        return ComparisonRow(
          task: task.task, metric: reference.name, constant: reference.constant, values: values,
          changes: values.enumerated().map { model, value in
            model == 0 ? nil : relativeChange(of: reference.name, value, against: reference.value)
          })
      }
    }
  }

  /// ΔT of a model against the first: the mean over tasks of the mean relative change of each one's
  /// metrics, positive for better; nil for the first model and where no metric can be compared, NaN
  /// where the model lacks one that counts.
  public func deltaT(ofModel model: Int) -> Double? {
    guard model > 0, let first = models.first?.metrics else { return nil }
    return TaskChange.mean(
      overTasks: first.tasks.map { task in
        TaskChange.mean(
          over: rows.filter { $0.task == task.task }.map {
            ($0.metric, $0.values[model], $0.values[0])
          })
      })
  }
}
