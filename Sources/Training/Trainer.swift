// The training loop: dense, with fixed masks, or with masks that change.

import Artifacts
import Datasets
import Formatting
import Foundation
import Networks
import Sparsity
import Tasks
import Torch

/// One step as the progress line tells it.
public struct TrainingStep: Sendable {
  /// Steps done.
  public let step: Int
  public let learningRate: Double
  /// The weighted sum, and each task's own.
  public let loss: Double
  public let taskLosses: [(task: String, loss: Double)]
}

/// Trains a network in place, step by step. Adam; pruned weights stay exactly 0: they start there,
/// and with a masked gradient neither the moments nor the L2 term move them.
public final class Trainer {
  public let network: SceneNet
  public let tasks: TaskSet
  public let settings: TrainingSettings
  /// Steps done.
  public internal(set) var step = 0
  public internal(set) var history: TrainingHistory
  public private(set) var empty: EmptyTargets

  let optimizer: Adam
  let source: BatchSource
  /// The masks of the prunable weights; empty for dense training.
  public var masks: [Mask] { dynamic?.named ?? fixedMasks }
  /// The masks where they do not change.
  var fixedMasks: [Mask] = []
  /// The masks in dynamic training.
  var dynamic: DynamicMasks?
  private var masked: [(index: Int, mask: Tensor)] = []
  private var loader: BatchLoader?
  private let stopwatch = Stopwatch()
  /// Seconds that the run had taken when it was resumed.
  var secondsBefore = 0.0

  private var parameters: [Tensor] { network.parameters.map(\.tensor) }

  /// - Parameter masks: of prunable weights, by name; empty for dense training.
  /// - Throws: ``NetworkError`` for a mask that does not fit, ``SparsityError`` for an arbiter that
  ///   asks for more tasks than there are.
  public init(
    _ network: SceneNet, tasks: TaskSet, on source: BatchSource, masks: [Mask],
    settings: TrainingSettings
  ) throws {
    self.network = network
    self.tasks = tasks
    self.source = source
    self.settings = settings
    optimizer = try Adam(network.parameters.map(\.tensor), weightDecay: settings.weightDecay)
    history = TrainingHistory(tasks: tasks.names)
    empty = EmptyTargets(tasks.names)
    if let settings = settings.dynamic {
      dynamic = try DynamicMasks(masks, of: network, settings)
    } else {
      fixedMasks = masks
    }
    try maskNetwork()
  }

  /// One step: drops, trains and grows when the schedule says so, else trains only.
  ///
  /// - Throws: ``TrainingError`` when a loss is not finite.
  public func advance() throws -> TrainingStep {
    let update = try dropForUpdate()
    let batch = try nextBatch()
    let losses = try tasks.losses(
      of: network, on: batch, precision: settings.machine.precision,
      dropout: DropoutStreams(RandomStream(seed: settings.seed, .dropoutInTraining, index: step)))
    empty.count(losses)
    let values = try finiteValues(losses)
    let rate = settings.learningRate(at: step)
    if let update {
      try optimize(gradientsAndVotes(losses), rate)
      try grow(update)
    } else {
      try optimize(tasks.weightedSum(losses)?.gradients(of: parameters) ?? [], rate)
    }
    step += 1
    try dropForTheLastTime()

    let weighted = tasks.weightedSum(values)
    history.steps.append(Int64(step))
    history.learningRates.append(rate)
    history.losses.append(weighted)
    for (task, value) in values.enumerated() { history.taskLosses[task].values.append(value) }
    history.seconds.append(secondsBefore + stopwatch.seconds)
    return TrainingStep(
      step: step, learningRate: rate, loss: weighted, taskLosses: Array(zip(tasks.names, values)))
  }

  private func nextBatch() throws -> TensorBatch {
    let loader = loader ?? BatchLoader(source, first: step)
    self.loader = loader
    return try TensorBatch(loader.next(), tasks: tasks, on: settings.machine.device)
  }

  private func finiteValues(_ losses: [Tensor?]) throws -> [Double] {
    try zip(tasks.names, losses).map { task, loss in
      let value = try loss?.item() ?? 0
      guard value.isFinite else {
        throw TrainingError(step: step + 1, "the loss of task \(task) is \(value)")
      }
      return value
    }
  }

  /// One step of the optimizer; nil stands for a gradient of 0. A batch without a single valid pixel
  /// has no gradient at all, and moves nothing.
  private func optimize(_ gradients: [Tensor?], _ rate: Double) throws {
    guard gradients.contains(where: { $0 != nil }) else { return }
    try withoutGradients {
      let gradients = try zip(parameters, gradients).map { try $1 ?? Tensor.zeros(like: $0) }
      for (index, mask) in masked { try gradients[index].keep(mask) }
      try optimizer.step(gradients, learningRate: rate)
    }
  }

  /// - Throws: ``NetworkError`` for a mask that does not fit.
  func checkMasks(_ masks: [Mask]) throws { _ = try maskedParameters(of: network, masks) }

  /// Brings weights and moments to 0 where the masks prune.
  func maskNetwork() throws {
    masked = try maskTensors()
    try withoutGradients {
      for (index, mask) in masked {
        try network.parameters[index].tensor.keep(mask)
        try optimizer.firstMoments[index].keep(mask)
        try optimizer.secondMoments[index].keep(mask)
      }
    }
  }
}

// MARK: - Dynamic training

extension Trainer {
  /// What an update has done before its growth.
  private struct Update {
    let rate: Double
    let dropped: Int
    let densityBefore: Double
  }

  /// Drops, when this step is an update. The step's forward pass then sees the network that grows.
  private func dropForUpdate() throws -> Update? {
    guard let schedule = settings.dynamic?.schedule, schedule.isUpdate(step) else { return nil }
    return try drop(rate: schedule.dropRate(at: step))
  }

  /// The drop without growth at the schedule's end, which brings every layer to its target density.
  private func dropForTheLastTime() throws {
    guard let schedule = settings.dynamic?.schedule, step == schedule.until,
      let update = try drop(rate: 0)
    else { return }
    record(update, grown: 0, agreement: .nan)
  }

  private func drop(rate: Double) throws -> Update? {
    guard let before = dynamic?.density, let network = dynamic?.network else { return nil }
    let prunable = prunableTensors(of: network)
    let dropped = try dynamic?.drop(rate: rate) { try prunable[$0].withChannelsLast($1) } ?? 0
    try maskNetwork()
    return Update(rate: rate, dropped: dropped, densityBefore: before)
  }

  /// The tasks whose gradients are asked for growth: all of them, or their weighted sum.
  private var voters: Int { settings.dynamic?.joint == true ? 1 : tasks.descriptions.count }

  /// The step's own gradient, by parameter, from a backward pass per task: the sum's gradient is the sum
  /// of theirs. Each task votes for the weights that its gradients are largest at; a task without ground
  /// truth in this batch has no gradients and casts no votes.
  private func gradientsAndVotes(_ losses: [Tensor?]) throws -> [Tensor?] {
    let joint = settings.dynamic?.joint == true
    let scored = joint ? [try tasks.weightedSum(losses)] : losses
    let weights = joint ? [1] : tasks.descriptions.map(\.lossWeight)
    let places = Dictionary(
      uniqueKeysWithValues: network.parameters.enumerated().map { ($1.description.name, $0) })
    let layers = dynamic?.network.layers ?? []
    let parameters = self.parameters
    var sum = [Tensor?](repeating: nil, count: parameters.count)
    let last = scored.lastIndex { $0 != nil }
    for (task, loss) in scored.enumerated() {
      guard let loss else { continue }
      let gradients = try loss.gradients(of: parameters, retainGraph: task != last)
      try withoutGradients {
        for (index, layer) in layers.enumerated() where layer.task == nil || layer.task == task {
          guard let gradient = places[layer.name].flatMap({ gradients[$0] }) else { continue }
          try gradient.withChannelsLast { dynamic?.vote(inLayer: index, gradients: $0) }
        }
        for (index, gradient) in gradients.enumerated() {
          guard let gradient else { continue }
          if let sum = sum[index] {
            try sum.add(gradient, times: weights[task])
          } else {
            sum[index] = try gradient * weights[task]
          }
        }
      }
    }
    return sum
  }

  /// Grown weights start at 0 with moments of 0, at which pruned weights and their moments are held.
  private func grow(_ update: Update) throws {
    guard let arbiter = settings.dynamic?.arbiter else { return }
    let required = try arbiter.requiredVotes(of: voters)
    guard let (grown, agreement) = dynamic?.grow(required: required, of: voters) else { return }
    masked = try maskTensors()
    record(update, grown: grown, agreement: agreement)
  }

  /// The masks as tensors that lie in memory as their parameters do, with the parameters' indices.
  private func maskTensors() throws -> [(index: Int, mask: Tensor)] {
    guard let dynamic else { return try maskedParameters(of: network, fixedMasks) }
    let places = Dictionary(
      uniqueKeysWithValues: network.parameters.enumerated().map { ($1.description.name, $0) })
    return try zip(dynamic.network.layers, dynamic.masks).compactMap { layer, mask in
      guard let index = places[layer.name] else { return nil }
      let shape = layer.shape
      // Of 1×1 kernels both orders are one, and libtorch leaves them as they are.
      let tensor =
        shape[2] * shape[3] == 1
        ? try Tensor(mask, shape: shape)
        : try Tensor(mask, shape: [shape[0], shape[2], shape[3], shape[1]]).permuted([0, 3, 1, 2])
      return (index, try tensor.to(network.device))
    }
  }

  private func record(_ update: Update, grown: Int, agreement: Double) {
    history.updates.append(
      TrainingHistory.MaskUpdate(
        step: step, dropRate: update.rate, dropped: update.dropped, grown: grown,
        densityBefore: update.densityBefore, densityAfter: dynamic?.density ?? 1,
        agreement: agreement))
  }

  private func prunableTensors(of network: PrunableNetwork) -> [Tensor] {
    let tensors = Dictionary(
      uniqueKeysWithValues: self.network.parameters.map { ($0.description.name, $0.tensor) })
    return network.layers.compactMap { tensors[$0.name] }
  }
}

extension DynamicMasks {
  /// - Parameter targetDensities: nil for the masks' own.
  init(
    _ masks: [Mask], of network: SceneNet, _ settings: DynamicSettings,
    targetDensities: [Double]? = nil
  ) throws {
    let whole = prunableNetwork(of: network.architecture)
    let prunable = settings.joint ? whole.joint : whole
    // Joint growth has one voter.
    if !settings.joint { _ = try settings.arbiter.requiredVotes(of: prunable.tasks.count) }
    let byName = Dictionary(uniqueKeysWithValues: masks.map { ($0.name, $0.values) })
    guard prunable.tasks.count <= Int(UInt8.max) else {
      throw SparsityError("\(prunable.tasks.count) tasks are too many to vote on growth")
    }
    if let targetDensities {
      guard targetDensities.count == prunable.layers.count,
        targetDensities.allSatisfy({ (0...1).contains($0) })
      else {
        throw SparsityError("target densities are not one in 0...1 for each prunable layer")
      }
    }
    self.init(
      prunable,
      masks: try prunable.layers.map { layer in
        guard let mask = byName[layer.name], mask.count == layer.count else {
          throw NetworkError(layer.name, "has no mask of \(Format.shape(layer.shape))")
        }
        return layer.mask(mask, to: .channelsLast)
      }, targetDensities: targetDensities, order: .channelsLast)
  }

  /// The masks as files have them.
  var named: [Mask] {
    zip(network.layers, masks).map { layer, mask in
      Mask(layer.name, shape: layer.shape, layer.mask(mask, from: order))
    }
  }
}

// MARK: - Masks

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
    let tensor = try Tensor(mask.values, shape: mask.shape).channelsLast()
    return (index, try tensor.to(network.device))
  }
}

/// Why training cannot go on.
public struct TrainingError: Error, CustomStringConvertible, Sendable {
  /// From 1.
  public let step: Int
  public let reason: String
  public var description: String { "step \(step): \(reason)" }

  init(step: Int, _ reason: String) {
    self.step = step
    self.reason = reason
  }
}

/// Seconds since a start; under SOURCE_DATE_EPOCH time stands still, so that the same command
/// writes the same bytes.
private struct Stopwatch {
  private let start = ContinuousClock.now
  private let stands = ProcessInfo.processInfo.environment["SOURCE_DATE_EPOCH"] != nil

  var seconds: Double { stands ? 0 : (ContinuousClock.now - start) / .seconds(1) }
}
