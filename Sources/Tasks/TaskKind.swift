// What every kind of task offers: a loss to train with and metrics to report.

import Torch

/// A target for one task over a batch, decoded to physical values.
public struct Target {
  /// segmentation: classes, int64 N×H×W; normals: float32 N×3×H×W; regression: float32 N×1×H×W.
  public let values: Tensor
  /// Where there is ground truth: float32 N×H×W, 1 or 0.
  public let valid: Tensor

  public init(values: Tensor, valid: Tensor) {
    self.values = values
    self.valid = valid
  }

  /// Brought to another resolution by nearest neighbour: source = ⌊i · in / out⌋.
  func resized(height: Int, width: Int) throws -> Target {
    Target(
      values: try values.resizedNearest(height: height, width: width),
      valid: try valid.resizedNearest(height: height, width: width))
  }
}

/// One task of a multi-task network.
public protocol TaskKind: Sendable {
  var name: String { get }
  /// Channels that its head predicts.
  var channels: Int { get }

  /// The loss of a batch as a scalar, taken at the prediction's resolution (N×channels×h×w) over the
  /// pixels with ground truth; a batch without any gives nil.
  func loss(_ prediction: Tensor, _ target: Target) throws -> Tensor?

  /// An empty account of this task's metrics, to be fed batch by batch.
  func makeMetrics() -> any TaskMetrics
}

/// Metrics of one task, gathered over a data set.
public protocol TaskMetrics {
  /// Adds images; the numbers are the same on any number of threads.
  ///
  /// - Parameter batchSize: images of a batch, for metrics that are means over batches; the last one
  ///   may be smaller.
  /// - Throws: ``TorchError`` when the prediction is of other images or channels.
  mutating func add(_ prediction: Prediction, _ truth: GroundTruth, batchSize: Int) throws
  /// The metrics so far, in the order of the reports; NaN where no pixel counted.
  var values: [Metric] { get }
  /// Ground-truth class by predicted class, row-major; nil for other kinds.
  var confusion: [Int64]? { get }
}

extension TaskMetrics {
  public var confusion: [Int64]? { nil }
}

/// A number about a task's predictions.
public struct Metric: Equatable, Sendable {
  public let name: String
  public let value: Double

  public init(_ name: String, _ value: Double) {
    self.name = name
    self.value = value
  }
}

/// A mean over batches weighted by their number of images, the published code's way to average
/// numbers that it takes per batch.
struct BatchMean {
  private var sum = 0.0
  private var images = 0

  mutating func add(_ value: Double, images count: Int) {
    sum += value * Double(count)
    images += count
  }

  var value: Double { images == 0 ? .nan : sum / Double(images) }
}

extension TaskKind {
  /// The target at the prediction's resolution with the number of its valid pixels, or nil when
  /// there is none.
  func matching(_ prediction: Tensor, _ target: Target) throws -> (Target, valid: Double)? {
    let shape = prediction.shape
    guard shape.count == 4, shape[1] == channels else {
      throw TorchError("task \(name): expected \(channels) channels, found shape \(shape)")
    }
    let resized = try target.resized(height: shape[2], width: shape[3])
    let valid = try resized.valid.sum().item()
    return valid > 0 ? (resized, valid) : nil
  }
}
