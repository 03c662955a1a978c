// The training loop: dense, or with fixed masks.

import Artifacts
import Datasets
import Formatting
import Foundation
import Networks
import Tasks
import Torch

/// How to train.
public struct TrainingSettings: Sendable {
  public var steps: Int
  public var learningRate: Double
  /// The L2 term's factor.
  public var weightDecay: Double
  /// The learning rate is multiplied by `decay` every so many steps; nil for never.
  public var decayEvery: Int?
  public var decay: Double
  public var machine: Machine
  /// Of dropout.
  public var seed: UInt64

  public init(
    steps: Int, learningRate: Double, weightDecay: Double, decayEvery: Int?, decay: Double,
    machine: Machine, seed: UInt64
  ) {
    self.steps = steps
    self.learningRate = learningRate
    self.weightDecay = weightDecay
    self.decayEvery = decayEvery
    self.decay = decay
    self.machine = machine
    self.seed = seed
  }

  /// Step decay; `step` counts from 0.
  func learningRate(at step: Int) -> Double {
    guard let decayEvery else { return learningRate }
    return learningRate * pow(decay, Double(step / decayEvery))
  }
}

/// One step as the progress line tells it.
public struct TrainingStep: Sendable {
  /// Steps done.
  public let step: Int
  /// The weighted sum, and each task's own.
  public let loss: Double
  public let taskLosses: [(task: String, loss: Double)]
}

/// Trains a network in place. Adam; pruned weights stay exactly 0: they start there, and with a
/// masked gradient neither the moments nor the L2 term move them.
///
/// - Parameters:
///   - masks: of prunable weights, by name; empty for dense training.
///   - progress: called after every step.
/// - Throws: ``TorchError`` naming step and task when a loss is not finite.
public func train(
  _ network: SceneNet, tasks: TaskSet, on source: BatchSource, masks: [Mask],
  settings: TrainingSettings, progress: (TrainingStep) -> Void
) throws -> (history: TrainingHistory, empty: EmptyTargets) {
  let machine = settings.machine
  let parameters = network.parameters.map(\.tensor)
  try applyMasks(masks, to: network)
  let masked = try maskedParameters(of: network, masks)
  let optimizer = try Adam(parameters, weightDecay: settings.weightDecay)
  let dropout = try Generator(seed: settings.seed, on: machine.device)
  let loader = BatchLoader(source)
  var history = TrainingHistory(tasks: tasks.names)
  var empty = EmptyTargets(tasks.names)
  let stopwatch = Stopwatch()

  for step in 0..<settings.steps {
    let batch = try TensorBatch(loader.next(), tasks: tasks.descriptions, on: machine.device)
    let losses = try tasks.losses(
      of: network, on: batch, precision: machine.precision, dropout: dropout)
    empty.count(losses)
    let rate = settings.learningRate(at: step)
    var values: [Double] = []
    for (task, loss) in zip(tasks.descriptions, losses) {
      let value = try loss?.item() ?? 0
      guard value.isFinite else {
        throw TorchError("step \(step + 1): the loss of task \(task.name) is \(value)")
      }
      values.append(value)
    }
    if let total = try tasks.weightedSum(losses) {
      let gradients = try zip(parameters, total.gradients(of: parameters)).map {
        try $1 ?? Tensor.zeros(like: $0)
      }
      try withoutGradients {
        for (index, mask) in masked { try gradients[index].multiply(by: mask) }
        try optimizer.step(gradients, learningRate: rate)
      }
    }

    let weighted = zip(tasks.descriptions, values).reduce(0) { $0 + $1.0.lossWeight * $1.1 }
    history.steps.append(Int64(step + 1))
    history.learningRates.append(rate)
    history.losses.append(weighted)
    for (task, value) in values.enumerated() { history.taskLosses[task].values.append(value) }
    history.seconds.append(stopwatch.seconds)
    progress(
      TrainingStep(
        step: step + 1, loss: weighted, taskLosses: Array(zip(tasks.names, values))))
  }
  return (history, empty)
}

/// Zeroes the weights that masks prune.
public func applyMasks(_ masks: [Mask], to network: SceneNet) throws {
  try withoutGradients {
    for (index, mask) in try maskedParameters(of: network, masks) {
      let weights = network.parameters[index].tensor
      try weights.multiply(by: mask)
      // Adding 0 turns −0 into 0: zeros of one sign deflate best.
      try weights.add(Tensor.zeros(like: mask))
    }
  }
}

/// The masks as tensors in their parameter's memory format, with the parameter's index.
private func maskedParameters(of network: SceneNet, _ masks: [Mask]) throws
  -> [(index: Int, mask: Tensor)]
{
  let byName = Dictionary(uniqueKeysWithValues: masks.map { ($0.name, $0) })
  return try network.parameters.enumerated().compactMap { index, parameter in
    guard let mask = byName[parameter.description.name] else { return nil }
    guard mask.shape == parameter.description.shape else {
      throw NetworkError(
        mask.name,
        "expected shape \(Format.shape(parameter.description.shape)), "
          + "found \(Format.shape(mask.shape))")
    }
    let tensor = try Tensor(mask.values, shape: mask.shape).to(.float32).channelsLast()
    return (index, try tensor.to(network.device))
  }
}
