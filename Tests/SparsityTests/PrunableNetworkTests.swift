// The prunable weights as one sequence.

import Sparsity
import Testing

@Suite struct PrunableNetworkTests {
  private let network = PrunableNetwork(
    tasks: ["a", "b", "c"],
    layers: [
      PrunableLayer(name: "b.1", shape: [2, 2], owners: [1]),
      PrunableLayer(name: "all", shape: [3], owners: [0, 1, 2]),
      PrunableLayer(name: "a.1", shape: [5], owners: [0]),
      PrunableLayer(name: "a and b", shape: [2, 3, 1, 1], owners: [0, 1]),
      PrunableLayer(name: "b.2", shape: [1], owners: [1]),
    ])

  @Test func layersStayInNetworkOrder() {
    #expect(network.layers.map(\.name) == ["b.1", "all", "a.1", "a and b", "b.2"])
    #expect(network.count == 19)
    #expect(network.layers.map(\.isShared) == [false, true, false, true, false])
  }

  @Test func aTasksNetworkIsWhatItOwns() {
    #expect(network.layers(ofTask: 0).map(\.name) == ["all", "a.1", "a and b"])
    #expect(network.layers(ofTask: 1).map(\.name) == ["b.1", "all", "a and b", "b.2"])
    #expect(network.layers(ofTask: 2).map(\.name) == ["all"])
    #expect((0..<3).map(network.count(ofTask:)) == [14, 14, 3])
  }

  @Test func slicesLieEndToEnd() {
    let parts = slices(Array(0..<14), by: network.layers(ofTask: 1))
    #expect(parts.map(\.layer.name) == ["b.1", "all", "a and b", "b.2"])
    #expect(
      parts.map { Array($0.values) } == [[0, 1, 2, 3], [4, 5, 6], [7, 8, 9, 10, 11, 12], [13]])
  }
}
