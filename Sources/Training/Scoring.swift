// Scores of every weight for every task: one forward pass per batch for all tasks, and a backward
// pass for each.

import Artifacts
import Collectives
import Datasets
import Networks
import Sparsity
import Torch

/// One task's scores of the weights of its network.
public struct TaskScores {
  public let task: String
  /// Mean over the batches; nil when none was needed.
  public let loss: Double?
  fileprivate let tensors: [(name: String, tensor: Tensor)]

  /// By layer of the task's network: backbone, then its head. Copied at each call.
  public var scores: [NamedArray] {
    get throws { try tensors.map { try NamedArray($0.name, $0.tensor) } }
  }
}

/// How to score.
public struct ScoringSettings: Sendable {
  public var criterion: Criterion
  /// One score from the weighted sum of the losses instead of one per task.
  public var joint: Bool
  public var batches: Int
  public var machine: Machine
  public var seed: UInt64

  public init(
    criterion: Criterion, joint: Bool = false, batches: Int, machine: Machine = Machine(),
    seed: UInt64 = 0
  ) {
    self.criterion = criterion
    self.joint = joint
    self.batches = batches
    self.machine = machine
    self.seed = seed
  }
}

/// Scores a network from its weights alone, for criteria that need no data.
public func scoreImportance(of network: Network, settings: ScoringSettings) throws -> [TaskScores] {
  let score = try Scorer(network, settings)
  return try score.results(losses: nil)
}

/// Scores a network on the first batches of a source.
///
/// - Parameters:
///   - group: processes that take turns at the batches and have the same scores at the end.
///   - progress: called after each batch with the number done, by all processes about.
public func scoreImportance(
  with engine: some Engine, tasks: TaskSet, on source: BatchSource, settings: ScoringSettings,
  group: ProcessGroup = .current, progress: (_ done: Int) -> Void
) throws -> (scores: [TaskScores], empty: EmptyTargets) {
  let scorer = try Scorer(engine.network, settings)
  var losses = [Double](repeating: 0, count: scorer.network.tasks.count)
  var empty = EmptyTargets(tasks.names)
  let loader = BatchLoader(source, first: group.rank, step: group.size)
  for number in stride(from: group.rank, to: settings.batches, by: group.size) {
    let batch = try TensorBatch(
      loader.next(), tasks: tasks, on: settings.machine.device)
    let taskLosses = try tasks.losses(
      with: engine, on: batch, precision: settings.machine.precision,
      dropout: DropoutStreams(RandomStream(seed: settings.seed, .dropoutInScoring, index: number)))
    empty.count(taskLosses)
    let scored = settings.joint ? [try tasks.weightedSum(taskLosses)] : taskLosses
    let last = scored.lastIndex { $0 != nil }
    for (task, loss) in scored.enumerated() {
      guard let loss else { continue }
      let value = try loss.item()
      guard value.isFinite else {
        throw TorchError("the loss of \(scorer.network.tasks[task]) is \(value) on batch \(number)")
      }
      losses[task] += value / Double(settings.batches)
      try scorer.add(loss, ofTask: task, retainGraph: task != last)
    }
    progress(min(number - group.rank + group.size, settings.batches))
  }
  losses = group.sum(losses)
  empty.sum(over: group)
  try scorer.sum(over: group)
  return (try scorer.results(losses: losses), empty)
}

/// The sums of all tasks over the batches so far.
private struct Scorer {
  let network: PrunableNetwork
  private let weights: [[Tensor]]
  private let sums: [ImportanceScores]
  private let seed: UInt64

  init(_ scored: Network, _ settings: ScoringSettings) throws {
    let network = prunableNetwork(of: scored.graph)
    self.network = settings.joint ? network.joint : network
    let tensors = Dictionary(
      uniqueKeysWithValues: scored.prunable.map { ($0.name, $0.values) })
    weights = try self.network.tasks.indices.map { [network = self.network] task in
      try network.layers(ofTask: task).map { layer in
        guard let tensor = tensors[layer.name] else { throw NetworkError(layer.name, "missing") }
        return tensor
      }
    }
    sums = try weights.map { try ImportanceScores(settings.criterion, weights: $0) }
    seed = settings.seed
  }

  func add(_ loss: Tensor, ofTask task: Int, retainGraph: Bool) throws {
    let gradients = try loss.gradients(of: weights[task], retainGraph: retainGraph)
    try withoutGradients { try sums[task].add(gradients: gradients) }
  }

  func sum(over group: ProcessGroup) throws {
    for sums in sums { try sums.sum(over: group.sum) }
  }

  func results(losses: [Double]?) throws -> [TaskScores] {
    // Tasks that share a layer draw the same random scores for it.
    let streams = Dictionary(
      uniqueKeysWithValues: network.layers.enumerated().map {
        ($1.name, RandomStream(seed: seed, .randomScores, index: $0))
      })
    return try network.tasks.indices.map { task in
      let layers = network.layers(ofTask: task)
      let tensors = try sums[task].scores(streams: layers.compactMap { streams[$0.name] })
      return TaskScores(
        task: network.tasks[task], loss: losses?[task],
        tensors: zip(layers, tensors).map { ($0.name, $1) })
    }
  }
}
