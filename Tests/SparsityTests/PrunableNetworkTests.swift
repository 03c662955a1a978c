// The prunable weights as one sequence.

import Sparsity
import Testing

@Suite struct PrunableNetworkTests {
  private let network = PrunableNetwork(
    tasks: ["a", "b"],
    layers: [
      PrunableLayer(name: "b.1", shape: [2, 2], task: 1),
      PrunableLayer(name: "backbone.1", shape: [3], task: nil),
      PrunableLayer(name: "a.1", shape: [5], task: 0),
      PrunableLayer(name: "backbone.2", shape: [2, 3, 1, 1], task: nil),
      PrunableLayer(name: "b.2", shape: [1], task: 1),
    ])

  @Test func theBackboneComesFirstThenHeadByHead() {
    #expect(network.layers.map(\.name) == ["backbone.1", "backbone.2", "a.1", "b.1", "b.2"])
    #expect(network.sharedCount == 9 && network.count == 19)
    #expect(network.heads == [9..<14, 14..<19])
  }

  @Test func aTasksNetworkIsTheBackboneAndItsHead() {
    #expect(network.layers(ofTask: 0).map(\.name) == ["backbone.1", "backbone.2", "a.1"])
    #expect(network.layers(ofTask: 1).map(\.name) == ["backbone.1", "backbone.2", "b.1", "b.2"])
    #expect(network.count(ofTask: 0) == 14 && network.count(ofTask: 1) == 14)
  }

  @Test func slicesLieEndToEnd() {
    let parts = slices(Array(0..<14), by: network.layers(ofTask: 1))
    #expect(parts.map(\.layer.name) == ["backbone.1", "backbone.2", "b.1", "b.2"])
    #expect(
      parts.map { Array($0.values) } == [[0, 1, 2], [3, 4, 5, 6, 7, 8], [9, 10, 11, 12], [13]])
  }
}
