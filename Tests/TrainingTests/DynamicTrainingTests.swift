// Training with masks that change.

import Artifacts
import Datasets
import Graphs
import Networks
import Sparsity
import TestSupport
import Testing
import Torch
import Training

@Suite struct DynamicTrainingTests {
  private func dynamic(
    steps: Int, every: Int, until: Int, joint: Bool = false, arbiter: Arbiter = .union
  ) -> TrainingSettings {
    var settings = settings(steps: steps)
    settings.dynamic = DynamicSettings(
      schedule: DropSchedule(every: every, until: until, dropRate: 0.5), arbiter: arbiter,
      joint: joint)
    return settings
  }

  private func kept(_ masks: [Mask]) -> [Int] { masks.map { $0.values.reduce(0) { $0 + Int($1) } } }

  @Test(arguments: [false, true])
  func aRunDropsAndGrowsAndEndsAtItsDensity(_ joint: Bool) throws {
    try withScenes(4, tasks: [.seg, .sn, .depth]) { dataset in
      let network = try smallNetwork(dataset)
      let masks = try randomMasks(of: network, sparsity: 0.8, seed: 3)
      let trainer = try Trainer(
        network, tasks: TaskSet(dataset.tasks), on: sequential(dataset, batchSize: 2),
        masks: masks, settings: dynamic(steps: 9, every: 2, until: 7, joint: joint))
      for _ in 0..<9 {
        _ = try trainer.advance()
        // Pruned weights are 0 after every step.
        let byName = Dictionary(
          uniqueKeysWithValues: try trainer.network.masks().map { ($0.name, $0.values) })
        for array in try network.snapshot().parameters {
          guard let mask = byName[array.name] else { continue }
          #expect(zip(array.values, mask).allSatisfy { $1 == 1 || $0.bitPattern == 0 })
        }
      }
      let updates = trainer.history.updates
      #expect(updates.map(\.step) == [0, 2, 4, 6, 7])
      let start = updates[0].densityBefore
      #expect(abs(start - 0.2) < 1e-3)
      for update in updates.dropLast() {
        #expect(update.dropped > 0 && update.grown > 0)
        #expect(joint ? update.agreement.isNaN : (0...1).contains(update.agreement))
        // Tasks that vote for different weights grow more than was dropped; a joint ranking does not.
        #expect(joint ? update.densityAfter <= start + 1e-9 : update.densityAfter > start)
      }
      let last = try #require(updates.last)
      #expect(last.grown == 0 && last.dropRate == 0 && last.agreement.isNaN)
      #expect(try kept(trainer.network.masks()).sorted() == kept(masks).sorted())
      #expect(last.densityAfter == start)
      #expect(try trainer.network.masks() != masks)
    }
  }

  @Test func anUpdateThatDropsNothingTrainsLikeAnyOtherStep() throws {
    try withScenes(2, tasks: [.seg, .depth]) { dataset in
      func weights(_ settings: TrainingSettings) throws -> [NamedArray] {
        let network = try smallNetwork(dataset)
        try train(
          network, tasks: TaskSet(dataset.tasks), on: sequential(dataset, batchSize: 2),
          masks: randomMasks(of: network, sparsity: 0.5, seed: 1), settings: settings)
        return try network.snapshot().parameters
      }
      var still = dynamic(steps: 2, every: 1, until: 2)
      still.dynamic?.schedule.dropRate = 0
      // The sum of the tasks' gradients is the gradient of their sum, up to rounding.
      for (a, b) in zip(try weights(still), try weights(settings(steps: 2))) {
        #expect(largestDifference(a.values, b.values) < 1e-4, "\(a.name)")
      }
    }
  }

  @Test func aTaskWithoutGroundTruthGrowsNothing() throws {
    try withNoise(depthIsKnown: false, classesAreKnown: true) { dataset in
      let network = try smallNetwork(dataset)
      let masks = try randomMasks(of: network, sparsity: 0.5, seed: 1)
      let trainer = try Trainer(
        network, tasks: TaskSet(dataset.tasks), on: sequential(dataset, batchSize: 2),
        masks: masks, settings: dynamic(steps: 3, every: 1, until: 3))
      _ = try trainer.advance()
      let update = try #require(trainer.history.updates.first)
      #expect(update.grown > 0 && update.agreement == 0)
      let before = Dictionary(uniqueKeysWithValues: zip(masks.map(\.name), kept(masks)))
      for (mask, count) in zip(try trainer.network.masks(), try kept(trainer.network.masks())) {
        let isDepthHead = mask.name.hasPrefix("task2_")
        #expect(isDepthHead ? count <= before[mask.name] ?? 0 : count == before[mask.name])
      }
    }
  }

  @Test func masksAndVotesMustFit() throws {
    try withScenes(1, tasks: [.seg, .depth]) { dataset in
      let network = try smallNetwork(dataset)
      func make(_ masks: [Mask], _ settings: TrainingSettings) throws {
        _ = try Trainer(
          network, tasks: TaskSet(dataset.tasks),
          on: sequential(dataset, batchSize: 1),
          masks: masks, settings: settings)
      }
      let masks = try randomMasks(of: network, sparsity: 0.5, seed: 1)
      #expect(throws: NetworkError.self) { try make([], dynamic(steps: 1, every: 1, until: 1)) }
      #expect(throws: SparsityError.self) {
        try make(masks, dynamic(steps: 1, every: 1, until: 1, arbiter: .atLeast(3)))
      }
    }
  }

  @Test func randomMasksHaveTheKernelsDensities() throws {
    try withScenes(1, tasks: [.seg, .depth]) { dataset in
      let network = try smallNetwork(dataset)
      let masks = try randomMasks(of: network, sparsity: 0.9, seed: 1)
      let layers = network.graph.prunable
      let densities = erdosRenyiKernel(density: 0.1, shapes: layers.map(\.shape))
      let byName = Dictionary(uniqueKeysWithValues: zip(masks.map(\.name), kept(masks)))
      for (layer, density) in zip(layers, densities) {
        let count = try #require(byName[layer.name])
        #expect(abs(Double(count) - density * Double(layer.count)) <= 1, "\(layer.name)")
      }
      #expect(try randomMasks(of: network, sparsity: 0.9, seed: 1) == masks)
      #expect(try randomMasks(of: network, sparsity: 0.9, seed: 2) != masks)
    }
  }
}
