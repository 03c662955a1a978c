// Predictions of another resolution than the ground truth, and images cut into pieces and batches.

import Tasks
import TestSupport
import Testing
import Torch

@Suite struct PredictionTests {
  private static let kinds: [any TaskKind] = [
    Segmentation(TaskDescription(name: "seg", channels: 3, classWeights: [1, 0.5, 2])),
    Normals(TaskDescription(name: "sn", channels: 3)),
    Regression(TaskDescription(name: "depth", channels: 1, metrics: "depth")),
    Regression(TaskDescription(name: "edge", channels: 1, metrics: "error")),
  ]

  /// Five images with gaps, of several pieces each.
  private func truth(_ kind: any TaskKind, height: Int = 70, width: Int = 150)
    -> (values: [[Float]], valid: [[Bool]])
  {
    var random = SeededRandom(3)
    let pixels = height * width
    let values = (0..<5).map { _ -> [Float] in
      kind is Segmentation
        ? (0..<pixels).map { _ in Float(Int.random(in: 0..<3, using: &random)) }
        : random.floats(pixels * kind.targetChannels, in: 0.5..<4)
    }
    let valid = (0..<5).map { _ in
      (0..<pixels).map { _ in Int.random(in: 0..<4, using: &random) > 0 }
    }
    return (values, valid)
  }

  private func prediction(_ kind: any TaskKind, height: Int, width: Int) throws -> Tensor {
    var random = SeededRandom(4)
    return try Tensor(
      random.floats(5 * kind.channels * height * width, in: -1..<4),
      shape: [5, kind.channels, height, width])
  }

  @Test("A small prediction is measured as if it had been enlarged by nearest neighbour")
  func smallPrediction() throws {
    for kind in Self.kinds {
      let (values, valid) = truth(kind)
      let truth = GroundTruth(height: 70, width: 150, values: values, valid: valid)
      let small = try prediction(kind, height: 9, width: 19)
      var (looked, enlarged) = (kind.makeMetrics(), kind.makeMetrics())
      try looked.add(Prediction(small), truth, batchSize: 2)
      try enlarged.add(
        Prediction(small.resizedNearest(height: 70, width: 150)), truth, batchSize: 2)
      #expect(looked.values == enlarged.values && looked.confusion == enlarged.confusion)
      #expect(looked.values.allSatisfy { $0.value.isFinite && $0.value != 0 }, "\(kind.name)")
    }
  }

  @Test("Images that come together are measured batch by batch, as those that come one by one")
  func groups() throws {
    for kind in Self.kinds {
      let (values, valid) = truth(kind)
      let tensor = try prediction(kind, height: 9, width: 19)
      for batchSize in [1, 2, 5] {
        var (together, apart) = (kind.makeMetrics(), kind.makeMetrics())
        try together.add(
          Prediction(tensor), GroundTruth(height: 70, width: 150, values: values, valid: valid),
          batchSize: batchSize)
        for first in stride(from: 0, to: 5, by: batchSize) {
          let images = first..<min(first + batchSize, 5)
          try apart.add(
            Prediction(tensor.selecting(Array(images), along: 0)),
            GroundTruth(
              height: 70, width: 150, values: Array(values[images]), valid: Array(valid[images])),
            batchSize: batchSize)
        }
        for (a, b) in zip(together.values, apart.values) {
          #expect(relativeDifference(a.value, b.value) < 1e-12, "\(kind.name) \(a.name)")
        }
        #expect(together.confusion == apart.confusion)
      }
    }
  }

  @Test("A constant prediction is measured as one of its values at every pixel")
  func constant() throws {
    for kind in Self.kinds {
      let (values, valid) = truth(kind)
      let truth = GroundTruth(height: 70, width: 150, values: values, valid: valid)
      let constants = (0..<kind.channels).map { 0.5 + Float($0) }
      let everywhere = constants.flatMap { [Float](repeating: $0, count: 70 * 150) }
      var (constant, full) = (kind.makeMetrics(), kind.makeMetrics())
      try constant.add(Prediction(constant: constants, count: 5), truth, batchSize: 1)
      try full.add(
        Prediction(
          (0..<5).flatMap { _ in everywhere }, count: 5, channels: kind.channels, height: 70,
          width: 150), truth, batchSize: 1)
      #expect(constant.values == full.values && constant.confusion == full.confusion)
    }
  }

  @Test("Predictions that are no numbers give no numbers, and no crash")
  func notNumbers() throws {
    for kind in Self.kinds {
      let (values, valid) = truth(kind)
      for value in [Float.nan, .infinity, -.infinity] {
        var metrics = kind.makeMetrics()
        try metrics.add(
          Prediction(constant: [Float](repeating: value, count: kind.channels), count: 5),
          GroundTruth(height: 70, width: 150, values: values, valid: valid), batchSize: 1)
        let main = metrics.values.first {
          ["error", "angle_mean", "absolute_error"].contains($0.name)
        }
        #expect(main?.value.isFinite == false, "\(kind.name) \(value)")
      }
    }
  }

  @Test("A prediction of other images or channels is an error")
  func mismatch() throws {
    let truth = GroundTruth(height: 1, width: 2, values: [[0, 1]], valid: [[true, true]])
    for kind in Self.kinds {
      var metrics = kind.makeMetrics()
      for constant in [
        try Prediction(constant: [1, 1, 1, 1], count: 1),
        try Prediction(constant: [Float](repeating: 1, count: kind.channels), count: 2),
      ] {
        #expect(throws: TorchError.self) { try metrics.add(constant, truth, batchSize: 1) }
      }
    }
    #expect(throws: TorchError.self) {
      try Prediction([1, 2], count: 1, channels: 1, height: 1, width: 3)
    }
  }
}
