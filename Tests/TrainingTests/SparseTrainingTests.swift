// Training with the sparse engine, against the dense one.

import Artifacts
import Datasets
import Graphs
import Networks
import Sparsity
import TestSupport
import Testing
import Torch
import Training

@Suite struct SparseTrainingTests {
  private func run(
    _ engine: EngineKind, _ dataset: DatasetFile, _ settings: TrainingSettings
  ) throws -> Trainer {
    let network = try smallNetwork(dataset, dropout: 0.3)
    let trainer = try Trainer(
      network, engine: engine, tasks: TaskSet(dataset.tasks), on: sequential(dataset, batchSize: 2),
      masks: randomMasks(of: network, sparsity: 0.8, seed: 3), settings: settings)
    for _ in 0..<settings.steps {
      _ = try trainer.advance()
      #expect(trainer.engine is SparseEngine == (engine == .sparse))
      for weight in network.prunable { #expect(weight.isCompact == (engine == .sparse)) }
    }
    return trainer
  }

  @Test func staticTrainingIsThatOfTheDenseEngine() throws {
    try withScenes(4, tasks: [.seg, .depth]) { dataset in
      let settings = settings(steps: 5)
      let (dense, sparse) = (
        try run(.dense, dataset, settings), try run(.sparse, dataset, settings)
      )
      for (a, b) in zip(sparse.history.losses, dense.history.losses) {
        #expect(relativeDifference(a, b) < 1e-4)
      }
      #expect(try sparse.network.masks() == dense.network.masks())
      let weights = try (sparse.network.snapshot(), dense.network.snapshot())
      for (a, b) in zip(
        weights.0.parameters + weights.0.buffers, weights.1.parameters + weights.1.buffers)
      {
        // Adam's steps of 1e-3 go by the sign of gradients near 0, so few weights may part.
        #expect(a.name == b.name && a.shape == b.shape)
        #expect(largestDifference(a.values, b.values) < 1e-3, "\(a.name)")
      }
    }
  }

  @Test(arguments: [false, true])
  func masksChangeAsWithTheDenseEngine(_ joint: Bool) throws {
    try withScenes(4, tasks: [.seg, .depth]) { dataset in
      // Adam's first steps go by the sign of gradients near 0; small ones leave the order of weights.
      var settings = settings(steps: 7, rate: 1e-5)
      settings.dynamic = DynamicSettings(
        schedule: DropSchedule(every: 2, until: 5, dropRate: 0.5), joint: joint)
      let (dense, sparse) = (
        try run(.dense, dataset, settings), try run(.sparse, dataset, settings)
      )
      for (a, b) in zip(sparse.history.losses, dense.history.losses) {
        #expect(relativeDifference(a, b) < 1e-3)
      }
      let updates = (sparse.history.updates, dense.history.updates)
      #expect(updates.0.map(\.step) == [0, 2, 4, 5])
      for (a, b) in zip(updates.0, updates.1) {
        #expect(a.step == b.step && a.dropRate == b.dropRate)
        #expect(abs(a.densityAfter - b.densityAfter) < 1e-3)
      }
      // Nearly all masks: near ties may fall either way.
      let values = try (sparse.network.masks(), dense.network.masks())
      let (a, b) = (values.0.flatMap(\.values), values.1.flatMap(\.values))
      #expect(zip(a, b).count { $0 != $1 } <= a.count / 100)
      #expect(a.reduce(0) { $0 + Int($1) } == b.reduce(0) { $0 + Int($1) })
    }
  }

  @Test func aBatchWithoutGroundTruthMovesNothing() throws {
    try withNoise(depthIsKnown: false, classesAreKnown: false) { dataset in
      let network = try smallNetwork(dataset)
      let masks = try randomMasks(of: network, sparsity: 0.8, seed: 3)
      let trainer = try Trainer(
        network, engine: .sparse, tasks: TaskSet(dataset.tasks),
        on: sequential(dataset, batchSize: 2), masks: masks, settings: settings(steps: 1))
      let before = try network.snapshot().parameters
      _ = try trainer.advance()
      #expect(try network.snapshot().parameters == before)
    }
  }

  @Test func aLayerMayBePrunedAltogether() throws {
    try withScenes(2, tasks: [.depth]) { dataset in
      let network = try smallNetwork(dataset)
      let masks = network.graph.prunable.map { layer in
        let isGone = layer.name.contains("blocks.1")
        return Mask(
          layer.name, shape: layer.shape, (0..<layer.count).map { isGone || $0 % 2 == 0 ? 0 : 1 })
      }
      let (history, _) = try train(
        network, engine: .sparse, tasks: TaskSet(dataset.tasks),
        on: sequential(dataset, batchSize: 2), masks: masks, settings: settings(steps: 2))
      #expect(history.losses.allSatisfy { $0 > 0 && $0.isFinite })
      for array in try network.snapshot().parameters {
        guard let mask = masks.first(where: { $0.name == array.name }) else { continue }
        #expect(zip(array.values, mask.values).allSatisfy { $1 == 1 || $0.bitPattern == 0 })
      }
    }
  }
}
