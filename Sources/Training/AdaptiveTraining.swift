// Training with adaptive thresholds (AdapMTL, Xiang et al. 2024): every component of the network learns a
// threshold with its weights, until masks of exactly the wanted sparsity take the thresholds' place.

import Artifacts
import Graphs
import Networks
import Sparsity
import Torch

/// How thresholds are learned.
public struct AdaptiveSettings: Sendable {
  /// The share of the prunable weights that goes, in [0, 1). Thresholds that prune as many stay as they
  /// are from then on.
  public var sparsity: Double
  /// The share of each component's weights that its threshold prunes at the start, in [0, 1).
  public var start: Double
  /// The step after which masks take the thresholds' place.
  public var until: Int
  /// The step, from 0, from which on the tasks' losses are multiplied by ``taskWeights(_:window:)``, and
  /// how many steps these look back.
  public var weighTasksFrom: Int
  public var window: Int
  /// What runs the network under the masks; until then that is the dense engine.
  public var engine: EngineChoice

  public init(
    sparsity: Double, start: Double, until: Int, weighTasksFrom: Int, window: Int,
    engine: EngineChoice = .auto
  ) {
    self.sparsity = sparsity
    self.start = start
    self.until = until
    self.weighTasksFrom = weighTasksFrom
    self.window = window
    self.engine = engine
  }
}

/// The thresholds of a network's components, which its prunable weights are parametrized with.
final class Thresholds {
  let network: PrunableNetwork
  let components: [Component]
  /// s, by component.
  let scalars: [Tensor]
  /// False from when they have reached the wanted sparsity.
  var areLearned = true
  private let weights: [Weight]

  /// - Parameter start: the share of each component's weights that is pruned.
  init(of network: Network, start: Double) throws {
    let prunable = prunableNetwork(of: network.graph)
    let weights = network.prunable
    self.network = prunable
    self.weights = weights
    components = prunable.components
    scalars = try components.map { component in
      let values = try component.layers.flatMap { try weights[$0].values.array(of: Float.self) }
      let s = try Tensor.full(startingThreshold(pruning: start, of: values), shape: [])
        .to(network.device)
      try s.requireGradient()
      return s
    }
    for (component, s) in zip(components, scalars) {
      for layer in component.layers {
        weights[layer].parametrization = { try softThresholded($0, by: s) }
      }
    }
  }

  var names: [String] { components.map(network.name) }

  /// σ(s), by component.
  func values() throws -> [Double] {
    try withoutGradients { try scalars.map { try $0.sigmoid().item() } }
  }

  /// The share of all weights that are at or below their threshold.
  func sparsity() throws -> Double {
    var kept = 0
    for (component, value) in zip(components, try values()) {
      for layer in component.layers {
        kept += try weights[layer].values.count(ofMagnitudesAbove: value)
      }
    }
    return 1 - Double(kept) / Double(network.count)
  }

  /// The masks of exactly a sparsity; and the weights become what the network has multiplied with, so
  /// that a weight that stays although it is at or below its threshold becomes 0.
  func project(toSparsity sparsity: Double) throws -> [Mask] {
    let values = try values()
    var thresholds = network.layers.map { _ in Float(0) }
    for (component, value) in zip(components, values) {
      for layer in component.layers { thresholds[layer] = Float(value) }
    }
    let mask = try Sparsity.project(network, toSparsity: sparsity) {
      (try weights[$0].values.array(), thresholds[$0])
    }
    for weight in weights { try weight.values.assign(weight.effective()) }
    giveUp()
    return slices(mask, by: network.layers).map {
      Mask($0.layer.name, shape: $0.layer.shape, Array($0.values))
    }
  }

  /// The network multiplies with its weights themselves again.
  func giveUp() {
    for weight in weights { weight.parametrization = nil }
  }
}

extension Trainer {
  /// What multiplies the tasks' losses in this step; nil where nothing does.
  func lossFactors() -> [Double]? {
    guard let adaptive = settings.adaptive else { return nil }
    guard step >= adaptive.weighTasksFrom else { return tasks.names.map { _ in 1 } }
    return taskWeights(history.taskLosses.map { $0.values[...] }, window: adaptive.window)
  }

  /// After a step: keeps thresholds that have reached the sparsity as they are, and puts masks in their
  /// place when it is time.
  func followThresholds() throws {
    guard let adaptive = settings.adaptive, let thresholds else { return }
    let sparsity = try thresholds.sparsity()
    history.thresholds?.rows.append(
      TrainingHistory.Thresholds.Row(
        step: step, sparsity: sparsity, values: try thresholds.values()))
    if sparsity >= adaptive.sparsity { stopLearning(thresholds) }
    guard step == adaptive.until else { return }
    stopLearning(thresholds)
    let masks = try withoutGradients { try thresholds.project(toSparsity: adaptive.sparsity) }
    self.thresholds = nil
    try network.setMasks(masks)
    try zeroPrunedWeights()
    engineKind = try engineKind(under: masks, adaptive)
  }

  /// The optimizer has the thresholds behind the weights.
  private func stopLearning(_ thresholds: Thresholds) {
    guard thresholds.areLearned else { return }
    optimizer.removeLast(thresholds.scalars.count)
    thresholds.areLearned = false
  }

  private func engineKind(under masks: [Mask], _ adaptive: AdaptiveSettings) throws -> EngineKind {
    try adaptive.engine.kind(
      for: network.graph, masks: masks, image: Extent(source.size.height, source.size.width),
      on: settings.machine)
  }
}

// MARK: - Checkpoints

extension Trainer {
  func addThresholds(to state: inout TrainingState) throws {
    guard let thresholds else { return }
    func values(_ scalars: some Sequence<Tensor>) throws -> [Float] {
      try scalars.map { Float(try $0.item()) }
    }
    let count = thresholds.scalars.count
    state.thresholds = try values(thresholds.scalars)
    guard thresholds.areLearned else { return }
    state.thresholdMoments = (
      try values(optimizer.firstMoments.suffix(count)),
      try values(optimizer.secondMoments.suffix(count))
    )
  }

  /// - Throws: ``ArtifactError`` when a checkpoint lacks thresholds, or the masks that have taken their
  ///   place.
  func checkThresholds(_ state: TrainingState, masks: [Mask], _ reader: ArtifactReader) throws {
    guard let adaptive = settings.adaptive, let thresholds else { return }
    if state.step >= adaptive.until {
      let names = Set(masks.map(\.name))
      if let layer = network.prunable.first(where: { !names.contains($0.name) }) {
        throw reader.error("/masks/\(layer.name)", "missing dataset")
      }
    } else {
      let count = thresholds.scalars.count
      let moments = state.thresholdMoments.map { [$0.first, $0.second] } ?? []
      for values in [state.thresholds ?? []] + moments where values.count != count {
        throw reader.error(
          "/state/threshold", "expected \(count) values, found \(values.count)")
      }
    }
  }

  /// Takes the thresholds of a checkpoint, which has been checked.
  func restoreThresholds(_ state: TrainingState, masks: [Mask]) throws {
    guard let adaptive = settings.adaptive, let thresholds else { return }
    if state.step >= adaptive.until {
      stopLearning(thresholds)
      thresholds.giveUp()
      self.thresholds = nil
      engineKind = try engineKind(under: masks, adaptive)
      return
    }
    func assign(_ values: [Float], to scalars: some Sequence<Tensor>) throws {
      for (scalar, value) in zip(scalars, values) {
        try scalar.assign(Tensor.full(Double(value), shape: []))
      }
    }
    let count = thresholds.scalars.count
    try assign(state.thresholds ?? [], to: thresholds.scalars)
    if let moments = state.thresholdMoments {
      try assign(moments.first, to: optimizer.firstMoments.suffix(count))
      try assign(moments.second, to: optimizer.secondMoments.suffix(count))
    } else {
      stopLearning(thresholds)
    }
  }
}
