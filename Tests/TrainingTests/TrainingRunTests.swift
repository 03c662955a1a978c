// Runs: checkpoints, resuming, the best model, and losses that are not finite.

import Artifacts
import Datasets
import Foundation
import Networks
import Sparsity
import TestSupport
import Testing
import Torch
import Training

@Suite struct TrainingRunTests {
  private func makeRun(
    _ folder: String, _ dataset: DatasetFile, steps: Int, rate: Double = 1e-3, every: Int? = nil,
    options: [String: String] = ["a": "1"], validateEvery: Int? = nil, isDynamic: Bool = true,
    engine: EngineKind = .dense
  ) throws -> TrainingRun {
    let network = try smallNetwork(dataset, dropout: 0.3)
    var settings = settings(steps: steps, rate: rate)
    if isDynamic {
      settings.dynamic = DynamicSettings(
        schedule: DropSchedule(every: 2, until: 6, dropRate: 0.5))
    }
    let source = try BatchSource(
      dataset, batchSize: 2, order: .shuffled, augments: true, crop: nil, seed: 4)
    let trainer = try Trainer(
      network, engine: engine, tasks: TaskSet(dataset.tasks), on: source,
      masks: isDynamic ? randomMasks(of: network, sparsity: 0.8, seed: 1) : [],
      settings: settings)
    return TrainingRun(
      trainer,
      RunPlan(
        output: folder + "/model.h5", architecture: network.architecture.json,
        stepsBefore: 100, provenance: someProvenance, settings: options, checkpointEvery: every,
        validateEvery: validateEvery, keepsBest: validateEvery != nil))
  }

  private func content(_ path: String) throws -> [[NamedArray]] {
    let model = try ModelFile(opening: path).model
    return [model.parameters, model.buffers]
  }

  @Test(arguments: [EngineKind.dense, .sparse])
  func aRunThatStopsAtAnyStepAndGoesOnIsTheUnbrokenOne(_ engine: EngineKind) throws {
    try withScenes(5, tasks: [.seg, .depth]) { dataset in
      try withFolder { folder in
        func makeRun(_ folder: String) throws -> TrainingRun {
          try self.makeRun(folder, dataset, steps: 8, validateEvery: 3, engine: engine)
        }
        let whole = try makeRun(folder)
        #expect(try whole.run { _ in })
        let expected = try ModelFile(opening: whole.plan.output)
        let wanted = try content(whole.plan.output)
        let best = try content(whole.plan.best)
        let history = try #require(try expected.history(tasks: ["seg", "depth"]))
        #expect(expected.model.step == 108 && history.steps.count == 8)
        for stop in 1...8 {
          try withFolder { folder in
            let first = try makeRun(folder)
            #expect(try first.begin(.resuming).step == nil)
            var done = 0
            #expect(
              try first.run(until: { done == stop }) {
                if case .step(let step) = $0 { done = step.step }
              } == false)
            #expect(!FileManager.default.fileExists(atPath: first.plan.output))
            let second = try makeRun(folder)
            #expect(try second.begin(.resuming).step == stop)
            #expect(try second.run { _ in })
            #expect(try content(second.plan.output) == wanted, "stopped after \(stop)")
            #expect(try content(second.plan.best) == best)
            let file = try ModelFile(opening: second.plan.output)
            #expect(file.model.masks == expected.model.masks)
            let resumed = try #require(try file.history(tasks: ["seg", "depth"]))
            #expect(resumed.losses == history.losses && resumed.updates.count == 4)
            #expect(resumed.validations == history.validations)
            #expect(!FileManager.default.fileExists(atPath: second.plan.checkpoint))
          }
        }
      }
    }
  }

  @Test(arguments: [EngineKind.dense, .sparse])
  func aCheckpointOfOneEngineIsResumedByTheOther(_ engine: EngineKind) throws {
    let other: EngineKind = engine == .dense ? .sparse : .dense
    try withScenes(5, tasks: [.seg, .depth]) { dataset in
      try withFolder { folder in
        let whole = try makeRun(folder, dataset, steps: 8, engine: engine)
        #expect(try whole.run { _ in })
        let expected = try ModelFile(opening: whole.plan.output)
        // Within the updates of the masks, and behind the last.
        for stop in [3, 7] {
          try withFolder { folder in
            let first = try makeRun(folder, dataset, steps: 8, engine: engine)
            _ = try first.run(until: { first.trainer.step == stop }) { _ in }
            let second = try makeRun(folder, dataset, steps: 8, engine: other)
            #expect(try second.begin(.resuming).step == stop)
            #expect(try second.run { _ in })
            let found = try ModelFile(opening: second.plan.output)
            #expect(
              (expected.model.engine, found.model.engine) == (engine.rawValue, other.rawValue))
            let history = second.trainer.history.losses
            for (a, b) in zip(history, whole.trainer.history.losses) {
              #expect(relativeDifference(a, b) < 1e-3)
            }
            if stop == 7 { #expect(found.model.masks == expected.model.masks) }
          }
        }
      }
    }
  }

  @Test func weightsInFilesAreWholeAndMomentsAsLongAsTheKeptOnes() throws {
    try withScenes(3, tasks: [.seg, .depth]) { dataset in
      try withFolder { folder in
        let run = try makeRun(folder, dataset, steps: 4, engine: .sparse)
        _ = try run.run(until: { true }) { _ in }
        let file = try ModelFile(opening: run.plan.checkpoint)
        let state = try file.state()
        let masks = Dictionary(uniqueKeysWithValues: file.model.masks.map { ($0.name, $0) })
        let shapes = Dictionary(
          uniqueKeysWithValues: run.trainer.network.graph.parameters.map { ($0.name, $0.shape) })
        #expect(!masks.isEmpty)
        for array in file.model.parameters {
          #expect(array.shape == shapes[array.name])
          guard let mask = masks[array.name] else { continue }
          #expect(zip(array.values, mask.values).allSatisfy { $1 == 1 || $0.bitPattern == 0 })
        }
        for moment in state.firstMoments + state.secondMoments {
          let kept = masks[moment.name].map { [$0.values.reduce(0) { $0 + Int($1) }] }
          #expect(moment.shape == kept ?? shapes[moment.name], "\(moment.name)")
        }
      }
    }
  }

  @Test func aCheckpointOfAnotherRunIsRefused() throws {
    try withScenes(3, tasks: [.seg, .depth]) { dataset in
      try withFolder { folder in
        let first = try makeRun(folder, dataset, steps: 4)
        _ = try first.run(until: { true }) { _ in }
        let other = try makeRun(folder, dataset, steps: 4, options: ["a": "2"])
        let refusal = #expect(throws: ArtifactError.self) { try other.begin(.resuming) }
        #expect(
          refusal?.description
            == "\(first.plan.checkpoint): made with --a 1, now 2")
        let (step, notice) = try other.begin(.resumingOrFresh)
        #expect(step == nil && other.trainer.step == 0)
        #expect(
          notice == "\(first.plan.checkpoint): made with --a 1, now 2; starting afresh")
        _ = try makeRun(folder, dataset, steps: 9).begin(.resuming)
        #expect(throws: ArtifactError.self) {
          _ = try makeRun(folder, dataset, steps: 0).begin(.resuming)
        }
        // A model that is no checkpoint.
        let plain = try makeRun(folder, dataset, steps: 1, isDynamic: false)
        #expect(try plain.run { _ in })
        try FileManager.default.moveItem(atPath: plain.plan.output, toPath: plain.plan.checkpoint)
        let error = #expect(throws: ArtifactError.self) { try plain.begin(.resuming) }
        #expect(error?.description.contains("not a checkpoint") == true)
      }
    }
  }

  @Test func aCheckpointOfAnotherNetworkOrWithOtherInputsIsRefused() throws {
    try withScenes(3, tasks: [.seg, .depth]) { dataset in
      try withFolder { folder in
        func run(
          _ architecture: String? = nil, inputs: [String] = []
        ) throws -> TrainingRun {
          let run = try makeRun(folder, dataset, steps: 4)
          var plan = run.plan
          if let architecture { plan.architecture = architecture }
          for input in inputs { try plan.provenance.add(file: folder + "/" + input) }
          return TrainingRun(run.trainer, plan)
        }
        for name in ["masks", "other"] {
          try name.write(toFile: folder + "/" + name, atomically: false, encoding: .utf8)
        }
        _ = try run(inputs: ["masks"]).run(until: { true }) { _ in }
        for (other, reason) in [
          (try run("{}", inputs: ["masks"]), "made for another network"),
          (try run(), "made with \(folder)/masks, which is missing now"),
          (try run(inputs: ["masks", "other"]), "made without \(folder)/other as it is now"),
        ] {
          let error = #expect(throws: ArtifactError.self) { try other.begin(.resuming) }
          #expect(error?.reason == reason)
          #expect(other.trainer.step == 0)
        }
        #expect(try run(inputs: ["masks"]).begin(.resuming).step == 1)
      }
    }
  }

  @Test func batchesWithoutGroundTruthDoNotDisturbResuming() throws {
    try withFolder { folder in
      // Of four images two have no ground truth; each is a batch.
      let path = folder + "/d.h5"
      let task = DatasetTask(name: "depth", kind: .regression, channels: 1, lossWeight: 1)
      let writer = try DatasetWriter(
        path, tasks: [task], storage: [.init(.float32, TargetEncoding(fillValue: 0))],
        provenance: someProvenance)
      let pixels = 32 * 48
      try writer.begin(.train, count: 4, height: 32, width: 48)
      for number in 0..<4 {
        try writer.append(
          Sample(
            height: 32, width: 48, image: (0..<3 * pixels).map { UInt8(($0 * 7 + number) % 251) },
            targets: [
              TargetMap(
                values: [Float](repeating: 2, count: pixels),
                valid: [Bool](repeating: number % 2 == 0, count: pixels))
            ]))
      }
      try writer.finish()
      let dataset = try DatasetFile(opening: path)
      func makeRun(_ name: String) throws -> TrainingRun {
        let network = try smallNetwork(dataset, dropout: 0)
        let trainer = try Trainer(
          network, tasks: TaskSet(dataset.tasks),
          on: BatchSource(
            dataset, batchSize: 1, order: .sequential, augments: false, crop: nil, seed: 4),
          masks: [], settings: settings(steps: 6, rate: 1e-3))
        return TrainingRun(
          trainer,
          RunPlan(
            output: folder + "/" + name, architecture: network.architecture.json,
            stepsBefore: 0, provenance: someProvenance, settings: [:]))
      }
      #expect(try makeRun("whole.h5").run { _ in })
      for stop in 1..<6 {
        let name = "\(stop).h5"
        var done = 0
        _ = try makeRun(name).run(until: { done == stop }) {
          if case .step(let step) = $0 { done = step.step }
        }
        let second = try makeRun(name)
        #expect(try second.begin(.resuming).step == stop)
        #expect(try second.run { _ in })
        #expect(try content(folder + "/" + name) == content(folder + "/whole.h5"), "\(stop)")
      }
    }
  }

  @Test func theBestModelCanBeAskedForWhenResuming() throws {
    try withScenes(4, tasks: [.seg, .depth]) { dataset in
      try withFolder { folder in
        func run(_ keepsBest: Bool) throws -> TrainingRun {
          let run = try makeRun(
            folder, dataset, steps: 6, rate: 0.5, validateEvery: 1, isDynamic: false)
          var plan = run.plan
          plan.keepsBest = keepsBest
          return TrainingRun(run.trainer, plan)
        }
        let first = try run(false)
        _ = try first.run(until: { first.trainer.step == 3 }) { _ in }
        #expect(!FileManager.default.fileExists(atPath: first.plan.best))
        let second = try run(true)
        #expect(try second.begin(.resuming).step == 3)
        #expect(try second.run { _ in })
        // The best of the validations after it was asked for.
        let later = second.trainer.history.validations.dropFirst(3)
        let best = try #require(later.min { $0.loss < $1.loss })
        #expect(try ModelFile(opening: second.plan.best).model.step == 100 + best.step)
      }
    }
  }

  @Test func aCheckpointThatCannotBeWrittenIsTriedAgain() throws {
    try withScenes(3, tasks: [.depth]) { dataset in
      try withFolder { folder in
        let run = try makeRun(folder, dataset, steps: 5, every: 1, isDynamic: false)
        try FileManager.default.createDirectory(
          atPath: run.plan.checkpoint, withIntermediateDirectories: true)
        var warnings: [String] = []
        var steps = 0
        #expect(
          try run.run {
            switch $0 {
            case .warning(let text): warnings.append(text)
            case .step(let step):
              steps = step.step
              // From step 3 on the checkpoint can be written.
              if steps == 3 { rmdir(run.plan.checkpoint) }
            default: break
            }
          })
        #expect(steps == 5 && warnings.count == 2)
        #expect(
          warnings.first
            == "\(run.plan.checkpoint): is a folder; the run goes on, and tries again")
      }
    }
  }

  @Test func aLossThatIsNotFiniteNamesTheLastGoodCheckpoint() throws {
    try withScenes(2, tasks: [.depth]) { dataset in
      try withFolder { folder in
        let run = try makeRun(folder, dataset, steps: 20, rate: 1e30, isDynamic: false)
        let error = #expect(throws: TrainingError.self) { try run.run { _ in } }
        #expect(error?.description.contains("the loss of task depth is") == true)
        #expect(error?.description.hasSuffix("there is no checkpoint to go back to") == true)
      }
      try withFolder { folder in
        // Finite up to step 2; then a learning rate of 1e30 makes the loss overflow.
        let first = try makeRun(folder, dataset, steps: 2, isDynamic: false)
        _ = try first.run(until: { first.trainer.step == 2 }) { _ in }
        let run = try makeRun(folder, dataset, steps: 20, rate: 1e30, every: 1, isDynamic: false)
        #expect(try run.begin(.resuming).step == 2)
        let error = #expect(throws: TrainingError.self) { try run.run { _ in } }
        let text = try #require(error?.description)
        #expect(text.contains("the last good checkpoint is \(run.plan.checkpoint) (step "))
        let left = try ModelFile(opening: run.plan.checkpoint)
        #expect(text.hasSuffix("(step \(try left.state().step))"))
      }
    }
  }

  @Test func theBestModelIsTheOneWithTheSmallestValidationLoss() throws {
    try withScenes(4, tasks: [.seg, .depth]) { dataset in
      try withFolder { folder in
        let run = try makeRun(
          folder, dataset, steps: 12, rate: 0.02, validateEvery: 2, isDynamic: false)
        var told: [Bool] = []
        #expect(
          try run.run {
            if case .validation(_, let isBest) = $0 { told.append(isBest) }
          })
        let validations = run.trainer.history.validations
        #expect(validations.map(\.step) == [2, 4, 6, 8, 10, 12] && told.count == 6)
        let best = try #require(validations.min { $0.loss < $1.loss })
        #expect(try ModelFile(opening: run.plan.best).model.step == 100 + best.step)
        for validation in validations {
          let sum = zip(dataset.tasks, validation.taskLosses).reduce(0) {
            $0 + $1.0.lossWeight * $1.1
          }
          #expect(relativeDifference(validation.loss, sum) < 1e-12)
        }
      }
    }
  }

  @Test func dynamicTrainingKeepsNoModelBeforeItsLastDrop() throws {
    try withScenes(4, tasks: [.seg, .depth]) { dataset in
      try withFolder { folder in
        let run = try makeRun(folder, dataset, steps: 8, validateEvery: 1)
        #expect(try run.run { _ in })
        let best = try ModelFile(opening: run.plan.best).model
        let last = try ModelFile(opening: run.plan.output).model
        #expect(best.step >= 106)
        func kept(_ model: Model) -> Int {
          model.masks.reduce(0) { $0 + $1.values.reduce(0) { $0 + Int($1) } }
        }
        #expect(kept(best) == kept(last))
      }
    }
  }
}
