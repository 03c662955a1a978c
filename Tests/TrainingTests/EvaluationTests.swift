// Evaluation: metrics over a split, the network's size, and samples for the report.

import Artifacts
import Datasets
import Foundation
import Graphs
import Networks
import TestSupport
import Testing
import Torch
import Training

@Suite struct EvaluationTests {
  private func withModel<R>(
    masks: [Mask] = [], _ body: (DatasetFile, ModelFile) throws -> R
  ) throws -> R {
    try withScenes(1, tasks: [.seg, .sn, .depth]) { dataset in
      try withFolder { folder in
        let network = try smallNetwork(dataset)
        _ = try train(
          network, tasks: TaskSet(dataset.tasks), on: sequential(dataset, batchSize: 1),
          masks: masks, settings: settings(steps: 0))
        let (parameters, buffers) = try network.snapshot()
        let path = folder + "/model.h5"
        try ModelFile.write(
          path,
          Model(
            architecture: network.architecture.json, step: 0, parameters: parameters,
            buffers: buffers, masks: masks), provenance: someProvenance)
        return try body(dataset, ModelFile(opening: path))
      }
    }
  }

  private func evaluated(
    _ file: ModelFile, _ dataset: DatasetFile, batchSize: Int = 1, samples: Int = 2,
    _ upsampling: Upsampling = .nearest, engine: EngineChoice = .dense,
    precision: Precision = .float32, measuresTime: Bool = false, progress: (Int) -> Void = { _ in }
  ) throws -> Metrics {
    try evaluate(
      file, on: dataset,
      settings: EvaluationSettings(
        split: .validation, batchSize: batchSize, upsampling: upsampling, samples: samples,
        machine: Machine(precision: precision), engine: engine, measuresTime: measuresTime),
      progress: progress)
  }

  private func values(_ metrics: Metrics) -> [String: Double] {
    Dictionary(
      uniqueKeysWithValues: metrics.tasks.flatMap { task in
        task.metrics.map { ("\(task.task)/\($0.name)", $0.value) }
      })
  }

  @Test func theBatchSizeChangesNoMetricThatIsTakenOverAllPixels() throws {
    try withModel { dataset, file in
      var done: [Int] = []
      let one = values(try evaluated(file, dataset) { done.append($0) })
      let two = values(try evaluated(file, dataset, batchSize: 2))
      #expect(done.last == 3 && done == done.sorted())
      for name in [
        "seg/miou", "sn/angle_mean", "sn/angle_median", "sn/within_30", "depth/rmse",
        "depth/delta_1.25",
      ] {
        let (a, b) = (try #require(one[name]), try #require(two[name]))
        #expect(abs(a - b) < 1e-3 * max(1, abs(a)), "\(name)")
      }
    }
  }

  @Test func everyPixelWithGroundTruthIsCountedInTheConfusionMatrix() throws {
    try withModel { dataset, file in
      let metrics = try evaluated(file, dataset)
      let info = try dataset.info(.validation)
      let valid = try (0..<info.count).reduce(0) {
        $0 + (try dataset.sample($1, of: info).targets[0].valid.count { $0 })
      }
      let counts = try #require(metrics.tasks[0].confusion?.counts)
      #expect(counts.reduce(0, +) == Int64(valid))
      #expect(metrics.tasks[0].confusion?.classes == dataset.tasks[0].channels)
      #expect(metrics.tasks[0].classNames == dataset.tasks[0].classNames)
      #expect(metrics.split == .validation && metrics.images == 3)
      #expect(metrics.tasks.map(\.task) == ["seg", "sn", "depth"])
    }
  }

  @Test func theConstantBaselineIsTheBestConstantPrediction() throws {
    try withScenes(1, tasks: [.depth, .seg], height: 9, width: 16) { dataset in
      let metrics = try withFolder { folder in
        let network = try smallNetwork(dataset)
        let (parameters, buffers) = try network.snapshot()
        try ModelFile.write(
          folder + "/model.h5",
          Model(
            architecture: network.architecture.json, step: 0, parameters: parameters,
            buffers: buffers), provenance: someProvenance)
        return try evaluate(
          ModelFile(opening: folder + "/model.h5"), on: dataset,
          settings: EvaluationSettings(
            split: .train, batchSize: 1, upsampling: .nearest, samples: 0, machine: Machine()),
          progress: { _ in })
      }
      let targets = try dataset.sample(0, of: dataset.info(.train)).targets
      func known(_ target: TargetMap) -> [Float] {
        zip(target.values, target.valid).filter(\.1).map(\.0)
      }
      let depths = known(targets[0])
      let best = try #require(
        depths.map { guess in depths.reduce(0) { $0 + Double(abs($1 - guess)) } }.min())
      let error = try #require(metrics.tasks[0].metrics.first { $0.name == "absolute_error" })
      #expect(relativeDifference(error.constant, best / Double(depths.count)) < 1e-5)
      let classes = Dictionary(grouping: known(targets[1]), by: { $0 }).mapValues(\.count)
      let most = try #require(classes.values.max())
      let accuracy = try #require(metrics.tasks[1].metrics.first { $0.name == "pixel_accuracy" })
      #expect(accuracy.constant == Double(most) / Double(known(targets[1]).count))
    }
  }

  @Test func samplesAreTheFirstImagesWithTheirTargets() throws {
    try withModel { dataset, file in
      let samples = try evaluated(file, dataset, batchSize: 2, samples: 3).samples
      let info = try dataset.info(.validation)
      let read = try (0..<3).map { try dataset.sample($0, of: info) }
      #expect((samples.count, samples.height, samples.width) == (3, 33, 48))
      #expect(samples.images == read.flatMap(\.image))
      for (task, maps) in samples.tasks.enumerated() {
        let targets = read.flatMap { sample in
          sample.targets[task].values.enumerated().map { index, value in
            sample.targets[task].valid[index / maps.target.channels] ? value : nil
          }
        }
        #expect(maps.target.values.map { $0.isNaN ? nil : $0 } == targets)
        #expect(maps.prediction.values.count == targets.count)
        #expect(maps.prediction.values.allSatisfy { $0.isFinite })
      }
      for (asked, got) in [(99, 3), (1, 1), (0, 0)] {
        let samples = try evaluated(file, dataset, samples: asked).samples
        #expect(samples.count == got && samples.images.count == got * 33 * 48 * 3)
      }
    }
  }

  @Test func bilinearUpsamplingGivesOtherValuesThanNearest() throws {
    try withModel { dataset, file in
      let nearest = try evaluated(file, dataset).samples.tasks[2].prediction.values
      let bilinear = try evaluated(file, dataset, .bilinear).samples.tasks[2].prediction.values
      #expect(nearest.count == bilinear.count && nearest != bilinear)
      #expect(Set(nearest.prefix(33 * 48)).count <= 5 * 7)
    }
  }

  @Test func theSizeOfADenseNetworkIsCountedByHand() throws {
    try withModel { dataset, file in
      let size = try evaluated(file, dataset).size
      let architecture = try Architecture(json: file.model.architecture)
      let parameters = file.model.parameters.reduce(0) { $0 + $1.values.count }
      #expect(size.parameters == parameters && size.kept == parameters && size.sparsity == 0)
      #expect(size.bytesDense == 4 * parameters)
      let bytes = try FileManager.default.attributesOfItem(atPath: file.reader.path)[.size] as? Int
      #expect(size.bytesSparse == bytes)
      // 33×48 gives 17×24 after the stem, 9×13 after pooling and 5×7 from the second stage on.
      let expected = architecture.graph.prunable.reduce(0) { flops, layer in
        let pixels: Int
        switch layer.name {
        case "backbone.conv1.weight": pixels = 17 * 24
        case let name where name.hasPrefix("backbone.blocks.0."): pixels = 9 * 13
        default: pixels = 5 * 7
        }
        return flops + 2 * layer.count * pixels
      }
      #expect(size.flopsDense == Double(expected) && size.flopsSparse == size.flopsDense)
    }
  }

  @Test func prunedWeightsAreNotCounted() throws {
    let shape = [4, 3, 7, 7]
    let mask = Mask("backbone.conv1.weight", shape: shape, (0..<588).map { $0 < 88 ? 1 : 0 })
    try withModel(masks: [mask]) { dataset, file in
      let metrics = try evaluated(file, dataset)
      let prunable = try Architecture(json: file.model.architecture).graph.prunable
      let total = prunable.reduce(0) { $0 + $1.count }
      #expect(metrics.size.kept == metrics.size.parameters - 500)
      #expect(abs(metrics.size.sparsity - 500 / Double(total)) < 1e-12)
      #expect(metrics.size.flopsDense - metrics.size.flopsSparse == Double(2 * 500 * 17 * 24))
      #expect(metrics.layers.rows.map(\.name) == prunable.map(\.name))
      #expect(metrics.layers.rows[0].kept == 88 && metrics.layers.rows[0].weights == 588)
      #expect(metrics.layers.rows.dropFirst().allSatisfy { $0.kept == $0.weights })
    }
  }

  @Test func theSparseEngineMeasuresTheSame() throws {
    let masks = try withScenes(1, tasks: [.seg, .sn, .depth]) { dataset in
      try randomMasks(of: smallNetwork(dataset), sparsity: 0.7, seed: 1)
    }
    try withModel(masks: masks) { dataset, file in
      let dense = values(try evaluated(file, dataset, engine: .dense))
      for (name, value) in values(try evaluated(file, dataset, engine: .sparse)) {
        let expected = try #require(dense[name])
        // Without a positive prediction there is no logarithm to measure.
        let isClose = abs(value - expected) < 1e-3 * max(1, abs(expected))
        #expect(isClose || (value.isNaN && expected.isNaN), "\(name)")
      }
      let size = Extent(24, 40)
      let image = (0..<3 * 24 * 40).map { UInt8(truncatingIfNeeded: $0 &* 7) }
      let predictions = try [EngineChoice.dense, .sparse].map {
        let predictor = try Predictor(file, machine: Machine(), engine: $0, for: size)
        #expect(predictor.engineKind.rawValue == $0.rawValue)
        return try predictor.predictions(for: image, height: 24, width: 40)
      }
      for (a, b) in zip(predictions[0], predictions[1]) {
        let largest = a.reduce(0) { max($0, abs($1)) }
        #expect(largestDifference(b, a) < 1e-4 * Double(largest))
      }
    }
    try withModel { dataset, file in
      _ = #expect(throws: EngineError.self) { try evaluated(file, dataset, engine: .sparse) }
    }
  }

  @Test func theTimePerImageIsMeasuredByTheEnginesThatCanRun() throws {
    let masks = try withScenes(1, tasks: [.seg, .sn, .depth]) { dataset in
      try randomMasks(of: smallNetwork(dataset), sparsity: 0.7, seed: 1)
    }
    try withModel(masks: masks) { dataset, file in
      #expect(try evaluated(file, dataset).timing == nil)
      for engine in [EngineChoice.dense, .sparse] {
        let metrics = try evaluated(file, dataset, engine: engine, measuresTime: true)
        let timing = try #require(metrics.timing)
        #expect(timing.dense > 0 && timing.sparse.map { $0 > 0 } == true)
        // The split has no more images.
        #expect(timing.batchSize == 3 && timing.precision == "float32" && timing.threads > 0)
      }
      let timing = try #require(
        try evaluated(file, dataset, precision: .bfloat16, measuresTime: true).timing)
      #expect(timing.dense > 0 && timing.precision == "bfloat16")
      #expect(timing.sparse.map { $0 > 0 } == true)
    }
    try withModel { dataset, file in
      let timing = try #require(try evaluated(file, dataset, measuresTime: true).timing)
      #expect(timing.dense > 0 && timing.sparse == nil)
    }
  }

  @Test(
    arguments: [
      // The first round, which is slow, never counts.
      (rounds: [9, 0.1, 0.3, 0.2, 0.1, 0.3, 0.2, 0.1, 0.3, 0.2], median: 0.2),
      (rounds: [9, 5, 4, 6], median: 5),
      // Two seconds are full after four.
      (rounds: [9, 0.25, 0.5, 0.75, 0.5], median: 0.5),
      (rounds: [9, 0.25, 0.25, 0.75, 0.75], median: 0.5),
    ] as [(rounds: [Double], median: Double)])
  func aMedianIsTakenOfAsManyRoundsAsThereIsTimeFor(rounds: [Double], median: Double) {
    var taken = 0
    let found = medianSeconds {
      defer { taken += 1 }
      return taken < rounds.count ? rounds[taken] : .nan
    }
    #expect(abs(found - median) < 1e-12)
    #expect(taken == rounds.count)
  }

  @Test func masksThatDoNotFitTheNetworkAreRefused() throws {
    let inputs: [(mask: Mask, reason: String)] = [
      (
        Mask("backbone.conv1.weight", shape: [700], [UInt8](repeating: 1, count: 700)),
        "/masks/backbone.conv1.weight: expected shape 4×3×7×7, found 700"
      ),
      (
        Mask("backbone.bn1.weight", shape: [4], [1, 1, 0, 1]),
        "/masks/backbone.bn1.weight: not a prunable weight of the network"
      ),
    ]
    for (mask, reason) in inputs {
      try withModel { dataset, file in
        try withFolder { folder in
          var model = file.model
          model.masks = [mask]
          try ModelFile.write(folder + "/model.h5", model, provenance: someProvenance)
          let error = #expect(throws: ArtifactError.self) {
            try evaluated(ModelFile(opening: folder + "/model.h5"), dataset)
          }
          #expect(error.map { "\($0.path): \($0.reason)" } == reason)
        }
      }
    }
  }

  @Test func aDatasetWithOtherTasksIsRefused() throws {
    try withModel { _, file in
      try withScenes(1, tasks: [.seg]) { other in
        _ = #expect(throws: ArtifactError.self) { try evaluated(file, other) }
      }
    }
  }
}
