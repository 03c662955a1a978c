// model.h5: a network's weights, its masks and how it was trained.

import HDF5

/// What training recorded every few steps; the columns have one value per record.
public struct TrainingHistory: Sendable, Equatable {
  public var steps: [Int64] = []
  public var learningRates: [Double] = []
  /// The weighted sum of the tasks' losses.
  public var losses: [Double] = []
  /// By task, in the data set's order.
  public var taskLosses: [(task: String, values: [Double])]
  /// Seconds since training began.
  public var seconds: [Double] = []

  public init(tasks: [String]) { taskLosses = tasks.map { ($0, []) } }

  public static func == (a: Self, b: Self) -> Bool {
    a.steps == b.steps && a.learningRates == b.learningRates && a.losses == b.losses
      && a.seconds == b.seconds && a.taskLosses.map(\.task) == b.taskLosses.map(\.task)
      && a.taskLosses.map(\.values) == b.taskLosses.map(\.values)
  }
}

/// The content of a model.h5.
public struct Model: Sendable {
  /// JSON of the network.
  public var architecture: String
  /// Steps it has been trained for.
  public var step: Int
  public var parameters: [NamedArray]
  /// Running statistics of batch-norm.
  public var buffers: [NamedArray]
  /// Empty when dense.
  public var masks: [Mask]
  public var history: TrainingHistory?

  public init(
    architecture: String, step: Int, parameters: [NamedArray], buffers: [NamedArray],
    masks: [Mask] = [], history: TrainingHistory? = nil
  ) {
    self.architecture = architecture
    self.step = step
    self.parameters = parameters
    self.buffers = buffers
    self.masks = masks
    self.history = history
  }
}

public final class ModelFile: Sendable {
  public let reader: ArtifactReader
  public let model: Model
  /// Bytes that the parameters take in the file.
  public let storedBytes: Int

  /// - Throws: ``ArtifactError`` for missing parts and for weights that are not finite.
  public init(opening path: String) throws {
    reader = try ArtifactReader(opening: path, as: .model)
    let root = reader.root
    let step: Int? = root.hasAttribute("step") ? try root.attribute("step") : nil
    let parameters = try reader.readAllFinite("parameters")
    let group = try root.group("parameters")
    storedBytes = try parameters.reduce(0) {
      $0 + Int(try group.dataset($1.name).storageSize())
    }
    model = Model(
      architecture: try root.attribute("architecture"), step: step ?? 0, parameters: parameters,
      buffers: try reader.readAllFinite("buffers").filter {
        !$0.name.hasSuffix("num_batches_tracked")
      },
      masks: root.contains("masks") ? try reader.readMasks("masks") : [])
  }

  public static func write(_ path: String, _ model: Model, provenance: Provenance) throws {
    let writer = try ArtifactWriter(path, kind: .model, provenance: provenance)
    try writer.naming {
      try writer.root.setAttribute("architecture", model.architecture)
      try writer.root.setAttribute("step", model.step)
      for group in ["parameters", "buffers"] + (model.masks.isEmpty ? [] : ["masks"]) {
        _ = try writer.root.createGroup(group)
      }
    }
    // Pruned weights are zeros, which deflate makes small.
    let pruned = Set(model.masks.map(\.name))
    for array in model.parameters {
      try writer.write(
        "parameters/" + array.name, array.values, shape: array.shape,
        pruned.contains(array.name) ? .deflate : .none)
    }
    for array in model.buffers {
      try writer.write("buffers/" + array.name, array.values, shape: array.shape)
    }
    try writer.write(model.masks, in: "masks")
    if let history = model.history { try writer.write(history) }
    try writer.finish()
  }
}

extension ArtifactWriter {
  fileprivate func write(_ history: TrainingHistory) throws {
    try naming { _ = try root.createGroup("history") }
    let count = [history.steps.count]
    try write("history/step", history.steps, shape: count)
    try write("history/learning_rate", history.learningRates, shape: count)
    try write("history/loss", history.losses, shape: count)
    for (task, values) in history.taskLosses {
      try write("history/loss_\(task)", values, shape: count)
    }
    try write("history/seconds", history.seconds, shape: count)
  }
}
