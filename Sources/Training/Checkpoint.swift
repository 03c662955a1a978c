// Checkpoints: a trainer to a file and back, so that training goes on as if it had never stopped.

import Artifacts
import Networks
import Sparsity
import Torch

extension Trainer {
  /// The model as it stands, without its parameters: ``parameter(_:)`` has them, one at a time.
  ///
  /// - Parameters:
  ///   - base: steps that the model had been trained before this run.
  ///   - state: whether to add what resuming needs.
  /// - Throws: ``TrainingError`` naming a buffer that is not finite.
  func model(architecture: String, base: Int, state: TrainingState? = nil) throws -> Model {
    Model(
      architecture: architecture, step: base + step, parameters: [],
      buffers: try network.bufferArrays().map(checkFinite), masks: try network.masks(),
      history: step > 0 ? history : nil, engine: engineKind.rawValue, state: state)
  }

  /// - Throws: ``TrainingError`` naming a parameter that is not finite.
  func parameter(_ index: Int) throws -> NamedArray {
    try checkFinite(NamedArray(network.weights[index]))
  }

  private func checkFinite(_ array: NamedArray) throws -> NamedArray {
    guard array.values.allSatisfy(\.isFinite) else {
      throw TrainingError(step: step, "\(array.name) is no longer finite")
    }
    return array
  }

  func state(settings: String, bestLoss: Double?) throws -> TrainingState {
    let seen = step * source.batchSize
    func moments(_ tensors: [Tensor]) throws -> [NamedArray] {
      try zip(network.weights, tensors).map { try NamedArray($0.name, $1) }
    }
    var result = TrainingState(
      step: step, optimizerSteps: try optimizer.stepCount(), epoch: seen / source.samplesPerEpoch,
      position: seen % source.samplesPerEpoch,
      settings: settings, firstMoments: try moments(optimizer.firstMoments),
      secondMoments: try moments(optimizer.secondMoments), bestLoss: bestLoss,
      targetDensities: dynamic?.targetDensities)
    try addThresholds(to: &result)
    return result
  }

  /// Takes weights, moments, masks and history from a checkpoint.
  ///
  /// - Throws: ``ArtifactError`` naming what does not fit the network; then nothing has changed.
  func restore(_ file: ModelFile, _ state: TrainingState) throws {
    let reader = file.reader
    // All is looked at before anything changes, so that what does not fit leaves the trainer as it is.
    let masks = file.model.masks
    let kept = masks.keptWeights
    /// The arrays of a group in the order of `tensors`.
    func find(
      _ arrays: [NamedArray], for tensors: [(name: String, shape: [Int])], _ group: String,
      mayBeKept: Bool = false
    ) throws -> [NamedArray] {
      let byName = Dictionary(arrays.map { ($0.name, $0) }) { first, _ in first }
      return try tensors.map { name, shape in
        guard let array = byName[name] else {
          throw reader.error("/\(group)/\(name)", "missing dataset")
        }
        guard array.shape == shape || (mayBeKept && kept[name].map { [$0] } == array.shape) else {
          throw reader.error("/\(group)/\(name)", "has another shape than the network's")
        }
        return array
      }
    }
    let weights = network.weights.map { ($0.name, $0.shape) }
    let parameters = try find(file.model.parameters, for: weights, "parameters")
    let buffers = try find(
      file.model.buffers, for: network.buffers.map { ($0.name, $0.tensor.shape) }, "buffers")
    let firstMoments = try find(
      state.firstMoments, for: weights, "optimizer/first_moment", mayBeKept: true)
    let secondMoments = try find(
      state.secondMoments, for: weights, "optimizer/second_moment", mayBeKept: true)
    let dynamic: DynamicMasks?
    do {
      dynamic = try settings.dynamic.map {
        try DynamicMasks(masks, of: network, $0, targetDensities: state.targetDensities)
      }
    } catch let error as NetworkError {
      throw reader.error("/masks/\(error.name)", error.reason)
    } catch let error as SparsityError {
      throw reader.error("/state/target_density", error.description)
    }
    try reader.checkMasks(masks, of: network.graph)
    try checkThresholds(state, masks: masks, reader)
    let history = try file.history(tasks: tasks.names)
    let byName = Dictionary(uniqueKeysWithValues: masks.map { ($0.name, $0) })
    try withoutGradients {
      try restoreThresholds(state, masks: masks)
      for (buffer, array) in zip(network.buffers, buffers) {
        try buffer.tensor.assign(array.tensor())
      }
      for (index, weight) in network.weights.enumerated() {
        try weight.setMask(byName[weight.name]?.tensor())
        try weight.values.assign(parameters[index].tensor())
        try form(
          index, for: engineKind, firstMoment: firstMoments[index].tensor(),
          secondMoment: secondMoments[index].tensor())
      }
      for count in optimizer.steps {
        try count.assign(Tensor.full(Double(state.optimizerSteps), shape: []))
      }
    }
    step = state.step
    self.dynamic = dynamic
    try rebuildEngine()
    try zeroPrunedWeights()
    if let history { self.history = history }
    secondsBefore = self.history.seconds.last ?? 0
  }
}
