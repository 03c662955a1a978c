// What the tests of Training share: the reference case opened, and small data sets.

import Artifacts
import Datasets
import Graphs
import HDF5
import Networks
import TestSupport
import Testing
import Torch
import Training

let someProvenance = Provenance(createdBy: "tests 1.0", command: "tests", seed: 1)

/// A reference case with its network, ready to run.
struct ReferenceRun {
  let dataset: DatasetFile
  let model: ModelFile
  let tasks: TaskSet
  /// Batch 0 is images 0 and 1, batch 1 images 2 and 3.
  let source: BatchSource
  let expected: Group

  init(_ reference: ReferenceCase) throws {
    dataset = try DatasetFile(opening: reference.dataset)
    model = try ModelFile(opening: reference.model)
    tasks = try TaskSet(dataset.tasks)
    source = try BatchSource(
      dataset, batchSize: 2, order: .sequential, augments: false, crop: nil, seed: 0)
    expected = try reference.openExpected()
  }

  func network() throws -> Network {
    try Runtime.setThreads(1)
    return try Network(model)
  }

  func masks() throws -> [Mask] {
    let group = try expected.group("static/masks")
    return try group.datasetNames().map {
      let dataset = try group.dataset($0)
      return Mask($0, shape: dataset.shape, try dataset.read(as: UInt8.self))
    }
  }
}

/// Opens a data set of rendered scenes; its file is gone afterwards.
func withScenes<R>(
  _ count: Int, tasks: [SceneTask], height: Int = 33, width: Int = 48,
  _ body: (DatasetFile) throws -> R
) throws -> R {
  try withFolder { folder in
    let path = folder + "/scenes.h5"
    try writeSceneDataset(
      SceneDatasetOptions(
        counts: [(.train, count), (.validation, 3)],
        size: PixelSize(height: height, width: width), tasks: tasks, seed: 5, threads: 1),
      to: path, provenance: someProvenance, progress: { _, _ in })
    return try body(DatasetFile(opening: path))
  }
}

/// Opens a data set of noise with depth and labels, in which each may lack all ground truth.
func withNoise<R>(
  depthIsKnown: Bool, classesAreKnown: Bool, _ body: (DatasetFile) throws -> R
) throws -> R {
  try withFolder { folder in
    let path = folder + "/noise.h5"
    let writer = try DatasetWriter(
      path,
      tasks: [
        DatasetTask(name: "seg", kind: .segmentation, channels: 3, lossWeight: 1),
        DatasetTask(name: "depth", kind: .regression, channels: 1, lossWeight: 2),
      ],
      storage: [
        .init(.uint8, TargetEncoding(fillValue: 255)),
        .init(.float32, TargetEncoding(fillValue: -1)),
      ], provenance: someProvenance)
    var random = SeededRandom(1)
    let pixels = 32 * 32
    try writer.begin(.train, count: 4, height: 32, width: 32)
    for _ in 0..<4 {
      try writer.append(
        Sample(
          height: 32, width: 32,
          image: (0..<pixels * 3).map { _ in .random(in: 0...255, using: &random) },
          targets: [
            TargetMap(
              values: (0..<pixels).map { _ in Float(Int.random(in: 0..<3, using: &random)) },
              valid: [Bool](repeating: classesAreKnown, count: pixels)),
            TargetMap(
              values: random.floats(pixels, in: 1..<5),
              valid: [Bool](repeating: depthIsKnown, count: pixels)),
          ]))
    }
    try writer.finish()
    return try body(DatasetFile(opening: path))
  }
}

func sequential(_ dataset: DatasetFile, batchSize: Int) throws -> BatchSource {
  try BatchSource(
    dataset, batchSize: batchSize, order: .sequential, augments: false, crop: nil, seed: 0)
}

/// A small network for a data set's tasks.
func smallNetwork(_ dataset: DatasetFile, dropout: Double = 0, seed: UInt64 = 1) throws -> Network {
  // The tests run beside each other, so each keeps to one thread.
  try Runtime.setThreads(1)
  return try Network(
    Architecture(
      SceneNet(
        stages: [1, 1, 1, 1], width: 4, headWidth: 8, dropout: dropout,
        heads: Head.of(dataset.tasks))), seed: seed)
}

func settings(steps: Int, rate: Double = 1e-3, seed: UInt64 = 1) -> TrainingSettings {
  TrainingSettings(
    steps: steps, learningRate: rate, weightDecay: 5e-4, decayEvery: nil, decay: 1,
    machine: Machine(), seed: seed)
}

/// Trains to the last step.
@discardableResult
func train(
  _ network: Network, engine: EngineKind = .dense, tasks: TaskSet, on source: BatchSource,
  masks: [Mask], settings: TrainingSettings
) throws -> (history: TrainingHistory, empty: EmptyTargets) {
  let trainer = try Trainer(
    network, engine: engine, tasks: tasks, on: source, masks: masks, settings: settings)
  for step in 1...max(1, settings.steps) where step <= settings.steps {
    #expect(try trainer.advance().step == step)
  }
  return (trainer.history, trainer.empty)
}
