// Dropping and growing: against the published implementation's, and their properties.

import HDF5
import Sparsity
import TestSupport
import Testing

@Suite struct DropAndGrowTests {
  private let dynamicCases = ReferenceCase.all.filter { $0.name != "taskonomy" }

  private func mask(_ group: Group, _ layer: String) throws -> [UInt8] {
    try group.dataset(layer).read(as: UInt8.self)
  }

  @Test func oneDropIsThePublishedOne() throws {
    for reference in dynamicCases {
      let dynamic = try reference.openExpected().group("dynamic")
      let (before, after) = (try dynamic.group("masks_before"), try dynamic.group("masks_pruned"))
      let rate: Double = try dynamic.attribute("drop_rate")
      for layer in try before.datasetNames() {
        let density: Double = try dynamic.group("erk").attribute(String(layer.dropLast(7)))
        let kept = drop(
          try dynamic.floats("weights/" + layer), mask: try mask(before, layer),
          targetDensity: density, rate: rate)
        #expect(try kept == mask(after, layer), "\(reference) \(layer)")
      }
    }
  }

  @Test func oneGrowthIsThePublishedOne() throws {
    for reference in dynamicCases {
      let dynamic = try reference.openExpected().group("dynamic")
      let (pruned, grown) = (try dynamic.group("masks_pruned"), try dynamic.group("masks_grown"))
      for layer in try pruned.datasetNames() {
        let density: Double = try dynamic.group("erk").attribute(String(layer.dropLast(7)))
        let present = try mask(pruned, layer)
        var expected = try mask(grown, layer)
        let growths = try reference.tasks.compactMap { task -> [UInt8]? in
          guard dynamic.contains("gradients/\(task)/\(layer)") else { return nil }
          let gradients = try dynamic.floats("gradients/\(task)/\(layer)")
          // The published code keeps ties with the last gradient whole; here the count is exact,
          // and a tie of gradients that are 0 grows in order.
          for (weight, gradient) in gradients.enumerated() where gradient == 0 {
            expected[weight] = present[weight]
          }
          return growth(gradients, mask: present, targetDensity: density)
            .enumerated().map { gradients[$0.offset] == 0 ? 0 : $0.element }
        }
        let union = arbitrate([present[...]] + growths.map { $0[...] }, votes: 1)
        // Where (d − c) · N is whole, the published floating-point numbers come out just below it and
        // grow one weight less.
        let count = density * Double(present.count) - Double(present.reduce(0) { $0 + Int($1) })
        if abs(count - count.rounded()) < 1e-9 {
          let more = zip(union, expected).filter { $0 != $1 }
          #expect(more.count <= reference.tasks.count && more.allSatisfy { $0 > $1 })
        } else {
          #expect(union == expected, "\(reference) \(layer)")
        }
      }
    }
  }

  @Test func aDropKeepsTheLargestWeights() throws {
    var random = SeededRandom(3)
    for count in [10, 1000, 100_000] {
      let weights = random.floats(count, in: -1..<1)
      let mask = (0..<count).map { _ in UInt8(Bool.random(using: &random) ? 1 : 0) }
      let present = mask.reduce(0) { $0 + Int($1) }
      let kept = drop(
        weights, mask: mask, targetDensity: Double(present) / Double(count), rate: 0.3)
      let left = kept.reduce(0) { $0 + Int($1) }
      #expect(left == present - Int((0.3 * Double(present)).rounded()))
      #expect(zip(kept, mask).allSatisfy { $0 <= $1 })
      let smallestKept = weights.indices.filter { kept[$0] == 1 }.map { abs(weights[$0]) }.min()
      let largestDropped = weights.indices.filter { mask[$0] > kept[$0] }.map { abs(weights[$0]) }
        .max()
      #expect(try #require(largestDropped) <= #require(smallestKept))
    }
  }

  @Test func aDropToTheTargetIsExactAndIdempotent() {
    var random = SeededRandom(4)
    for kept in 0...57 {
      let weights = random.floats(57, in: -1..<1)
      let mask = [UInt8](repeating: 1, count: 57)
      let target = Double(kept) / 57
      let dropped = drop(weights, mask: mask, targetDensity: target, rate: 0)
      #expect(dropped.reduce(0) { $0 + Int($1) } == kept)
      #expect(drop(weights, mask: dropped, targetDensity: target, rate: 0) == dropped)
      #expect(growth(weights, mask: dropped, targetDensity: target).allSatisfy { $0 == 0 })
    }
    #expect(drop([1, 2], mask: [0, 0], targetDensity: 0.5, rate: 0.5) == [0, 0])
    // Above its target a layer drops more than its rate says, below it none.
    #expect(drop([1, 2, 3, 4], mask: [1, 1, 1, 1], targetDensity: 0.5, rate: 0) == [0, 0, 1, 1])
    #expect(
      drop([1, 2, 3, 4], mask: [0, 0, 0, 1], targetDensity: 0.5, rate: 0.5) == [0, 0, 0, 1])
  }

  @Test func growthTakesAbsentWeightsWithTheLargestGradients() {
    var random = SeededRandom(5)
    let count = 90_000
    let gradients = random.floats(count, in: -1..<1)
    let mask = (0..<count).map { _ in UInt8(Int.random(in: 0..<10, using: &random) == 0 ? 1 : 0) }
    let present = mask.reduce(0) { $0 + Int($1) }
    let target = Double(present + 700) / Double(count)
    let grown = growth(gradients, mask: mask, targetDensity: target)
    #expect(grown.reduce(0) { $0 + Int($1) } == 700)
    #expect(zip(grown, mask).allSatisfy { $0 & $1 == 0 })
    let absent = zip(gradients, mask).filter { $1 == 0 }.map { abs($0.0) }.sorted(by: >)
    #expect(zip(gradients, grown).allSatisfy { $1 == 0 || abs($0) >= absent[699] })
    // No more than there are; a gradient that is no number is the last choice.
    #expect(growth([.nan, 1, 0], mask: [0, 0, 1], targetDensity: 0.7) == [0, 1, 0])
    #expect(growth([.infinity, 1, 0], mask: [0, 0, 0], targetDensity: 1) == [1, 1, 1])
  }

  @Test func tasksGrowTheirHeadsAndTheArbiterTheBackbone() {
    let network = PrunableNetwork(
      tasks: ["a", "b"],
      layers: [
        PrunableLayer(name: "shared", shape: [4], owners: [0, 1]),
        PrunableLayer(name: "head a", shape: [2], owners: [0]),
        PrunableLayer(name: "head b", shape: [2], owners: [1]),
      ])
    // Of the backbone each may grow two, of its head one and none.
    let gradients: [[(layer: Int, values: [Float])]] = [
      [(0, [9, 2, -3, 1]), (1, [9, 1])], [(0, [9, 0, 1, 2]), (2, [9, 1])],
    ]
    let start = DynamicMasks(
      network, masks: [[1, 0, 0, 0], [1, 0], [1, 0]], targetDensities: [0.75, 1, 0.5])
    #expect(start.density == 3.0 / 8)
    for (arbiter, shared) in [(.union, [1, 1, 1, 1]), (.intersection, [1, 0, 1, 0])]
      as [(Arbiter, [UInt8])]
    {
      var masks = start
      for task in gradients {
        for (layer, values) in task {
          values.withUnsafeBufferPointer { masks.vote(inLayer: layer, gradients: $0) }
        }
      }
      let (grown, agreement) = masks.grow(arbiter)
      #expect(masks.masks == [shared, [1, 1], [1, 0]])
      #expect(grown == masks.kept - 3 && agreement == 1.0 / 3)
      // The votes are spent.
      #expect(masks.grow(.union).grown == 0)
      // The next drop brings what is above its density back to it.
      let dropped = masks.drop(rate: 0) { layer, body in
        [[9, 1, 2, 3], [1, 2], [5, 0]][layer].withUnsafeBufferPointer(body)
      }
      #expect(dropped == (arbiter == .union ? 1 : 0))
      #expect(masks.masks == [arbiter == .union ? [1, 0, 1, 1] : shared, [1, 1], [1, 0]])
    }
    var joint = DynamicMasks(
      PrunableNetwork(
        tasks: ["joint"], layers: [PrunableLayer(name: "shared", shape: [4], owners: [0])]),
      masks: [[1, 0, 0, 0]],
      targetDensities: [0.5])
    [0, 0, 0, 1].withUnsafeBufferPointer { joint.vote(inLayer: 0, gradients: $0) }
    #expect(joint.grow(.union).agreement.isNaN)
    #expect(joint.masks == [[1, 0, 0, 1]])
  }

  @Test func onlyOwnersVoteOnGrowth() {
    // A layer of all three tasks and one of two, of whose weights each owner asks for one.
    let network = PrunableNetwork(
      tasks: ["a", "b", "c"],
      layers: [
        PrunableLayer(name: "all", shape: [4], owners: [0, 1, 2]),
        PrunableLayer(name: "two", shape: [4], owners: [0, 2]),
      ])
    let gradients: [(layer: Int, values: [Float])] = [
      (0, [0, 1, 0, 0]), (1, [0, 1, 0, 0]), (0, [0, 1, 0, 0]), (0, [0, 0, 1, 0]),
      (1, [0, 1, 0, 0]),
    ]
    for (arbiter, all) in [
      (.union, [1, 1, 1, 0]), (.majority, [1, 1, 0, 0]), (.atLeast(3), [1, 0, 0, 0]),
      (.intersection, [1, 0, 0, 0]),
    ] as [(Arbiter, [UInt8])] {
      var masks = DynamicMasks(
        network, masks: [[1, 0, 0, 0], [1, 0, 0, 0]], targetDensities: [0.5, 0.5])
      for (layer, values) in gradients {
        values.withUnsafeBufferPointer { masks.vote(inLayer: layer, gradients: $0) }
      }
      // All owners want one weight of the second layer, and none of the first layer's two.
      #expect(masks.grow(arbiter).agreement == 1.0 / 3)
      #expect(masks.masks == [all, [1, 1, 0, 0]])
    }
  }

  @Test func theOrderInMemoryChangesNothing() {
    var random = SeededRandom(6)
    let layer = PrunableLayer(name: "w", shape: [5, 7, 3, 2], owners: [0])
    let network = PrunableNetwork(tasks: ["a"], layers: [layer])
    for _ in 0..<20 {
      // Few values, so that most of what is chosen lies in ties.
      func values() -> [Float] {
        (0..<layer.count).map { _ in Float(Int.random(in: -2...2, using: &random)) }
      }
      func permuted(_ values: [Float]) -> [Float] {
        (0..<layer.count).map { place in
          let (input, tap) = (place % 7, place / 7 % 6)
          return values[(place / 42 * 7 + input) * 6 + tap]
        }
      }
      let mask = (0..<layer.count).map { _ in UInt8(Bool.random(using: &random) ? 1 : 0) }
      let (weights, gradients) = (values(), values())
      func update(_ order: WeightOrder) -> [UInt8] {
        var masks = DynamicMasks(
          network, masks: [layer.mask(mask, to: order)], targetDensities: [0.6], order: order)
        let inOrder: ([Float]) -> [Float] = { order == .rowMajor ? $0 : permuted($0) }
        _ = masks.drop(rate: 0.4) { inOrder(weights).withUnsafeBufferPointer($1) }
        inOrder(gradients).withUnsafeBufferPointer { masks.vote(inLayer: 0, gradients: $0) }
        _ = masks.grow(.union)
        return layer.mask(masks.masks[0], from: order)
      }
      let plain = drop(weights, mask: mask, targetDensity: 0.6, rate: 0.4)
      let grown = growth(gradients, mask: plain, targetDensity: 0.6)
      let expected = zip(plain, grown).map { $0 | $1 }
      #expect(update(.rowMajor) == expected)
      #expect(update(.channelsLast) == expected)
    }
  }

  @Test func theDropRateFallsAsACosine() {
    let schedule = DropSchedule(every: 50, until: 15_000, dropRate: 0.5)
    #expect(schedule.dropRate(at: 0) == 0.5)
    #expect(abs(schedule.dropRate(at: 7_500) - 0.25) < 1e-15)
    #expect(schedule.dropRate(at: 15_000) == 0 && schedule.dropRate(at: 20_000) == 0)
    #expect((0..<16_000).filter(schedule.isUpdate).count == 300)
    #expect(schedule.isUpdate(0) && schedule.isUpdate(50) && !schedule.isUpdate(51))
    #expect(!schedule.isUpdate(15_000))
  }
}
