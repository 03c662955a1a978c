// Components: the weights with the same owners, which is what the tasks share and what each has alone.

/// All prunable weights with the same owners.
public struct Component: Equatable, Sendable {
  /// The tasks, counted from 0, ascending.
  public let owners: [Int]
  /// The places of its layers in network order, ascending.
  public let layers: [Int]
}

extension PrunableNetwork {
  /// First what most tasks share, each task's own last; of equally many owners in the order of the tasks.
  public var components: [Component] {
    Dictionary(grouping: layers.indices) { layers[$0].owners }
      .map { Component(owners: $0, layers: $1) }
      .sorted { one, other in
        one.owners.count == other.owners.count
          ? one.owners.lexicographicallyPrecedes(other.owners)
          : one.owners.count > other.owners.count
      }
  }

  /// The names of its owners, or "all tasks".
  public func name(of component: Component) -> String {
    component.owners.count == tasks.count && tasks.count > 1
      ? "all tasks" : component.owners.map { tasks[$0] }.joined(separator: ", ")
  }
}
