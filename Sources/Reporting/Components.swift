// The components of a network: the layers that tasks share, and each task's own.

import Artifacts

extension MethodComparison {
  /// The shared layers, then each task's head, where any network has them.
  ///
  /// - Returns: with the task by its place in ``tasks``; nil for the shared layers.
  var components: [(name: String, task: Int?)] {
    let found = Set(methods.flatMap(\.runs).flatMap { kept(in: $0).keys })
    return ([nil] + tasks.indices.map { $0 }).filter { found.contains($0) }.map { task in
      (task.map { "head of \(tasks[$0].name)" } ?? "shared layers", task)
    }
  }

  /// The share of weights that a method's runs keep of each component; nil where a network lacks it.
  func densities(ofMethod method: Int) -> [Spread?] {
    let runs = methods[method].runs.map { kept(in: $0) }
    return components.map { component in
      let densities = runs.compactMap { counts in
        counts[component.task].map { Double($0.kept) / Double($0.weights) }
      }
      return densities.count == runs.count ? Spread(densities) : nil
    }
  }

  private func kept(in model: EvaluatedModel) -> [Int?: (weights: Int, kept: Int)] {
    let layers = model.metrics.layers
    return layers.groups(tasks.map(\.name)).reduce(into: [:]) { counts, group in
      for row in layers.rows[group.rows] where row.weights > 0 {
        counts[group.task, default: (0, 0)].weights += row.weights
        counts[group.task, default: (0, 0)].kept += row.kept
      }
    }
  }
}
