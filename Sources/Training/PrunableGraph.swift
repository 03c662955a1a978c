// What of a network can be pruned, as the method sees it.

import Graphs
import Sparsity

/// The prunable part of a network.
public func prunableNetwork(of graph: Graph) -> PrunableNetwork {
  PrunableNetwork(
    tasks: graph.tasks,
    layers: graph.prunable.map {
      PrunableLayer(
        name: $0.name, shape: $0.shape, owners: $0.owners, isOnMainPath: $0.isOnMainPath)
    })
}

extension PrunableNetwork {
  /// The network as one task's alone: what joint scores rank.
  public var joint: PrunableNetwork {
    PrunableNetwork(
      tasks: [PrunableNetwork.jointTask],
      layers: layers.map {
        PrunableLayer(
          name: $0.name, shape: $0.shape, owners: [0], isOnMainPath: $0.isOnMainPath)
      })
  }

  /// The name under which files keep joint scores.
  public static let jointTask = "joint"
}
