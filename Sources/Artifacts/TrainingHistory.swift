// /history of a model.h5: what training recorded as it went.

import Formatting
import HDF5

/// What training recorded; the columns have one value per step, validation or update.
public struct TrainingHistory: Sendable {
  public var steps: [Int64] = []
  public var learningRates: [Double] = []
  /// The weighted sum of the tasks' losses.
  public var losses: [Double] = []
  /// By task, in the data set's order.
  public var taskLosses: [(task: String, values: [Double])]
  /// Seconds since training began.
  public var seconds: [Double] = []
  public var validations: [Validation] = []
  public var updates: [MaskUpdate] = []
  /// In adaptive training, what the tasks' losses were multiplied by besides their own weights: by task
  /// as in `taskLosses`, one value per step. Else empty.
  public var taskWeights: [[Double]] = []
  /// In adaptive training, until masks take the thresholds' place.
  public var thresholds: Thresholds?

  public init(tasks: [String]) { taskLosses = tasks.map { ($0, []) } }

  /// Losses over the validation images.
  public struct Validation: Sendable, Equatable {
    /// Steps done.
    public let step: Int
    /// The weighted sum.
    public let loss: Double
    /// In task order.
    public let taskLosses: [Double]

    public init(step: Int, loss: Double, taskLosses: [Double]) {
      self.step = step
      self.loss = loss
      self.taskLosses = taskLosses
    }
  }

  /// How the thresholds of adaptive training went.
  public struct Thresholds: Sendable, Equatable {
    /// Names of the components, as in the columns of `values`.
    public let components: [String]
    public var rows: [Row] = []

    public init(components: [String]) { self.components = components }

    public struct Row: Sendable, Equatable {
      /// Steps done.
      public let step: Int
      /// The share of all prunable weights that are at or below their threshold.
      public let sparsity: Double
      /// σ(s), by component.
      public let values: [Double]

      public init(step: Int, sparsity: Double, values: [Double]) {
        self.step = step
        self.sparsity = sparsity
        self.values = values
      }
    }
  }

  /// One change of the masks in dynamic training.
  public struct MaskUpdate: Sendable, Equatable {
    /// The step, from 0, that began with it.
    public let step: Int
    /// In 0...1.
    public let dropRate: Double
    /// Numbers of weights.
    public let dropped: Int
    public let grown: Int
    /// Shares of all prunable weights.
    public let densityBefore: Double
    public let densityAfter: Double
    /// Backbone weights that all tasks wanted to grow over those that any wanted; NaN for a single
    /// task, and where none wanted any.
    public let agreement: Double

    public init(
      step: Int, dropRate: Double, dropped: Int, grown: Int, densityBefore: Double,
      densityAfter: Double, agreement: Double
    ) {
      self.step = step
      self.dropRate = dropRate
      self.dropped = dropped
      self.grown = grown
      self.densityBefore = densityBefore
      self.densityAfter = densityAfter
      self.agreement = agreement
    }
  }
}

extension ArtifactWriter {
  func write(_ history: TrainingHistory) throws {
    func column<T: HDF5Scalar>(_ name: String, _ values: [T]) throws {
      try write("history/" + name, values, shape: [values.count])
    }
    _ = try root.createGroup("history")
    try column("step", history.steps)
    try column("learning_rate", history.learningRates)
    try column("loss", history.losses)
    for (task, values) in history.taskLosses { try column("loss_\(task)", values) }
    for (row, weights) in zip(history.taskLosses, history.taskWeights) {
      try column("weight_\(row.task)", weights)
    }
    try column("seconds", history.seconds)
    if !history.validations.isEmpty {
      let validations = history.validations
      _ = try root.createGroup("history/validation")
      try column("validation/step", validations.map { Int64($0.step) })
      try column("validation/loss", validations.map(\.loss))
      for (index, row) in history.taskLosses.enumerated() {
        try column("validation/loss_\(row.task)", validations.map { $0.taskLosses[index] })
      }
    }
    if !history.updates.isEmpty {
      let updates = history.updates
      _ = try root.createGroup("history/updates")
      try column("updates/step", updates.map { Int64($0.step) })
      try column("updates/drop_rate", updates.map(\.dropRate))
      try column("updates/dropped", updates.map { Int64($0.dropped) })
      try column("updates/grown", updates.map { Int64($0.grown) })
      try column("updates/density_before", updates.map(\.densityBefore))
      try column("updates/density_after", updates.map(\.densityAfter))
      try column("updates/agreement", updates.map(\.agreement))
    }
    if let thresholds = history.thresholds {
      let rows = thresholds.rows
      let group = try root.createGroup("history/thresholds")
      try group.setAttribute("components", thresholds.components)
      try column("thresholds/step", rows.map { Int64($0.step) })
      try column("thresholds/sparsity", rows.map(\.sparsity))
      try write(
        "history/thresholds/threshold", rows.flatMap(\.values),
        shape: [rows.count, thresholds.components.count])
    }
  }
}

extension ArtifactReader {
  /// The history of a model; nil where it has none.
  ///
  /// - Throws: ``ArtifactError`` when a column is missing, columns differ in length, or a step or a
  ///   number of weights cannot be.
  func readHistory(tasks: [String]) throws -> TrainingHistory? {
    guard root.contains("history") else { return nil }
    func column<T: HDF5Scalar>(_ name: String, _ count: Int? = nil, of type: T.Type = T.self) throws
      -> [T]
    {
      let dataset = try root.dataset("history/" + name)
      let values = try dataset.read(as: T.self)
      guard values.count == count ?? values.count else {
        throw error(dataset.path, "expected \(count ?? 0) values, found \(values.count)")
      }
      return values
    }
    func counts(_ name: String, _ count: Int? = nil) throws -> [Int] {
      try column(name, count, of: Int64.self).map { try checkCount(Int($0), "/history/" + name) }
    }
    var history = TrainingHistory(tasks: tasks)
    history.steps = try counts("step").map { Int64($0) }
    let count = history.steps.count
    history.learningRates = try column("learning_rate", count)
    history.losses = try column("loss", count)
    history.taskLosses = try tasks.map { ($0, try column("loss_\($0)", count)) }
    history.seconds = try column("seconds", count)
    if root.contains("history/validation") {
      let steps = try counts("validation/step")
      let losses = try column("validation/loss", steps.count, of: Double.self)
      let taskLosses = try tasks.map {
        try column("validation/loss_\($0)", steps.count, of: Double.self)
      }
      history.validations = steps.indices.map { row in
        TrainingHistory.Validation(
          step: steps[row], loss: losses[row], taskLosses: taskLosses.map { $0[row] })
      }
    }
    if root.contains("history/updates") {
      let steps = try counts("updates/step")
      func updates(_ name: String) throws -> [Double] {
        try column("updates/" + name, steps.count)
      }
      let rates = try updates("drop_rate")
      let dropped = try counts("updates/dropped", steps.count)
      let grown = try counts("updates/grown", steps.count)
      let before = try updates("density_before")
      let after = try updates("density_after")
      let agreement = try updates("agreement")
      history.updates = steps.indices.map { row in
        TrainingHistory.MaskUpdate(
          step: steps[row], dropRate: rates[row], dropped: dropped[row],
          grown: grown[row], densityBefore: before[row], densityAfter: after[row],
          agreement: agreement[row])
      }
    }
    if let task = tasks.first, root.contains("history/weight_\(task)") {
      history.taskWeights = try tasks.map { try column("weight_\($0)", count) }
    }
    history.thresholds = try readThresholds()
    return history
  }

  private func readThresholds() throws -> TrainingHistory.Thresholds? {
    guard root.contains("history/thresholds") else { return nil }
    let group = try root.group("history/thresholds")
    var thresholds = TrainingHistory.Thresholds(components: try group.attribute("components"))
    let steps = try group.dataset("step").read(as: Int64.self)
    func rows(_ name: String, _ columns: Int? = nil) throws -> [[Double]] {
      let dataset = try group.dataset(name)
      let shape = [steps.count] + (columns.map { [$0] } ?? [])
      guard dataset.shape == shape else {
        throw error(
          dataset.path,
          "expected shape \(Format.shape(shape)), found \(Format.shape(dataset.shape))")
      }
      let values = try dataset.read(as: Double.self)
      let columns = columns ?? 1
      return steps.indices.map { Array(values[$0 * columns..<($0 + 1) * columns]) }
    }
    let sparsities = try rows("sparsity")
    let values = try rows("threshold", thresholds.components.count)
    thresholds.rows = try steps.indices.map {
      TrainingHistory.Thresholds.Row(
        step: try checkCount(Int(steps[$0]), "/history/thresholds/step"),
        sparsity: sparsities[$0][0], values: values[$0])
    }
    return thresholds
  }
}
