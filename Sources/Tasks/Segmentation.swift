// Semantic segmentation: cross-entropy, mIoU, pixel accuracy.

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

  mutating func add(_ prediction: Tensor, _ target: Target) throws {
    let truth = try target.values.array(of: Int64.self)
    let predicted = try prediction.argmax(over: 1).array(of: Int64.self)
    var valid = 0
    var correct = 0
    for (truth, predicted) in zip(truth, predicted) where truth != Int64(Segmentation.ignored) {
      counts[Int(truth) * task.channels + Int(predicted)] += 1
      valid += 1
      if truth == predicted { correct += 1 }
    }
    guard valid > 0 else { return }
    let images = prediction.shape[0]
    accuracy.add(Double(correct) / Double(valid), images: images)
    if try task.hasWeight(target) {
      error.add(try task.crossEntropy(prediction, target).item(), images: images)
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
