// Scores of every weight for every task: one forward pass per batch for all tasks, and a backward
// pass for each.

import Artifacts
import Datasets
import Networks
import Sparsity
import Torch

/// The prunable part of an architecture.
public func prunableNetwork(of architecture: Architecture) -> PrunableNetwork {
  PrunableNetwork(
    tasks: architecture.heads.map(\.task),
    layers: architecture.prunable.map { parameter in
      let task: Int? = if case .head(let index) = parameter.owner { index } else { nil }
      return PrunableLayer(
        name: parameter.name, shape: parameter.shape, task: task,
        isProjection: parameter.isProjection)
    })
}

/// What one task thinks of the weights of its network.
public struct TaskScores: Sendable {
  public let task: String
  /// Mean over the batches.
  public let loss: Double
  /// By layer of the task's network: backbone, then its head.
  public let scores: [NamedArray]
}

/// Scores a network on the first `batches` batches of a source.
///
/// - Parameter progress: called after each batch with the number done.
public func scoreImportance(
  of network: SceneNet, tasks: TaskSet, on source: BatchSource, batches: Int,
  criterion: Criterion, machine: Machine, seed: UInt64, progress: (_ done: Int) -> Void
) throws -> (scores: [TaskScores], empty: EmptyTargets) {
  let prunable = prunableNetwork(of: network.architecture)
  let tensors = Dictionary(
    uniqueKeysWithValues: network.parameters.map { ($0.description.name, $0.tensor) })
  let layers = tasks.names.indices.map { prunable.layers(ofTask: $0) }
  let weights = try layers.map { layers in
    try layers.map { layer in
      guard let tensor = tensors[layer.name] else { throw NetworkError(layer.name, "missing") }
      return tensor
    }
  }
  let sums = try weights.map { try ImportanceScores(criterion, weights: $0) }
  var losses = [Double](repeating: 0, count: tasks.names.count)
  var empty = EmptyTargets(tasks.names)
  let dropout = try Generator(seed: seed, on: machine.device)
  let loader = BatchLoader(source)
  for done in 0..<batches {
    let batch = try TensorBatch(loader.next(), tasks: tasks.descriptions, on: machine.device)
    let taskLosses = try tasks.losses(
      of: network, on: batch, precision: machine.precision, dropout: dropout)
    empty.count(taskLosses)
    let last = taskLosses.lastIndex { $0 != nil }
    for (task, loss) in taskLosses.enumerated() {
      guard let loss else { continue }
      let value = try loss.item()
      guard value.isFinite else {
        throw TorchError("the loss of task \(tasks.names[task]) is \(value) on batch \(done)")
      }
      losses[task] += value / Double(batches)
      let gradients = try loss.gradients(of: weights[task], retainGraph: task != last)
      try withoutGradients { try sums[task].add(gradients: gradients) }
    }
    progress(done + 1)
  }
  let scores = try tasks.names.indices.map { task in
    TaskScores(
      task: tasks.names[task], loss: losses[task],
      scores: try zip(layers[task], sums[task].scores()).map { try NamedArray($0.name, $1) })
  }
  return (scores, empty)
}
