// model.h5: a network's weights, its masks and how it was trained; a checkpoint holds what training
// needs to go on besides.

import HDF5

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
  /// How the tasks chose the masks that training began with, where a masks file tells.
  public var layers: LayerTable?
  /// Each task's kind, in the data set's word, by its name; empty where the model met no data set.
  public var taskKinds: [String: String]
  /// The engine that trained it, "dense" or "sparse"; nil where it was not trained, or long ago.
  public var engine: String?
  /// In checkpoints.
  public var state: TrainingState?

  public init(
    architecture: String, step: Int, parameters: [NamedArray], buffers: [NamedArray],
    masks: [Mask] = [], history: TrainingHistory? = nil, layers: LayerTable? = nil,
    taskKinds: [String: String] = [:], engine: String? = nil, state: TrainingState? = nil
  ) {
    self.architecture = architecture
    self.step = step
    self.parameters = parameters
    self.buffers = buffers
    self.masks = masks
    self.history = history
    self.layers = layers
    self.taskKinds = taskKinds
    self.engine = engine
    self.state = state
  }
}

/// What training needs to go on as if it had never stopped. Random numbers and the images' order
/// follow from the seed and the step.
public struct TrainingState: Sendable {
  /// Steps that this run has done.
  public var step: Int
  /// Those of them that moved the weights: a batch without ground truth moves nothing.
  public var optimizerSteps: Int
  /// Passes over the training images begun before the next one's, and images seen in it.
  public var epoch: Int
  public var position: Int
  /// JSON of the settings that shape the result.
  public var settings: String
  /// Adam's moments, by parameter: in its shape, or of the kept values alone, as a vector in the order
  /// out × height × width × in.
  public var firstMoments: [NamedArray]
  public var secondMoments: [NamedArray]
  /// The smallest validation loss so far.
  public var bestLoss: Double?
  /// In dynamic training, by prunable layer.
  public var targetDensities: [Double]?
  /// In adaptive training until masks take the thresholds' place, s by component, and Adam's moments of
  /// each as long as it is learned.
  public var thresholds: [Float]?
  public var thresholdMoments: (first: [Float], second: [Float])?

  public init(
    step: Int, optimizerSteps: Int, epoch: Int, position: Int, settings: String,
    firstMoments: [NamedArray],
    secondMoments: [NamedArray], bestLoss: Double?, targetDensities: [Double]?,
    thresholds: [Float]? = nil, thresholdMoments: (first: [Float], second: [Float])? = nil
  ) {
    self.step = step
    self.optimizerSteps = optimizerSteps
    self.epoch = epoch
    self.position = position
    self.settings = settings
    self.firstMoments = firstMoments
    self.secondMoments = secondMoments
    self.bestLoss = bestLoss
    self.targetDensities = targetDensities
    self.thresholds = thresholds
    self.thresholdMoments = thresholdMoments
  }
}

public final class ModelFile: Sendable {
  public let reader: ArtifactReader
  public let model: Model

  /// - Throws: ``ArtifactError`` for missing parts and for weights that are not finite.
  public init(opening path: String) throws {
    reader = try ArtifactReader(opening: path, as: .model)
    let root = reader.root
    let step =
      root.hasAttribute("step") ? try reader.checkCount(root.attribute("step"), "/@step") : 0
    model = Model(
      architecture: try reader.architecture(), step: step,
      parameters: try reader.readAllFinite("parameters"),
      buffers: try reader.readAllFinite("buffers").filter {
        !$0.name.hasSuffix("num_batches_tracked")
      },
      masks: root.contains("masks") ? try reader.readMasks("masks") : [],
      taskKinds: try reader.taskKinds(),
      engine: root.hasAttribute("engine") ? try root.attribute("engine") : nil)
  }

  /// How the model was trained; nil where the file does not say.
  ///
  /// - Parameter tasks: whose losses it has.
  public func history(tasks: [String]) throws -> TrainingHistory? {
    try reader.readHistory(tasks: tasks)
  }

  /// - Throws: ``ArtifactError`` when the file is no checkpoint.
  public func state() throws -> TrainingState {
    let root = reader.root
    guard root.contains("state"), root.contains("optimizer") else {
      throw reader.error("", "not a checkpoint (it has no /state)")
    }
    let state = try root.group("state")
    func count(_ name: String) throws -> Int {
      try reader.checkCount(state.attribute(name), "/state@\(name)")
    }
    let step = try count("step")
    func thresholds(_ name: String) throws -> [Float]? {
      let path = "threshold/" + name
      guard state.contains(path) else { return nil }
      let values = try state.dataset(path).read(as: Float.self)
      guard values.allSatisfy(\.isFinite) else {
        throw reader.error("/state/" + path, "has a value that is not finite")
      }
      return values
    }
    let moments = (
      first: try thresholds("first_moment"), second: try thresholds("second_moment")
    )
    return TrainingState(
      step: step,
      optimizerSteps: state.hasAttribute("optimizer_steps") ? try count("optimizer_steps") : step,
      epoch: try count("epoch"), position: try count("position"),
      settings: try state.attribute("settings"),
      firstMoments: try reader.readAllFinite("optimizer/first_moment"),
      secondMoments: try reader.readAllFinite("optimizer/second_moment"),
      bestLoss: state.hasAttribute("best_loss") ? try state.attribute("best_loss") : nil,
      targetDensities: state.contains("target_density")
        ? try state.dataset("target_density").read(as: Double.self) : nil,
      thresholds: try thresholds("value"),
      thresholdMoments: moments.first.flatMap { first in moments.second.map { (first, $0) } })
  }

  public static func write(_ path: String, _ model: Model, provenance: Provenance) throws {
    try write(path, model, parameters: model.parameters.count, provenance: provenance) {
      model.parameters[$0]
    }
  }

  /// Writes a model whose parameters are asked for one at a time, instead of its own.
  ///
  /// - Parameters:
  ///   - count: of the parameters.
  ///   - parameter: one of them; what it throws leaves no file.
  public static func write(
    _ path: String, _ model: Model, parameters count: Int, provenance: Provenance,
    _ parameter: (Int) throws -> NamedArray
  ) throws {
    let writer = try ArtifactWriter(path, kind: .model, provenance: provenance)
    try writer.write(architecture: model.architecture)
    try writer.root.setAttribute("step", model.step)
    if let engine = model.engine { try writer.root.setAttribute("engine", engine) }
    for group in ["parameters", "buffers"] + (model.masks.isEmpty ? [] : ["masks"]) {
      _ = try writer.root.createGroup(group)
    }
    for (task, kind) in model.taskKinds.sorted(by: { $0.key < $1.key }) {
      try writer.root.createGroup("tasks/" + task).setAttribute("kind", kind)
    }
    // Pruned weights are zeros, which deflate makes small; a checkpoint is to be written fast.
    let deflated = model.state == nil ? Set(model.masks.map(\.name)) : []
    for index in 0..<count {
      let array = try parameter(index)
      try writer.write(
        "parameters/" + array.name, array.values, shape: array.shape,
        deflated.contains(array.name) ? .sparse : .none)
    }
    for array in model.buffers {
      try writer.write("buffers/" + array.name, array.values, shape: array.shape)
    }
    try writer.write(
      model.masks.map { MaskSlice($0) }, in: "masks", model.state == nil ? .sparse : .fast)
    if let history = model.history { try writer.write(history) }
    if let layers = model.layers { try writer.write(layers) }
    if let state = model.state { try writer.write(state) }
    try writer.finish()
  }
}

extension ArtifactReader {
  fileprivate func taskKinds() throws -> [String: String] {
    guard root.contains("tasks") else { return [:] }
    let tasks = try root.group("tasks")
    return try tasks.groupNames().reduce(into: [:]) { kinds, task in
      kinds[task] = try tasks.group(task).attribute("kind")
    }
  }
}

extension ArtifactWriter {
  fileprivate func write(_ state: TrainingState) throws {
    let group = try root.createGroup("state")
    try group.setAttribute("step", state.step)
    try group.setAttribute("optimizer_steps", state.optimizerSteps)
    try group.setAttribute("epoch", state.epoch)
    try group.setAttribute("position", state.position)
    try group.setAttribute("settings", state.settings)
    if let loss = state.bestLoss { try group.setAttribute("best_loss", loss) }
    for name in ["optimizer", "optimizer/first_moment", "optimizer/second_moment"] {
      _ = try root.createGroup(name)
    }
    if let densities = state.targetDensities {
      try write("state/target_density", densities, shape: [densities.count])
    }
    if let thresholds = state.thresholds {
      _ = try root.createGroup("state/threshold")
      let moments = state.thresholdMoments
      for (name, values) in [
        ("value", thresholds), ("first_moment", moments?.first), ("second_moment", moments?.second),
      ] {
        if let values { try write("state/threshold/" + name, values, shape: [values.count]) }
      }
    }
    for (name, moments) in [("first", state.firstMoments), ("second", state.secondMoments)] {
      for array in moments {
        try write("optimizer/\(name)_moment/\(array.name)", array.values, shape: array.shape)
      }
    }
  }
}
