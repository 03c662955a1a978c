// Semantic segmentation: cross-entropy, mIoU, pixel accuracy.

import Foundation
import Torch

/// A class per pixel.
public struct Segmentation: TaskKind {
  /// The class of pixels without ground truth in ``Target/values``.
  public static let ignored = -1

  public let name: String
  public let channels: Int
  /// A weight per class for loss and error, or nil for equal ones.
  public let classWeights: [Float]?

  public init(name: String, channels: Int, classWeights: [Float]? = nil) {
    self.name = name
    self.channels = channels
    self.classWeights = classWeights
  }

  /// Cross-entropy, (weighted) mean over valid pixels.
  public func loss(_ prediction: Tensor, _ target: Target) throws -> Tensor? {
    guard let (target, _) = try matching(prediction, target), try hasWeight(target) else {
      return nil
    }
    return try crossEntropy(prediction, target)
  }

  /// Whether a pixel's class has a weight; a weighted mean over none that has would be NaN.
  func hasWeight(_ target: Target) throws -> Bool {
    guard let classWeights, classWeights.contains(0) else { return true }
    return try target.values.array(of: Int64.self).contains {
      classWeights.indices.contains(Int($0)) && classWeights[Int($0)] > 0
    }
  }

  func crossEntropy(_ prediction: Tensor, _ target: Target) throws -> Tensor {
    let weights = try classWeights.map {
      try Tensor($0, shape: [$0.count]).to(prediction.device)
    }
    return try prediction.to(.float32).crossEntropy(
      target.values, ignore: Segmentation.ignored, classWeights: weights)
  }

  public func makeMetrics() -> any TaskMetrics { SegmentationMetrics(self) }
}

struct SegmentationMetrics: TaskMetrics {
  private let task: Segmentation
  /// Ground truth × predicted.
  private var counts: [Int64]
  private var accuracy = BatchMean()
  private var error = BatchMean()

  init(_ task: Segmentation) {
    self.task = task
    counts = [Int64](repeating: 0, count: task.channels * task.channels)
  }

  private struct Sums: Summable {
    var valid = 0
    var correct = 0
    /// Of the classes' weights, and of the weighted cross-entropies.
    var weights = 0.0
    var crossEntropy = 0.0

    mutating func add(_ other: Sums) {
      valid += other.valid
      correct += other.correct
      weights += other.weights
      crossEntropy += other.crossEntropy
    }
  }

  mutating func add(_ prediction: Prediction, _ truth: GroundTruth, batchSize: Int) throws {
    let channels = task.channels
    let pairs = try PixelPairs(prediction, truth, channels: (channels, 1))
    let weights = task.classWeights
    let choices = prediction.choices
    let pieces = pairs.inPieces { piece in
      var sums = Sums()
      var confused: [Int] = []
      let classes = truth.values[piece.image]
      let offset =
        prediction.firstValue(ofPixel: piece.image * prediction.plane)
        - piece.image * prediction.plane
      piece.eachPixel { pixel, predicted in
        let (target, choice) = (Int(classes[pixel]), choices[predicted])
        sums.valid += 1
        if target == choice.best { sums.correct += 1 }
        let weight = weights.map { Double($0[target]) } ?? 1
        let logit = prediction.values[predicted + offset + target * prediction.plane]
        sums.weights += weight
        sums.crossEntropy += weight * (choice.logSum - Double(logit))
        confused.append(target * channels + choice.best)
      }
      return (sums, confused)
    }
    for (_, confused) in pieces.joined() { for pair in confused { counts[pair] += 1 } }
    pieces.map { $0.map(\.0) }.forEachBatch(batchSize) { sums, images in
      guard sums.valid > 0 else { return }
      accuracy.add(Double(sums.correct) / Double(sums.valid), images: images)
      // A weighted mean over pixels whose classes all weigh nothing would be NaN.
      if sums.weights > 0 { error.add(sums.crossEntropy / sums.weights, images: images) }
    }
  }

  var confusion: [Int64]? { counts }

  /// Intersection over union per class; nil for a class that occurs neither in the ground truth nor
  /// in the predictions.
  private var classes: [(iou: Double, truth: Int64, correct: Int64)] {
    let n = task.channels
    return (0..<n).map { c in
      let correct = counts[c * n + c]
      let truth = (0..<n).reduce(0) { $0 + counts[c * n + $1] }
      let predicted = (0..<n).reduce(0) { $0 + counts[$1 * n + c] }
      return (Double(correct) / Double(truth + predicted - correct), truth, correct)
    }
  }

  var values: [Metric] {
    let classes = self.classes
    return [
      // The mean over classes that occur in the ground truth.
      Metric("miou", mean(classes.filter { $0.truth > 0 }.map(\.iou))),
      // The mean over classes with a correct pixel, as the published tables were computed.
      Metric("miou_published", mean(classes.filter { $0.correct > 0 }.map(\.iou))),
      Metric("pixel_accuracy", accuracy.value),
      Metric("error", error.value),
    ]
  }
}

func mean(_ values: [Double]) -> Double {
  values.isEmpty ? .nan : values.reduce(0, +) / Double(values.count)
}

extension Prediction {
  /// For each pixel, N×h×w, the class with the largest logit, and the logarithm of the sum of all
  /// logits' exponentials.
  fileprivate var choices: [(best: Int, logSum: Double)] {
    inPieces(of: count * plane) { pixels in
      pixels.map { pixel in
        let first = firstValue(ofPixel: pixel)
        let logits = (0..<channels).lazy.map { values[first + $0 * plane] }
        var best = 0
        for c in 1..<max(channels, 1) where logits[c] > logits[best] { best = c }
        let largest = Double(logits[best])
        let sum = logits.reduce(0) { $0 + exp(Double($1) - largest) }
        return (best, largest + log(sum))
      }
    }.flatMap { $0 }
  }
}
