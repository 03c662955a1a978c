// Agreement of the tasks: densities, intersection over union, and the watershed.

import Sparsity
import Testing

@Suite struct AgreementTests {
  /// Masks that two tasks choose by themselves: each keeps exactly half of its 12 weights.
  private func masks(_ a: [Float], _ b: [Float]) throws -> MergedMasks {
    let layers = (1...3).map { PrunableLayer(name: "backbone.\($0)", shape: [3], owners: [0, 1]) }
    let heads = ["a", "b"].enumerated().map {
      PrunableLayer(name: "\($1).head", shape: [3, 1], owners: [$0])
    }
    return try merge(
      [a, b], of: PrunableNetwork(tasks: ["a", "b"], layers: layers + heads),
      target: .keepRatio(0.5))
  }

  @Test func theTableIsCountedByHand() throws {
    // Both keep 2 of the first layer, the same; 1 each of the second, the same; of the third a
    // keeps 2 and b keeps 1, another one.
    let masks = try masks(
      [1, 1, 0, 0, 1, 0, 1, 1, 0, 1, 0, 0], [1, 1, 0, 0, 1, 0, 0, 0, 1, 1, 1, 0])
    let agreement = Agreement(of: masks)
    let layers = agreement.layers
    #expect(layers.map(\.layer) == masks.network.layers)
    #expect(layers.map(\.kept) == [2, 1, 3, 1, 2])
    #expect(layers[2].density == 1 && abs(layers[3].density - 1.0 / 3) < 1e-12)
    #expect(layers[..<3].map(\.iou) == [1, 1, 0])
    #expect(layers[3].iou.isNaN && layers[4].iou.isNaN)
    #expect(layers[0].taskDensities == [2.0 / 3, 2.0 / 3])
    #expect(layers[2].taskDensities == [2.0 / 3, 1.0 / 3])
    #expect(layers[3].taskDensities[0] == 1.0 / 3 && layers[3].taskDensities[1].isNaN)
    #expect(layers[4].taskDensities[0].isNaN && layers[4].taskDensities[1] == 2.0 / 3)
    #expect(agreement.totalIoU == 0.5)
    #expect(agreement.taskShares == [0.5, 0.5])
    #expect(agreement.watershed?.name == "backbone.3")
  }

  @Test func theWatershedIsTheSteepestFall() throws {
    // IoU 1, 1/3, 1/2: the fall before the second layer is the steepest.
    let masks = try masks(
      [1, 1, 0, 1, 1, 0, 1, 1, 0, 0, 0, 0], [1, 1, 0, 0, 1, 1, 1, 0, 0, 1, 0, 0])
    let agreement = Agreement(of: masks)
    #expect(agreement.layers[..<3].map(\.iou) == [1, 1.0 / 3, 0.5])
    #expect(agreement.watershed?.name == "backbone.2")
  }

  @Test func tasksThatAgreeHaveNoWatershed() throws {
    let scores: [Float] = [1, 1, 0, 1, 1, 0, 1, 1, 0, 0, 0, 0]
    let agreement = Agreement(of: try masks(scores, scores))
    #expect(agreement.totalIoU == 1 && agreement.watershed == nil)
  }

  @Test func aLayerThatNobodyKeepsHasNoIntersectionOverUnion() throws {
    let masks = try masks(
      [1, 1, 0, 0, 0, 0, 1, 1, 1, 1, 0, 0], [1, 1, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1])
    let agreement = Agreement(of: masks)
    #expect(agreement.layers[1].iou.isNaN)
    #expect(agreement.totalIoU == 3.0 / 5)
    #expect(agreement.watershed?.name == "backbone.3")
  }

  @Test func aProjectionIsNoPlaceToSplitTheNetwork() throws {
    // IoU 1, 0, 1/2 with the projection in the middle, or last.
    let (a, b): ([Float], [Float]) = ([1, 1, 0, 0, 0, 1, 1, 1, 0], [1, 1, 0, 1, 0, 0, 1, 0, 1])
    func watershed(projection: Int) throws -> String? {
      let layers = (0..<3).map {
        PrunableLayer(name: "\($0)", shape: [3], owners: [0, 1], isOnMainPath: $0 != projection)
      }
      let network = PrunableNetwork(tasks: ["a", "b"], layers: layers)
      let masks = try merge([a, b], of: network, target: .keepRatio(5.0 / 9))
      return Agreement(of: masks).watershed?.name
    }
    #expect(try watershed(projection: 1) == "2")
    #expect(try watershed(projection: 2) == "1")
  }

  @Test func onlyOwnersAgreeAboutAWeight() throws {
    // Owned by all three tasks, by a and c, by b and c, and by a alone.
    let owners = [[0, 1, 2], [0, 2], [1, 2], [0]]
    let network = PrunableNetwork(
      tasks: ["a", "b", "c"],
      layers: owners.map { PrunableLayer(name: "\($0)", shape: [2], owners: $0) })
    let masks = try merge(
      [[3, 1, 4, 0, 2, 0], [9, 0, 8, 0], [3, 1, 0, 4, 0, 2]], of: network, target: .keepRatio(0.5))
    #expect(masks.tasks == [[1, 0, 1, 0, 1, 0], [1, 0, 1, 0], [1, 0, 0, 1, 0, 1]])
    #expect(masks.merged == [1, 0, 1, 1, 1, 1, 1, 0])
    let agreement = Agreement(of: masks)
    #expect(agreement.layers[..<3].map(\.iou) == [1, 0, 0] && agreement.layers[3].iou.isNaN)
    #expect(agreement.layers[1].taskDensities[1].isNaN)
    #expect(agreement.layers.map { $0.taskDensities[2] }[..<3] == [0.5, 0.5, 0.5])
    #expect(agreement.totalIoU == 1.0 / 5 && agreement.taskShares == [0.5, 0.5, 0.5])
    #expect(agreement.watershed?.owners == [0, 2])
  }
}
