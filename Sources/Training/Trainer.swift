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
  public internal(set) var masks: [Mask]
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
    self.masks = masks
    optimizer = try Adam(network.parameters.map(\.tensor), weightDecay: settings.weightDecay)
    history = TrainingHistory(tasks: tasks.names)
    empty = EmptyTargets(tasks.names)
    if let settings = settings.dynamic {
      dynamic = try DynamicMasks(masks, of: network, settings)
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
      let (gradients, wishes) = try gradientsAndWishes(losses)
      try optimize(gradients, rate)
      try grow(wishes, update)
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
    return try TensorBatch(loader.next(), tasks: tasks.descriptions, on: settings.machine.device)
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
    masked = try maskedParameters(of: network, masks)
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

  /// After step E the last drop, after which every layer has its density.
  private func dropForTheLastTime() throws {
    guard let schedule = settings.dynamic?.schedule, step == schedule.until,
      let update = try drop(rate: 0)
    else { return }
    record(update, grown: 0, agreement: .nan)
  }

  private func drop(rate: Double) throws -> Update? {
    guard var dynamic else { return nil }
    let prunable = prunableTensors(of: dynamic.network)
    let before = dynamic.density
    let dropped = try dynamic.drop(rate: rate) { try prunable[$0].array() }
    use(dynamic)
    try maskNetwork()
    return Update(rate: rate, dropped: dropped, densityBefore: before)
  }

  /// The step's own gradient, by parameter, and what each task wants to grow, from a backward pass
  /// per task: the sum's gradient is the sum of theirs.
  private func gradientsAndWishes(_ losses: [Tensor?]) throws -> ([Tensor?], [[[UInt8]?]]) {
    guard let dynamic else { return ([], []) }
    let joint = settings.dynamic?.joint == true
    let scored = joint ? [try tasks.weightedSum(losses)] : losses
    let weights = joint ? [1] : tasks.descriptions.map(\.lossWeight)
    let places = Dictionary(
      uniqueKeysWithValues: network.parameters.enumerated().map { ($1.description.name, $0) })
    let parameters = self.parameters
    var sum = [Tensor?](repeating: nil, count: parameters.count)
    let last = scored.lastIndex { $0 != nil }
    var wishes: [[[UInt8]?]] = []
    for (task, loss) in scored.enumerated() {
      let gradients = try loss?.gradients(of: parameters, retainGraph: task != last)
      try withoutGradients {
        wishes.append(
          try dynamic.network.layers.enumerated().map { index, layer in
            guard layer.task == nil || layer.task == task else { return nil }
            let gradient = places[layer.name].flatMap { gradients?[$0] }
            // Who has no gradient has no wish.
            return try gradient.map { dynamic.growth(inLayer: index, gradients: try $0.array()) }
              ?? [UInt8](repeating: 0, count: layer.count)
          })
        for (index, gradient) in (gradients ?? []).enumerated() {
          guard let gradient else { continue }
          if let sum = sum[index] {
            try sum.add(gradient, times: weights[task])
          } else {
            sum[index] = try gradient * weights[task]
          }
        }
      }
    }
    return (sum, wishes)
  }

  /// Grown weights start at 0 with moments of 0: absent weights have no others.
  private func grow(_ wishes: [[[UInt8]?]], _ update: Update) throws {
    guard var dynamic, let arbiter = settings.dynamic?.arbiter else { return }
    let votes = try arbiter.requiredVotes(of: wishes.count)
    let (grown, agreement) = dynamic.grow(wishes, votes: votes)
    use(dynamic)
    masked = try maskedParameters(of: network, masks)
    record(update, grown: grown, agreement: agreement)
  }

  private func use(_ dynamic: DynamicMasks) {
    self.dynamic = dynamic
    masks = zip(dynamic.network.layers, dynamic.masks).map {
      Mask($0.name, shape: $0.shape, $1)
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
    self.init(
      prunable,
      masks: try prunable.layers.map { layer in
        guard let mask = byName[layer.name], mask.count == layer.count else {
          throw NetworkError(layer.name, "has no mask of \(Format.shape(layer.shape))")
        }
        return mask
      }, targetDensities: targetDensities)
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
