// Paths from the image to the predictions, under masks that cut them.

import Graphs
import TestSupport
import Testing

@Suite struct PathTests {
  private let graph: Graph

  init() throws {
    graph = try SceneNet(
      stages: [1, 2, 1, 1], width: 2, headWidth: 3, dropout: 0,
      heads: [Head(task: "a", channels: 2), Head(task: "b", channels: 1)]
    ).graph()
  }

  /// The tasks without a path when every weight is kept but those for which `drop` holds, of whose
  /// position in its layer out, in, row and column are given.
  private func tasks(
    dropping drop: (_ name: String, _ out: Int, _ in: Int) -> Bool
  ) throws -> [String] {
    var masks: [String: ArraySlice<UInt8>] = [:]
    for layer in graph.prunable {
      let kernel = layer.shape[2] * layer.shape[3]
      masks[layer.name] =
        (0..<layer.count).map { weight in
          let (out, input) = (weight / kernel / layer.shape[1], weight / kernel % layer.shape[1])
          return drop(layer.name, out, input) ? 0 : 1
        }[...]
    }
    return try graph.tasksWithoutPath(masks)
  }

  @Test func wholeAndEmptyNetworks() throws {
    #expect(try tasks { _, _, _ in false } == [])
    #expect(try tasks { _, _, _ in true } == ["a", "b"])
    #expect(try tasks { name, _, _ in name == "backbone.conv1.weight" } == ["a", "b"])
  }

  @Test func aHeadLeadsThroughAnyOfItsBranches() throws {
    func dead(_ branches: Set<Int>) throws -> [String] {
      try tasks { name, _, _ in branches.contains { name == "task1_fc1_c\($0).conv2.weight" } }
    }
    #expect(try dead([0, 1, 3]) == [])
    #expect(try dead([0, 1, 2, 3]) == ["a"])
  }

  @Test func aDeadLayerBesideAResidualDoesNoHarm() throws {
    #expect(try tasks { name, _, _ in name == "backbone.blocks.1.1.conv1.weight" } == [])
    // A stage's first block has a projection; both gone, nothing passes.
    #expect(try tasks { name, _, _ in name == "backbone.ds.3.0.weight" } == [])
    #expect(try tasks { name, _, _ in name == "backbone.blocks.3.0.conv2.weight" } == [])
    #expect(
      try tasks { name, _, _ in
        ["backbone.ds.3.0.weight", "backbone.blocks.3.0.conv2.weight"].contains(name)
      } == ["a", "b"])
  }

  @Test func channelsMustMeet() throws {
    // Weights in every layer, but those of b's second convolutions read channels that the first
    // leave dead.
    func second(reads channel: Int) throws -> [String] {
      try tasks { name, out, input in
        guard name.hasPrefix("task2_") else { return false }
        if name.hasSuffix("conv1.weight") { return out != 1 }
        return name.hasSuffix("conv2.weight") ? input != channel : false
      }
    }
    #expect(try second(reads: 1) == [])
    #expect(try second(reads: 2) == ["b"])
    // The stem feeds channel 0 only, and what follows reads channel 1.
    func block(reads channel: Int) throws -> [String] {
      try tasks { name, out, input in
        switch name {
        case "backbone.conv1.weight": out != 0
        case "backbone.blocks.0.0.conv1.weight": true
        case "backbone.blocks.1.0.conv1.weight", "backbone.ds.1.0.weight": input != channel
        default: false
        }
      }
    }
    #expect(try block(reads: 0) == [])
    #expect(try block(reads: 1) == ["a", "b"])
  }

  @Test func aSingleTapIsEnough() throws {
    var masks: [String: ArraySlice<UInt8>] = [:]
    for layer in graph.prunable {
      var mask = [UInt8](repeating: 0, count: layer.count)
      // From the last input channel to the last output channel.
      mask[layer.count - 1] = 1
      masks[layer.name] = mask[...]
    }
    #expect(try graph.tasksWithoutPath(masks) == [])
  }

  @Test func masksMustFit() throws {
    #expect(throws: GraphError.self) { try graph.tasksWithoutPath([:]) }
    #expect(throws: GraphError.self) {
      try graph.tasksWithoutPath(
        Dictionary(uniqueKeysWithValues: graph.prunable.map { ($0.name, [1]) }))
    }
  }
}
