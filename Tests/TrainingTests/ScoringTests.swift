// Scores: every task by itself, from one forward pass.

import Artifacts
import Datasets
import Graphs
import Networks
import Sparsity
import TestSupport
import Testing
import Torch
import Training

@Suite struct ScoringTests {
  private func scores(_ dataset: DatasetFile, batches: Int = 2) throws
    -> (scores: [TaskScores], empty: EmptyTargets)
  {
    try scoreImportance(
      with: DenseEngine(smallNetwork(dataset)), tasks: TaskSet(dataset.tasks),
      on: sequential(dataset, batchSize: 2),
      settings: ScoringSettings(criterion: .static, batches: batches, seed: 1),
      progress: { _ in })
  }

  @Test func aTaskScoresTheBackboneAndItsOwnHead() throws {
    try withScenes(4, tasks: [.seg, .sn, .depth]) { dataset in
      let network = try smallNetwork(dataset)
      let prunable = prunableNetwork(of: network.graph)
      #expect(prunable.tasks == ["seg", "sn", "depth"])
      #expect(prunable.layers.map(\.name) == network.graph.prunable.map(\.name))
      for (index, task) in try scores(dataset).scores.enumerated() {
        let layers = prunable.layers(ofTask: index)
        #expect(try task.scores.map(\.name) == layers.map(\.name))
        #expect(try task.scores.map(\.shape) == layers.map(\.shape))
        for layer in try task.scores {
          #expect(layer.values.allSatisfy { $0 >= 0 && $0.isFinite })
          #expect(layer.values.contains { $0 > 0 }, "\(task.task) \(layer.name)")
        }
      }
    }
  }

  @Test func scoringLeavesTheWeights() throws {
    try withScenes(2, tasks: [.seg, .depth]) { dataset in
      let network = try smallNetwork(dataset)
      let before = try network.snapshot().parameters
      _ = try scoreImportance(
        with: DenseEngine(network), tasks: TaskSet(dataset.tasks),
        on: sequential(dataset, batchSize: 2),
        settings: ScoringSettings(criterion: .static, batches: 2, seed: 1),
        progress: { _ in })
      #expect(try network.snapshot().parameters == before)
    }
  }

  @Test func aTasksScoresDoNotDependOnTheOthers() throws {
    // The same batches with and without ground truth for the labels.
    func depth(classesAreKnown: Bool) throws -> [NamedArray] {
      try withNoise(depthIsKnown: true, classesAreKnown: classesAreKnown) { dataset in
        try scores(dataset).scores[1].scores
      }
    }
    for (a, b) in zip(try depth(classesAreKnown: true), try depth(classesAreKnown: false)) {
      let largest = Double(a.values.max() ?? 0)
      #expect(largestDifference(a.values, b.values) <= 1e-5 * largest)
    }
  }

  @Test func aTaskWithoutGroundTruthScoresNothingAndIsReported() throws {
    try withNoise(depthIsKnown: false, classesAreKnown: true) { dataset in
      let (scores, empty) = try scores(dataset)
      #expect(scores[1].loss == 0)
      #expect(try scores[1].scores.allSatisfy { $0.values.allSatisfy { $0 == 0 } })
      #expect(try #require(scores[0].loss) > 0)
      #expect(try scores[0].scores.contains { $0.values.contains { $0 > 0 } })
      #expect(empty.batches.map(\.count) == [0, 2])
    }
  }

  @Test func batchesAddUp() throws {
    try withScenes(4, tasks: [.seg, .edge]) { dataset in
      let (one, two) = (try scores(dataset, batches: 1).scores, try scores(dataset).scores)
      for (a, b) in zip(one, two) {
        for (first, both) in try zip(a.scores, b.scores) {
          #expect(zip(first.values, both.values).allSatisfy { $0 <= $1 * 1.000001 })
          #expect(first.values != both.values)
        }
      }
    }
  }
}
