// Owners and main paths, against every path of random graphs.

import Graphs
import Testing

@Suite struct OwnerTests {
  /// Every path from the image to a node, as the nodes on it.
  private func paths(_ graph: Graph, to node: Int) -> [[Int]] {
    graph.sources[node].flatMap { source in
      guard let source else { return [[node]] }
      return paths(graph, to: source).map { $0 + [node] }
    }
  }

  @Test(arguments: 0..<200)
  func followFromThePathsToThePredictions(seed: UInt64) throws {
    let graph = try randomGraph(seed: seed)
    let weighted = graph.nodes.map { !$0.operation.settings.parameters.isEmpty }
    var owners: [String: Set<Int>] = [:]
    var main: Set<String> = []
    for task in graph.tasks.indices {
      let paths = try paths(graph, to: #require(graph.output(ofTask: task)))
      let lengths = paths.map { path in path.count { weighted[$0] } }
      for (path, length) in zip(paths, lengths) {
        for node in path where weighted[node] {
          owners[graph.nodes[node].name, default: []].insert(task)
          if length == lengths.max() { main.insert(graph.nodes[node].name) }
        }
      }
    }
    for parameter in graph.parameters {
      let node = String(parameter.name.dropLast(".weight".count))
      #expect(parameter.owners == owners[node, default: []].sorted(), "\(parameter.name)")
      #expect(parameter.isOnMainPath == main.contains(node), "\(parameter.name)")
    }
  }

  @Test func aDecoderSharedByTwoOfThreeTasksIsTheirs() throws {
    let graph = try Graph.of(
      [
        pointwise("encoder", Graph.image, 3, 4), pointwise("decoder", "encoder", 4, 4),
        pointwise("a", "decoder", 4, 1), pointwise("b", "decoder", 4, 1),
        pointwise("c", "encoder", 4, 1),
      ], ("a", "a"), ("b", "b"), ("c", "c"))
    #expect(graph.parameters.map(\.owners) == [[0, 1, 2], [0, 1], [0], [1], [2]])
  }

  @Test func aWeightOfTwoNodesIsOneParameterOfAllTheirTasks() throws {
    var second = pointwise("second", Graph.image, 3, 3)
    second.operation = .convolution(Convolution(weight: "first.weight", shape: [3, 3, 1, 1]))
    let graph = try Graph.of(
      [pointwise("first", Graph.image, 3, 3), second], ("a", "first"), ("b", "second"))
    #expect(graph.parameters.map(\.name) == ["first.weight"])
    #expect(graph.parameters[0].owners == [0, 1])
    #expect(try graph.uses(for: Extent(4, 5)) == ["first.weight": 2 * 20])
  }

  @Test func whatNoTaskNeedsHasNoOwner() throws {
    let graph = try Graph.of(
      [pointwise("used", Graph.image, 3, 1), pointwise("idle", Graph.image, 3, 1)], ("a", "used"))
    #expect(graph.parameters.map(\.owners) == [[0], []])
  }
}
