// Training with adaptive thresholds.

import Artifacts
import Datasets
import Foundation
import Graphs
import Networks
import Sparsity
import TestSupport
import Testing
import Torch
import Training

@Suite struct AdaptiveTrainingTests {
  private func adaptive(
    steps: Int, rate: Double = 1e-3, sparsity: Double = 0.8, start: Double = 0.4, until: Int,
    engine: EngineChoice = .auto
  ) -> TrainingSettings {
    var settings = settings(steps: steps, rate: rate)
    settings.adaptive = AdaptiveSettings(
      sparsity: sparsity, start: start, until: until, weighTasksFrom: 2, window: 2, engine: engine)
    return settings
  }

  private func trainer(
    _ dataset: DatasetFile, _ settings: TrainingSettings, dropout: Double = 0
  ) throws -> Trainer {
    try Trainer(
      smallNetwork(dataset, dropout: dropout), tasks: TaskSet(dataset.tasks),
      on: sequential(dataset, batchSize: 2), masks: [], settings: settings)
  }

  private func keptCount(_ trainer: Trainer) throws -> Int {
    try trainer.network.masks().flatMap(\.values).reduce(0) { $0 + Int($1) }
  }

  @Test func aRunEndsAtExactlyItsSparsity() throws {
    try withScenes(4, tasks: [.seg, .sn, .depth]) { dataset in
      let trainer = try trainer(dataset, adaptive(steps: 8, until: 6, engine: .sparse))
      let count = trainer.network.graph.prunable.reduce(0) { $0 + $1.count }
      let kept = count - Int((0.8 * Double(count)).rounded())
      for step in 1...8 {
        _ = try trainer.advance()
        #expect(trainer.engineKind == (step < 6 ? .dense : .sparse))
        #expect(try keptCount(trainer) == (step < 6 ? 0 : kept))
        guard step >= 6 else { continue }
        let masks = Dictionary(
          uniqueKeysWithValues: try trainer.network.masks().map { ($0.name, $0.values) })
        for array in try trainer.network.snapshot().parameters {
          guard let mask = masks[array.name] else { continue }
          #expect(zip(array.values, mask).allSatisfy { $1 == 1 || $0.bitPattern == 0 })
        }
      }
      let thresholds = try #require(trainer.history.thresholds)
      #expect(thresholds.components == ["all tasks", "seg", "sn", "depth"])
      #expect(thresholds.rows.map(\.step) == Array(1...6))
      for row in thresholds.rows {
        #expect(row.values.allSatisfy { $0 > 0 && $0 < 1 })
        #expect((0.39...1).contains(row.sparsity))
      }
      // Every task alike at first, and all together as many as there are tasks.
      let weights = trainer.history.taskWeights
      #expect(weights.map(\.count) == [8, 8, 8])
      #expect(weights.allSatisfy { $0[0] == 1 && $0[1] == 1 && $0[2] != 1 })
      for step in 0..<8 { #expect(abs(weights.reduce(0) { $0 + $1[step] } - 3) < 1e-12) }
      let sizes = try trainer.network.componentSizes()
      #expect(sizes.map(\.owners) == thresholds.components)
      #expect(sizes.reduce(0) { $0 + $1.kept } == kept)
      #expect(sizes.reduce(0) { $0 + $1.weights } == count)
    }
  }

  @Test func thresholdsThatPruneEnoughStayAsTheyAre() throws {
    try withScenes(2, tasks: [.seg, .depth]) { dataset in
      let trainer = try trainer(
        dataset, adaptive(steps: 5, rate: 1e-2, sparsity: 0.5, start: 0.6, until: 5))
      for _ in 0..<5 { _ = try trainer.advance() }
      let rows = try #require(trainer.history.thresholds?.rows)
      #expect(rows.allSatisfy { $0.values == rows[0].values })
      let moving = try self.trainer(
        dataset, adaptive(steps: 5, rate: 1e-2, sparsity: 0.99, start: 0.3, until: 5))
      for _ in 0..<5 { _ = try moving.advance() }
      let values = try #require(moving.history.thresholds?.rows.map(\.values))
      for (before, after) in zip(values, values.dropFirst()) {
        #expect(zip(before, after).allSatisfy { $0 != $1 })
      }
    }
  }

  @Test func masksKeepWhatTheNetworkMultipliedWith() throws {
    try withScenes(2, tasks: [.seg, .depth]) { dataset in
      // So slow that weights stay what they are.
      let trainer = try trainer(
        dataset, adaptive(steps: 1, rate: 1e-30, sparsity: 0.3, start: 0.6, until: 1))
      let before = try trainer.network.snapshot().parameters
      let owners = Dictionary(
        uniqueKeysWithValues: trainer.network.graph.prunable.map { ($0.name, $0.owners) })
      _ = try trainer.advance()
      let row = try #require(trainer.history.thresholds?.rows.last)
      let masks = Dictionary(
        uniqueKeysWithValues: try trainer.network.masks().map { ($0.name, $0.values) })
      var zeros = 0
      for (old, new) in zip(before, try trainer.network.snapshot().parameters) {
        guard let owners = owners[old.name], let mask = masks[old.name] else {
          #expect(largestDifference(old.values, new.values) < 1e-20)
          continue
        }
        let threshold = Float(row.values[owners.count > 1 ? 0 : 1 + owners[0]])
        for (index, value) in new.values.enumerated() {
          let w = old.values[index]
          let shrunk = (w < 0 ? -1 : 1) * max(abs(w) - threshold, 0)
          #expect(abs(value - (mask[index] == 1 ? shrunk : 0)) < 1e-7)
          zeros += mask[index] == 1 && value == 0 ? 1 : 0
        }
      }
      // The thresholds prune more than the masks, so that some weights stay as zeros.
      #expect(abs(row.sparsity - 0.6) < 1e-3 && zeros > 0)
    }
  }

  @Test func aRunThatStopsAtAnyStepAndGoesOnIsTheUnbrokenOne() throws {
    try withScenes(5, tasks: [.seg, .depth]) { dataset in
      // What thresholds prune after four steps, so that runs resume while they learn and later.
      let learning = try trainer(
        dataset, adaptive(steps: 9, sparsity: 0.99, start: 0.45, until: 7), dropout: 0.3)
      for _ in 0..<4 { _ = try learning.advance() }
      let sparsity = try #require(learning.history.thresholds?.rows.last?.sparsity)
      func makeRun(_ folder: String) throws -> TrainingRun {
        let trainer = try trainer(
          dataset, adaptive(steps: 9, sparsity: sparsity, start: 0.45, until: 7), dropout: 0.3)
        return TrainingRun(
          trainer,
          RunPlan(
            output: folder + "/model.h5", architecture: trainer.network.architecture.json,
            stepsBefore: 0, provenance: someProvenance, settings: [:], validateEvery: 2,
            keepsBest: true))
      }
      func content(_ run: TrainingRun) throws -> [[NamedArray]] {
        try [run.plan.output, run.plan.best].flatMap {
          let model = try ModelFile(opening: $0).model
          return [model.parameters, model.buffers]
        }
      }
      try withFolder { folder in
        let whole = try makeRun(folder)
        #expect(try whole.run { _ in })
        let expected = try ModelFile(opening: whole.plan.output)
        let wanted = try content(whole)
        let history = try #require(try expected.history(tasks: ["seg", "depth"]))
        let rows = try #require(history.thresholds?.rows)
        #expect(rows[0].values != rows[3].values && rows[3].values == rows[6].values)
        for stop in 1...9 {
          try withFolder { folder in
            let first = try makeRun(folder)
            #expect(try first.run(until: { first.trainer.step == stop }) { _ in } == false)
            let second = try makeRun(folder)
            #expect(try second.begin(.resuming).step == stop)
            #expect(try second.run { _ in })
            let file = try ModelFile(opening: second.plan.output)
            #expect(try content(second) == wanted, "stopped after \(stop)")
            #expect(file.model.masks == expected.model.masks)
            let resumed = try #require(try file.history(tasks: ["seg", "depth"]))
            #expect(resumed.losses == history.losses)
            #expect(resumed.thresholds == history.thresholds)
            #expect(resumed.taskWeights == history.taskWeights)
            #expect(resumed.validations == history.validations)
          }
        }
      }
    }
  }

  @Test func aCheckpointWithoutItsThresholdsIsRefused() throws {
    try withScenes(2, tasks: [.seg, .depth]) { dataset in
      try withFolder { folder in
        func makeRun(_ settings: TrainingSettings) throws -> TrainingRun {
          let trainer = try trainer(dataset, settings)
          return TrainingRun(
            trainer,
            RunPlan(
              output: folder + "/model.h5", architecture: trainer.network.architecture.json,
              stepsBefore: 0, provenance: someProvenance, settings: [:]))
        }
        _ = try makeRun(settings(steps: 5)).run(until: { true }) { _ in }
        for (until, place) in [(3, "/state/threshold"), (1, "/masks/")] {
          let error = #expect(throws: ArtifactError.self) {
            try makeRun(self.adaptive(steps: 5, until: until)).begin(.resuming)
          }
          #expect(error?.path.hasPrefix(place) == true, "\(String(describing: error))")
        }
      }
    }
  }
}
