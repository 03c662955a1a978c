// What the tests of Graphs share: small graphs, and random ones.

import Graphs
import TestSupport

extension Graph {
  /// A graph with the published input.
  static func of(_ nodes: [Node], _ outputs: (task: String, node: String)...) throws -> Graph {
    try Graph(
      input: .published, nodes: nodes, outputs: outputs.map { Output(task: $0.task, node: $0.node) }
    )
  }
}

/// A 1×1 convolution called `name`.
func pointwise(_ name: String, _ input: String, _ inputs: Int, _ outputs: Int) -> Graph.Node {
  Graph.Node(
    name,
    .convolution(Convolution(weight: name + ".weight", shape: [outputs, inputs, 1, 1])), [input])
}

/// A graph of 1×1 convolutions on 3 channels and sums, with tasks at some of its last nodes.
func randomGraph(seed: UInt64) throws -> Graph {
  var random = SeededRandom(seed)
  var nodes: [Graph.Node] = []
  let count = Int.random(in: 2...14, using: &random)
  for index in 0..<count {
    let earlier = [Graph.image] + nodes.map(\.name)
    // Mostly of what came last, so that paths are long.
    func pick() -> String {
      earlier[max(0, earlier.count - 1 - Int.random(in: 0...3, using: &random))]
    }
    nodes.append(
      Bool.random(using: &random) || index == 0
        ? pointwise("n\(index)", pick(), 3, 3)
        : Graph.Node("n\(index)", .arithmetic(.add), [pick(), pick()]))
  }
  let tasks = Int.random(in: 1...4, using: &random)
  return try Graph(
    input: .published, nodes: nodes,
    outputs: (0..<tasks).map {
      Graph.Output(
        task: "t\($0)", node: "n\(count - 1 - Int.random(in: 0..<min(count, 5), using: &random))")
    })
}
