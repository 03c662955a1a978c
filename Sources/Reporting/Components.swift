// The components of a network: the weights that all tasks share, those that some share, and each
// task's own.

import Artifacts

extension MethodComparison {
  /// Every component of any network, by who owns it, in the order in which files name them.
  var components: [String] {
    var owners: [String] = []
    for component in methods.flatMap(\.runs).flatMap(components)
    where !owners.contains(component.owners) {
      owners.append(component.owners)
    }
    return owners
  }

  /// The share of weights that a method's runs keep of each component; nil where a network lacks it.
  func densities(ofMethod method: Int) -> [Spread?] {
    let runs = methods[method].runs.map(components)
    return components.map { owners in
      let densities = runs.compactMap { components in
        components.first { $0.owners == owners }?.density
      }
      return densities.count == runs.count ? Spread(densities) : nil
    }
  }

  /// Of files from before there were components, what the table of layers tells of them.
  private func components(of model: EvaluatedModel) -> [ComponentSize] {
    let metrics = model.metrics
    if !metrics.components.isEmpty { return metrics.components }
    var owners: [String] = []
    var counts: [String: (weights: Int, kept: Int)] = [:]
    for group in metrics.layers.groups(tasks.map(\.name)) {
      let owner = group.task.map { tasks[$0].name } ?? "all tasks"
      if counts[owner] == nil { owners.append(owner) }
      for row in metrics.layers.rows[group.rows] {
        counts[owner, default: (0, 0)].weights += row.weights
        counts[owner, default: (0, 0)].kept += row.kept
      }
    }
    return owners.compactMap { owner in
      counts[owner].flatMap { count in
        count.weights > 0
          ? ComponentSize(owners: owner, weights: count.weights, kept: count.kept) : nil
      }
    }
  }
}
