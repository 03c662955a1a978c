// Splitting: every task keeps its own network, and shares what it shared before the layer.

import Foundation
import Graphs
import Testing

@Suite struct SplittingTests {
  private func weight(of node: Graph.Node) -> String? {
    guard case .convolution(let settings) = node.operation else { return nil }
    return settings.weight
  }

  /// What a task's prediction is made of: a hash over operations, weights and their order.
  private func meaning(_ graph: Graph, task: Int, originals: [String: String] = [:]) throws -> Int {
    var values: [Int] = []
    for (node, sources) in zip(graph.nodes, graph.sources) {
      var hasher = Hasher()
      hasher.combine(node.operation.word)
      hasher.combine(weight(of: node).map { originals[$0] ?? $0 })
      hasher.combine(sources.map { $0.map { values[$0] } ?? 0 })
      values.append(hasher.finalize())
    }
    return values[try #require(graph.output(ofTask: task))]
  }

  @Test(arguments: 0..<200)
  func everyTaskKeepsItsNetwork(seed: UInt64) throws {
    let graph = try randomGraph(seed: seed)
    for layer in graph.prunable where layer.owners.count > 1 {
      let split = try graph.split(at: layer.name)
      #expect(split.graph.tasks == graph.tasks)
      for task in graph.tasks.indices {
        #expect(
          try meaning(split.graph, task: task, originals: split.originals)
            == meaning(graph, task: task))
        // Its own network has the same weights.
        let own = split.graph.prunable.filter { $0.owners.contains(task) }
        #expect(
          Set(own.map { split.originals[$0.name] ?? $0.name })
            == Set(graph.prunable.filter { $0.owners.contains(task) }.map(\.name)))
      }
      let place = try #require(
        graph.nodes.firstIndex { weight(of: $0) == layer.name })
      for parameter in split.graph.parameters {
        guard let original = split.originals[parameter.name] else {
          // What stays shared does not read the layer's result.
          #expect(graph.parameters.contains { $0.name == parameter.name })
          if parameter.owners.count > 1 {
            #expect(!reaches(graph, from: place, parameter.name), "\(parameter.name)")
          }
          continue
        }
        #expect(parameter.owners.count == 1)
        #expect(parameter.name == "\(graph.tasks[parameter.owners[0]]).\(original)")
        #expect(reaches(graph, from: place, original))
      }
    }
  }

  /// Whether a node's result reaches the node of a parameter.
  private func reaches(_ graph: Graph, from start: Int, _ parameter: String) -> Bool {
    var reached = Set([start])
    for (index, sources) in graph.sources.enumerated() {
      if sources.contains(where: { $0.map(reached.contains) ?? false }) { reached.insert(index) }
    }
    return reached.contains { weight(of: graph.nodes[$0]) == parameter }
  }

  private func threeTasks() throws -> Graph {
    try Graph.of(
      [
        pointwise("encoder", Graph.image, 3, 4), pointwise("decoder", "encoder", 4, 4),
        pointwise("a", "decoder", 4, 1), pointwise("b", "decoder", 4, 1),
        pointwise("c", "encoder", 4, 1),
      ], ("A", "a"), ("B", "b"), ("C", "c"))
  }

  @Test func copiesAreNamedAndOrderedByTask() throws {
    let atDecoder = try threeTasks().split(at: "decoder.weight")
    #expect(
      atDecoder.graph.parameters.map(\.name) == [
        "encoder.weight", "A.decoder.weight", "a.weight", "B.decoder.weight", "b.weight",
        "c.weight",
      ])
    #expect(
      atDecoder.originals == [
        "A.decoder.weight": "decoder.weight", "B.decoder.weight": "decoder.weight",
      ])
    let atEncoder = try threeTasks().split(at: "encoder.weight").graph
    #expect(
      atEncoder.parameters.map(\.name) == [
        "A.encoder.weight", "A.decoder.weight", "a.weight", "B.encoder.weight", "B.decoder.weight",
        "b.weight", "C.encoder.weight", "c.weight",
      ])
    #expect(atEncoder.nodes.map(\.name).prefix(3) == ["A.encoder", "B.encoder", "C.encoder"])
  }

  @Test(arguments: GraphTests.everyOperation)
  func copiesShareNoTensor(_ operation: Graphs.Operation) throws {
    let graph = try Graph.of(
      [pointwise("p", Graph.image, 3, 3), Graph.Node("q", operation, ["p"])],
      ("A", "q"), ("B", "q"))
    let split = try graph.split(at: "p.weight")
    #expect(split.graph.outputs.map(\.node) == ["A.q", "B.q"])
    #expect(split.graph.parameters.allSatisfy { $0.owners.count == 1 })
    #expect(split.graph.parameters.count == 2 * graph.parameters.count)
    #expect(split.graph.buffers.count == 2 * graph.buffers.count)
    #expect(
      split.originals.count == split.graph.parameters.count + split.graph.buffers.count)
  }

  @Test func initialValuesAreTheOriginals() throws {
    let settings = SceneNet(
      stages: [1, 1, 1, 1], width: 2, headWidth: 3, dropout: 0.5,
      heads: [Head(task: "seg", channels: 4), Head(task: "sn", channels: 3)])
    let graph = try settings.graph()
    let split = try graph.split(at: "backbone.blocks.2.0.conv1.weight")
    let values = Dictionary(
      uniqueKeysWithValues: graph.parameters.map { ($0.name, $0.initialValues) })
    for parameter in split.graph.parameters {
      #expect(
        parameter.initialValues == values[split.originals[parameter.name] ?? parameter.name])
    }
  }

  @Test func whereItCannotBeSplitIsTold() throws {
    let graph = try threeTasks()
    func reason(_ layer: String) -> String? {
      #expect(throws: GraphError.self) { try graph.split(at: layer) }?.description
    }
    #expect(reason("middle.weight") == "has no layer middle.weight to split at")
    #expect(reason("c.weight") == "has layer c.weight for task C alone")
  }

  @Test func aSplitArchitectureComesBackFromJSON() throws {
    let settings = UNet(
      width: 2, dropout: 0.5,
      heads: [Head(task: "seg", channels: 4), Head(task: "sn", channels: 3)])
    let layer = "up2.conv.double_conv.0.weight"
    let once = SplitNetwork(settings, at: layer)
    // What is shared before can be split once more.
    for split in [once, SplitNetwork(once, at: "down4.maxpool_conv.1.double_conv.0.weight")] {
      let architecture = try Architecture(split)
      let again = try Architecture(json: architecture.json)
      #expect(again == architecture && again.graph == architecture.graph)
      #expect(architecture.graph.parameters.contains { $0.name == "sn.\(layer)" })
      let calm = try Architecture(split.with(dropout: 0))
      #expect(calm != architecture)
      #expect(try calm.hasSameParameters(as: architecture))
    }
    let json = try Architecture(once).json
    for (from, to, reason) in [
      (layer, "nothing", "architecture has no layer nothing to split at"),
      ("unet", "nonet", "architecture names the unknown network 'nonet'"),
      ("\"at\"", "\"as\"", "architecture has no at"),
    ] {
      let error = #expect(throws: ArchitectureError.self) {
        try Architecture(json: json.replacingOccurrences(of: from, with: to))
      }
      #expect(error?.description == reason)
    }
  }
}
