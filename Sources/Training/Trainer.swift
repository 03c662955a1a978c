// The training loop: dense, with fixed masks, with masks that change, or with thresholds.

import Artifacts
import Collectives
import Datasets
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
  public let network: Network
  /// What runs the network: an engine of ``engineKind``, but for steps that need the gradients of
  /// pruned weights.
  public private(set) var engine: any Engine
  public internal(set) var engineKind: EngineKind
  public let tasks: TaskSet
  public let settings: TrainingSettings
  /// Steps done.
  public internal(set) var step = 0
  public internal(set) var history: TrainingHistory
  public private(set) var empty: EmptyTargets

  let optimizer: Adam
  let source: BatchSource
  /// The processes that each batch is divided among; ``source`` has this one's part.
  public let group: ProcessGroup
  /// The kind of ``engine``.
  private var runningKind: EngineKind
  /// The masks while they change, of which the network's weights have copies.
  var dynamic: DynamicMasks?
  /// The thresholds until masks take their place.
  var thresholds: Thresholds?
  private var loader: BatchLoader?
  private let stopwatch = Stopwatch()
  /// Seconds that the run had taken when it was resumed.
  var secondsBefore = 0.0

  var parameters: [Tensor] { optimizer.parameters }

  /// - Parameters:
  ///   - kind: of the engine to train with.
  ///   - masks: of prunable weights, by name; empty for dense training.
  ///   - group: the processes that train it together, all from the same weights, each on its part of
  ///     every batch.
  /// - Throws: ``NetworkError`` for a mask that does not fit, ``SparsityError`` for an arbiter that
  ///   asks for more tasks than there are.
  public init(
    _ network: Network, engine kind: EngineKind = .dense, tasks: TaskSet, on source: BatchSource,
    masks: [Mask], settings: TrainingSettings, group: ProcessGroup = .current
  ) throws {
    self.group = group
    if !settings.localBatchNorm { group.divideBatches() }
    try network.setMasks(masks)
    self.network = network
    engineKind = kind
    runningKind = kind
    engine = try kind.engine(for: network)
    self.tasks = tasks
    self.source = source
    self.settings = settings
    thresholds = try settings.adaptive.map { try Thresholds(of: network, start: $0.start) }
    optimizer = try Adam(
      network.weights.map(\.values) + (thresholds?.scalars ?? []),
      weightDecay: settings.weightDecay)
    history = TrainingHistory(tasks: tasks.names)
    if let thresholds {
      history.thresholds = TrainingHistory.Thresholds(components: thresholds.names)
      history.taskWeights = tasks.names.map { _ in [] }
    }
    empty = EmptyTargets(tasks.names)
    dynamic = try settings.dynamic.map { try DynamicMasks(masks, of: network, $0) }
    try zeroPrunedWeights()
  }

  /// One step: drops, trains and grows when the schedule says so, else trains only.
  ///
  /// - Throws: ``TrainingError`` when a loss is not finite.
  public func advance() throws -> TrainingStep {
    let update = try dropForUpdate()
    let batch = try nextBatch()
    let losses = try tasks.losses(
      with: engine, on: batch, precision: settings.machine.running(runningKind).precision,
      dropout: DropoutStreams(
        RandomStream(seed: settings.seed, .dropoutInTraining, index: step),
        firstImage: source.places.lowerBound),
      dividedAmong: group)
    empty.count(losses)
    let values = try finiteValues(losses)
    let rate = settings.learningRate(at: step)
    let factors = lossFactors()
    if let update {
      try optimize(gradientsAndVotes(losses), rate)
      try grow(update)
    } else {
      let sum = try tasks.weightedSum(losses, times: factors)
      try optimize(sum.map { try gradients(of: $0) } ?? [], rate)
    }
    if settings.localBatchNorm { try averageStatistics() }
    step += 1
    try dropForTheLastTime()
    try followThresholds()
    try use(engineKind)

    let weighted = tasks.weightedSum(values)
    history.steps.append(Int64(step))
    history.learningRates.append(rate)
    history.losses.append(weighted)
    for (task, value) in values.enumerated() { history.taskLosses[task].values.append(value) }
    for (task, factor) in (factors ?? []).enumerated() { history.taskWeights[task].append(factor) }
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
    let values = group.sum(try losses.map { try $0?.item() ?? 0 })
    return try zip(tasks.names, values).map { task, value in
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
      for (weight, gradient) in zip(network.weights, gradients) {
        if let mask = weight.mask, !weight.isCompact { try gradient.keep(mask) }
      }
      try optimizer.step(gradients, learningRate: rate)
    }
  }

  /// Brings weights and moments to 0 where the masks prune.
  func zeroPrunedWeights() throws {
    try withoutGradients {
      for (index, weight) in network.weights.enumerated() {
        guard let mask = weight.mask, !weight.isCompact else { continue }
        try weight.values.keep(mask)
        try optimizer.firstMoments[index].keep(mask)
        try optimizer.secondMoments[index].keep(mask)
      }
    }
  }
}

// MARK: - Engines

extension Trainer {
  /// Goes on with an engine of a kind, in whose form weights and moments are brought.
  func use(_ kind: EngineKind) throws {
    guard kind != runningKind else { return }
    try withoutGradients {
      for (index, weight) in network.weights.enumerated() where weight.mask != nil {
        try form(
          index, for: kind, firstMoment: optimizer.firstMoments[index],
          secondMoment: optimizer.secondMoments[index])
      }
    }
    runningKind = kind
    engine = try kind.engine(for: network)
  }

  /// Brings a weight into the form that an engine wants, whole or compact, and its moments with it; one
  /// weight at a time, so that little memory holds both forms.
  ///
  /// - Parameters:
  ///   - firstMoment: in either form, and so is `secondMoment`.
  func form(_ index: Int, for kind: EngineKind, firstMoment: Tensor, secondMoment: Tensor) throws {
    let weight = network.weights[index]
    if kind == .sparse, weight.mask != nil { try weight.compact() } else { try weight.expand() }
    func formed(_ moment: Tensor) throws -> Tensor {
      let result = try Tensor.zeros(like: weight.values)
      var values = try moment.to(weight.values.device)
      if let mask = weight.mask, values.shape != result.shape {
        values = try weight.isCompact ? values.kept(by: mask) : values.scattered(over: mask)
      }
      try result.assign(values)
      return result
    }
    optimizer.replace(
      index, by: weight.values, firstMoment: try formed(firstMoment),
      secondMoment: try formed(secondMoment))
  }

  /// After a change of masks that did not go through ``use(_:)``.
  func rebuildEngine() throws {
    runningKind = engineKind
    engine = try engineKind.engine(for: network)
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
