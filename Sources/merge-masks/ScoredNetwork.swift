// The network that masks are made for: the one that was scored, or that one split at a layer.

import Graphs
import Sparsity
import Training

struct ScoredNetwork {
  let architecture: Architecture
  let prunable: PrunableNetwork
  /// Nil for the network that was scored.
  let splitAt: String?
  /// Of copied weights, the name in the network that was scored.
  private let originals: [String: String]

  /// - Parameter isJoint: whether one score tells what a weight is to all tasks.
  init(_ architecture: Architecture, isJoint: Bool) {
    let network = prunableNetwork(of: architecture.graph)
    self.architecture = architecture
    prunable = isJoint ? network.joint : network
    splitAt = nil
    originals = [:]
  }

  private init(_ split: SplitNetwork) throws {
    architecture = try Architecture(split)
    prunable = prunableNetwork(of: architecture.graph)
    splitAt = split.layer
    originals = try split.split().originals
  }

  /// - Throws: ``GraphError`` when it cannot be split there.
  func split(at layer: String) throws -> ScoredNetwork {
    let split = SplitNetwork(architecture.settings, at: layer)
    // Architecture would say that the file's architecture is wrong.
    _ = try split.split()
    return try ScoredNetwork(split)
  }

  /// The layers of a task's network as the scores' file has them.
  func scoredLayers(ofTask task: Int) -> [(name: String, shape: [Int])] {
    prunable.layers(ofTask: task).map { (name: originals[$0.name] ?? $0.name, shape: $0.shape) }
  }

  /// A target for the network that was scored, for this one: at a sparsity as many weights stay.
  func target(_ target: KeepTarget, of scored: ScoredNetwork) -> KeepTarget {
    guard splitAt != nil, case .sparsity(let sparsity) = target else { return target }
    return .sparsity(
      prunable.sparsity(keeping: scored.prunable.keptCount(atSparsity: sparsity)))
  }
}
