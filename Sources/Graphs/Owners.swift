// Owners: which tasks need a weight, and whether it lies on a main path.

/// What each node's value reaches.
struct Owners {
  /// By node: the tasks whose predictions it reaches.
  private var reached: [Set<Int>]
  /// By node and task: the most weighted nodes on a path from the node to the task's prediction,
  /// itself included.
  private var after: [[Int: Int]]
  /// By node: the most weighted nodes on a path from the image to it, itself excluded.
  private var before: [Int]
  /// By task: the most weighted nodes on a path from the image to its prediction.
  private var longest: [Int: Int] = [:]

  init(nodes: [Graph.Node], sources: [[Int?]], outputs: [Graph.Output]) {
    let places = Dictionary(uniqueKeysWithValues: nodes.enumerated().map { ($1.name, $0) })
    let weights = nodes.map {
      $0.operation.settings.parameters.contains { $0.role.isWeight } ? 1 : 0
    }
    reached = nodes.map { _ in [] }
    after = nodes.map { _ in [:] }
    before = nodes.map { _ in 0 }
    for node in nodes.indices {
      before[node] =
        sources[node].compactMap { $0 }.map { [before] in before[$0] + weights[$0] }.max() ?? 0
    }
    for (task, output) in outputs.enumerated() {
      guard let node = places[output.node] else { continue }
      reached[node].insert(task)
      after[node][task] = weights[node]
      longest[task] = before[node] + weights[node]
    }
    for node in nodes.indices.reversed() {
      for source in Set(sources[node].compactMap { $0 }) {
        reached[source].formUnion(reached[node])
        for (task, length) in after[node] {
          after[source][task] = max(after[source][task] ?? 0, length + weights[source])
        }
      }
    }
  }

  func tasks(reachedFrom nodes: [Int]) -> [Int] {
    nodes.reduce(into: Set()) { $0.formUnion(reached[$1]) }.sorted()
  }

  func isOnMainPath(_ nodes: [Int]) -> Bool {
    nodes.contains { node in
      after[node].contains { task, length in before[node] + length == longest[task] }
    }
  }
}
