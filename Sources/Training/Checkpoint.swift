// Checkpoints: a trainer to a file and back, so that training goes on as if it had never stopped.

import Artifacts
import Foundation
import Networks
import Sparsity
import Torch

extension Trainer {
  /// The model as it stands.
  ///
  /// - Parameters:
  ///   - base: steps that the model had been trained before this run.
  ///   - state: whether to add what resuming needs.
  /// - Throws: ``TrainingError`` naming a parameter that is not finite.
  func model(architecture: String, base: Int, state: TrainingState? = nil) throws -> Model {
    let (parameters, buffers) = try network.snapshot()
    for array in parameters + buffers where !array.values.allSatisfy(\.isFinite) {
      throw TrainingError(step: step, "\(array.name) is no longer finite")
    }
    return Model(
      architecture: architecture, step: base + step, parameters: parameters, buffers: buffers,
      masks: try network.masks(), history: step > 0 ? history : nil, state: state)
  }

  func state(settings: String, bestLoss: Double?) throws -> TrainingState {
    let seen = step * source.batchSize
    func moments(_ tensors: [Tensor]) throws -> [NamedArray] {
      try zip(network.weights, tensors).map { try NamedArray($0.name, $1) }
    }
    return TrainingState(
      step: step, optimizerSteps: try optimizer.stepCount(), epoch: seen / source.samplesPerEpoch,
      position: seen % source.samplesPerEpoch,
      settings: settings, firstMoments: try moments(optimizer.firstMoments),
      secondMoments: try moments(optimizer.secondMoments), bestLoss: bestLoss,
      targetDensities: dynamic?.targetDensities)
  }

  /// Takes weights, moments, masks and history from a checkpoint.
  ///
  /// - Throws: ``ArtifactError`` naming what does not fit the network; then nothing has changed.
  func restore(_ file: ModelFile, _ state: TrainingState) throws {
    let reader = file.reader
    // All is looked at before anything changes, so that what does not fit leaves the trainer as it is.
    var assignments: [(Tensor, NamedArray)] = []
    func plan(
      _ arrays: [NamedArray], for tensors: [(name: String, tensor: Tensor)], _ group: String
    ) throws {
      let byName = Dictionary(arrays.map { ($0.name, $0) }) { first, _ in first }
      for (name, tensor) in tensors {
        guard let array = byName[name] else {
          throw reader.error("/\(group)/\(name)", "missing dataset")
        }
        guard array.shape == tensor.shape else {
          throw reader.error("/\(group)/\(name)", "has another shape than the network's")
        }
        assignments.append((tensor, array))
      }
    }
    let names = network.weights.map(\.name)
    try plan(
      file.model.parameters, for: network.weights.map { ($0.name, $0.tensor) }, "parameters")
    try plan(file.model.buffers, for: network.buffers, "buffers")
    try plan(
      state.firstMoments, for: Array(zip(names, optimizer.firstMoments)), "optimizer/first_moment")
    try plan(
      state.secondMoments, for: Array(zip(names, optimizer.secondMoments)),
      "optimizer/second_moment")
    let masks = file.model.masks
    let dynamic: DynamicMasks?
    do {
      dynamic = try settings.dynamic.map {
        try DynamicMasks(masks, of: network, $0, targetDensities: state.targetDensities)
      }
      try network.graph.check(masks)
    } catch let error as NetworkError {
      throw reader.error("/masks/\(error.name)", error.reason)
    } catch let error as SparsityError {
      throw reader.error("/state/target_density", error.description)
    }
    let history = try file.history(tasks: tasks.names)
    try withoutGradients {
      for (tensor, array) in assignments { try tensor.assign(array.tensor()) }
      for count in optimizer.steps {
        try count.assign(Tensor.full(Double(state.optimizerSteps), shape: []))
      }
    }
    step = state.step
    self.dynamic = dynamic
    try network.setMasks(masks)
    try zeroPrunedWeights()
    if let history { self.history = history }
    secondsBefore = self.history.seconds.last ?? 0
  }
}
