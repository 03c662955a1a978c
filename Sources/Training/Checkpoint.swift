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
      masks: masks, history: step > 0 ? history : nil, state: state)
  }

  func state(settings: String, bestLoss: Double?) throws -> TrainingState {
    let seen = step * source.batchSize
    func moments(_ tensors: [Tensor]) throws -> [NamedArray] {
      try zip(network.parameters, tensors).map { try NamedArray($0.description.name, $1) }
    }
    return TrainingState(
      step: step, epoch: seen / source.samplesPerEpoch, position: seen % source.samplesPerEpoch,
      settings: settings, firstMoments: try moments(optimizer.firstMoments),
      secondMoments: try moments(optimizer.secondMoments), bestLoss: bestLoss,
      targetDensities: dynamic?.targetDensities)
  }

  /// Takes weights, moments, masks and history from a checkpoint.
  ///
  /// - Throws: ``ArtifactError`` naming what does not fit the network.
  func restore(_ file: ModelFile, _ state: TrainingState) throws {
    let reader = file.reader
    func assign(
      _ arrays: [NamedArray], to tensors: [(name: String, tensor: Tensor)], _ group: String
    )
      throws
    {
      let byName = Dictionary(uniqueKeysWithValues: arrays.map { ($0.name, $0) })
      for (name, tensor) in tensors {
        guard let array = byName[name] else {
          throw reader.error("/\(group)/\(name)", "missing dataset")
        }
        guard array.shape == tensor.shape else {
          throw reader.error("/\(group)/\(name)", "has another shape than the network's")
        }
        try tensor.assign(array.tensor())
      }
    }
    let names = network.parameters.map(\.description.name)
    try withoutGradients {
      try assign(
        file.model.parameters, to: network.parameters.map { ($0.description.name, $0.tensor) },
        "parameters")
      try assign(file.model.buffers, to: network.buffers, "buffers")
      try assign(
        state.firstMoments, to: Array(zip(names, optimizer.firstMoments)), "optimizer/first_moment")
      try assign(
        state.secondMoments, to: Array(zip(names, optimizer.secondMoments)),
        "optimizer/second_moment")
      for count in optimizer.steps {
        try count.assign(Tensor.full(Double(state.step), shape: []))
      }
    }
    step = state.step
    if let settings = settings.dynamic {
      dynamic = try DynamicMasks(
        file.model.masks, of: network, settings, targetDensities: state.targetDensities)
    } else {
      fixedMasks = file.model.masks
    }
    try maskNetwork()
    if let recorded = try file.history(tasks: tasks.names) { history = recorded }
    secondsBefore = history.seconds.last ?? 0
  }
}
