// The training loop: masks, empty targets, repeatability, and that it learns.

import Artifacts
import Datasets
import Networks
import TestSupport
import Testing
import Torch
import Training

@Suite struct TrainerTests {
  private func weights(_ network: Network) throws -> [NamedArray] {
    try network.snapshot().parameters
  }

  /// Masks that keep every third weight of every layer.
  private func everyThird(_ network: Network) -> [Mask] {
    network.graph.prunable.map { layer in
      Mask(layer.name, shape: layer.shape, (0..<layer.count).map { $0 % 3 == 0 ? 1 : 0 })
    }
  }

  @Test func maskedWeightsAreExactlyZeroAndTheOthersMove() throws {
    try withScenes(4, tasks: [.seg, .sn]) { dataset in
      let network = try smallNetwork(dataset)
      let before = try weights(network)
      let masks = everyThird(network)
      _ = try train(
        network, tasks: TaskSet(dataset.tasks), on: sequential(dataset, batchSize: 2),
        masks: masks, settings: settings(steps: 3))
      let after = Dictionary(
        uniqueKeysWithValues: try weights(network).map { ($0.name, $0.values) })
      let old = Dictionary(uniqueKeysWithValues: before.map { ($0.name, $0.values) })
      for mask in masks {
        let (new, old) = (try #require(after[mask.name]), try #require(old[mask.name]))
        let pruned = mask.values.indices.filter { mask.values[$0] == 0 }
        #expect(pruned.allSatisfy { new[$0].bitPattern == 0 })
        let moved = mask.values.indices.count { mask.values[$0] == 1 && new[$0] != old[$0] }
        #expect(moved > 0)
      }
    }
  }

  @Test func masksZeroTheWeightsBeforeTheFirstStep() throws {
    try withScenes(1, tasks: [.depth]) { dataset in
      let network = try smallNetwork(dataset)
      let before = try weights(network)
      let masks = everyThird(network)
      _ = try train(
        network, tasks: TaskSet(dataset.tasks), on: sequential(dataset, batchSize: 1), masks: masks,
        settings: settings(steps: 0))
      let byName = Dictionary(uniqueKeysWithValues: masks.map { ($0.name, $0.values) })
      for (old, new) in zip(before, try weights(network)) {
        let mask = byName[old.name] ?? old.values.map { _ in 1 }
        #expect(new.values == zip(old.values, mask).map { $1 == 1 ? $0 : 0 })
      }
    }
  }

  @Test func aMaskOfAnotherShapeIsAnError() throws {
    try withScenes(1, tasks: [.depth]) { dataset in
      let network = try smallNetwork(dataset)
      let mask = Mask("backbone.conv1.weight", shape: [4], [1, 1, 1, 1])
      let error = #expect(throws: NetworkError.self) {
        try train(
          network, tasks: TaskSet(dataset.tasks), on: sequential(dataset, batchSize: 1),
          masks: [mask], settings: settings(steps: 0))
      }
      #expect(
        error?.description == "backbone.conv1.weight: expected shape 4×3×7×7, found 4")
    }
  }

  @Test func trainingIsRepeatable() throws {
    try withScenes(5, tasks: [.seg, .depth]) { dataset in
      func run(order seed: UInt64, dropout: UInt64) throws -> (weights: [NamedArray], [Double]) {
        let network = try smallNetwork(dataset, dropout: 0.5)
        let source = try BatchSource(
          dataset, batchSize: 2, order: .shuffled, augments: true, crop: nil, seed: seed)
        let (history, _) = try train(
          network, tasks: TaskSet(dataset.tasks), on: source, masks: everyThird(network),
          settings: settings(steps: 4, seed: dropout))
        return (try weights(network), history.losses)
      }
      let first = try run(order: 1, dropout: 1)
      let second = try run(order: 1, dropout: 1)
      #expect(first.weights == second.weights)
      #expect(first.1 == second.1)
      #expect(try run(order: 2, dropout: 1).1 != first.1)
      #expect(try run(order: 1, dropout: 2).1 != first.1)
    }
  }

  @Test func aFewScenesAreLearned() throws {
    try withScenes(4, tasks: [.seg, .sn, .depth]) { dataset in
      let network = try smallNetwork(dataset)
      let (history, empty) = try train(
        network, tasks: TaskSet(dataset.tasks), on: sequential(dataset, batchSize: 4), masks: [],
        settings: settings(steps: 80, rate: 3e-3))
      #expect(empty.warnings(of: 80).isEmpty)
      func mean(_ values: ArraySlice<Double>) -> Double { values.reduce(0, +) / 5 }
      #expect(mean(history.losses.suffix(5)) < 0.6 * mean(history.losses.prefix(5)))
      for (task, values) in history.taskLosses {
        #expect(mean(values.suffix(5)) < 0.9 * mean(values.prefix(5)), "\(task)")
      }
    }
  }

  @Test func theHistoryTellsEveryStep() throws {
    try withScenes(2, tasks: [.seg, .edge]) { dataset in
      var settings = settings(steps: 5, rate: 0.01)
      settings.decayEvery = 2
      settings.decay = 0.1
      let (history, _) = try train(
        smallNetwork(dataset), tasks: TaskSet(dataset.tasks),
        on: sequential(dataset, batchSize: 1), masks: [], settings: settings)
      #expect(history.steps == [1, 2, 3, 4, 5])
      for (rate, expected) in zip(history.learningRates, [1e-2, 1e-2, 1e-3, 1e-3, 1e-4]) {
        #expect(relativeDifference(rate, expected) < 1e-12)
      }
      #expect(history.taskLosses.map(\.task) == ["seg", "edge"])
      #expect(history.seconds == history.seconds.sorted() && history.seconds.count == 5)
      for step in 0..<5 {
        let sum = zip(dataset.tasks, history.taskLosses).reduce(0) {
          $0 + $1.0.lossWeight * $1.1.values[step]
        }
        #expect(relativeDifference(history.losses[step], sum) < 1e-12)
      }
    }
  }

  @Test func noStepsLeaveTheInitialWeights() throws {
    try withScenes(1, tasks: [.depth]) { dataset in
      let network = try smallNetwork(dataset)
      let before = try weights(network)
      let (history, _) = try train(
        network, tasks: TaskSet(dataset.tasks), on: sequential(dataset, batchSize: 1), masks: [],
        settings: settings(steps: 0))
      #expect(try weights(network) == before)
      #expect(history.steps.isEmpty && history.losses.isEmpty)
    }
  }

  @Test func aTaskWithoutGroundTruthCountsAsLossZeroAndIsReported() throws {
    try withNoise(depthIsKnown: false, classesAreKnown: true) { dataset in
      let network = try smallNetwork(dataset)
      let (history, empty) = try train(
        network, tasks: TaskSet(dataset.tasks), on: sequential(dataset, batchSize: 2), masks: [],
        settings: settings(steps: 3))
      #expect(history.taskLosses[1].values == [0, 0, 0])
      #expect(history.losses == history.taskLosses[0].values)
      #expect(history.losses.allSatisfy { $0 > 0 && $0.isFinite })
      #expect(empty.batches.map(\.task) == ["seg", "depth"])
      #expect(empty.batches.map(\.count) == [0, 3])
      #expect(empty.warnings(of: 3).count == 1)
      #expect(empty.warnings(of: 3)[0].hasPrefix("task depth: 3 of 3 batches"))
      #expect(try weights(network).allSatisfy { $0.values.allSatisfy(\.isFinite) })
    }
  }

  @Test func withoutAnyGroundTruthNothingMoves() throws {
    try withNoise(depthIsKnown: false, classesAreKnown: false) { dataset in
      let network = try smallNetwork(dataset)
      let before = try weights(network)
      let (history, empty) = try train(
        network, tasks: TaskSet(dataset.tasks), on: sequential(dataset, batchSize: 2), masks: [],
        settings: settings(steps: 2))
      #expect(history.losses == [0, 0] && empty.batches.map(\.count) == [2, 2])
      #expect(try weights(network) == before)
    }
  }

  @Test func aLossThatIsNotFiniteNamesItsStepAndTask() throws {
    try withScenes(2, tasks: [.depth]) { dataset in
      let error = #expect(throws: TrainingError.self) {
        try train(
          smallNetwork(dataset), tasks: TaskSet(dataset.tasks),
          on: sequential(dataset, batchSize: 2), masks: [],
          settings: settings(steps: 20, rate: 1e30))
      }
      #expect(error?.description.contains("the loss of task depth is") == true)
      #expect(error?.description.hasPrefix("step ") == true)
    }
  }

  @Test func bfloat16TrainsAlmostLikeFloat32() throws {
    try withScenes(2, tasks: [.seg, .depth]) { dataset in
      func losses(_ precision: Precision) throws -> [Double] {
        var settings = settings(steps: 5)
        settings.machine = Machine(precision: precision)
        return try train(
          smallNetwork(dataset), tasks: TaskSet(dataset.tasks),
          on: sequential(dataset, batchSize: 2), masks: [], settings: settings
        ).history.losses
      }
      let (exact, rough) = (try losses(.float32), try losses(.bfloat16))
      #expect(exact != rough)
      for (a, b) in zip(rough, exact) { #expect(relativeDifference(a, b) < 0.02) }
    }
  }
}
