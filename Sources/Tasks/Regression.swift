// Scalar maps (depth, keypoints, edges): absolute error; depth's own metrics.

import Foundation
import Torch

/// A number per pixel.
public struct Regression: TaskKind {
  /// What is reported: the mean absolute error alone, or what is usual for depth.
  public enum Metrics: String, Sendable { case error, depth }

  public let name: String
  public let metrics: Metrics
  public var channels: Int { 1 }

  public init(name: String, metrics: Metrics) {
    self.name = name
    self.metrics = metrics
  }

  /// Mean absolute error over valid pixels, in the target's unit.
  public func loss(_ prediction: Tensor, _ target: Target) throws -> Tensor? {
    guard let (target, valid) = try matching(prediction, target) else { return nil }
    let errors = try (prediction.to(.float32) - target.values).abs().sum(over: 1)
    return try (errors * target.valid).sum() * (1 / valid)
  }

  public func makeMetrics() -> any TaskMetrics {
    switch metrics {
    case .error: AbsoluteErrorMetrics()
    case .depth: DepthMetrics()
    }
  }
}

struct AbsoluteErrorMetrics: TaskMetrics {
  private var error = BatchMean()

  private struct Sums: Summable {
    var count = 0
    var absolute = 0.0

    mutating func add(_ other: Sums) {
      count += other.count
      absolute += other.absolute
    }
  }

  mutating func add(_ prediction: Prediction, _ truth: GroundTruth, batchSize: Int) throws {
    let pieces = try PixelPairs(prediction, truth, channels: (1, 1)).inPieces { piece in
      var sums = Sums()
      let truth = truth.values[piece.image]
      piece.eachPixel { pixel, predicted in
        sums.count += 1
        sums.absolute += abs(Double(prediction.values[predicted]) - Double(truth[pixel]))
      }
      return sums
    }
    pieces.forEachBatch(batchSize) { sums, images in
      guard sums.count > 0 else { return }
      error.add(sums.absolute / Double(sums.count), images: images)
    }
  }

  var values: [Metric] { [Metric("error", error.value)] }
}

/// The measures of Eigen et al. 2014. Absolute and relative errors are means over batches (the
/// published convention); the others are taken over all pixels.
struct DepthMetrics: TaskMetrics {
  private var absolute = BatchMean()
  private var relative = BatchMean()
  private var squaredRelative = BatchMean()
  /// Over all pixels.
  private var total = Sums()

  private struct Sums: Summable {
    var count = 0
    var absolute = 0.0
    var relative = 0.0
    var squaredRelative = 0.0
    var squares = 0.0
    /// Pixels whose prediction has a logarithm, and the squared differences of natural logarithms.
    var positive = 0
    var logSquares = 0.0
    /// Pixels whose ratio to the truth is below 1.25, 1.25², 1.25³.
    var within1 = 0
    var within2 = 0
    var within3 = 0

    mutating func add(_ other: Sums) {
      count += other.count
      absolute += other.absolute
      relative += other.relative
      squaredRelative += other.squaredRelative
      squares += other.squares
      positive += other.positive
      logSquares += other.logSquares
      within1 += other.within1
      within2 += other.within2
      within3 += other.within3
    }

    @inline(__always)
    mutating func add(prediction p: Double, logarithm: Double, truth g: Double) {
      let difference = abs(p - g)
      count += 1
      absolute += difference
      relative += difference / g
      squaredRelative += difference * difference / g
      squares += difference * difference
      // A prediction ≤ 0 is outside every δ and has no logarithm.
      guard p > 0, g > 0 else { return }
      positive += 1
      let log = logarithm - log(g)
      logSquares += log * log
      // As max(p / g, g / p), with one division.
      let ratio = max(p, g) / min(p, g)
      if ratio < 1.25 { within1 += 1 }
      if ratio < 1.25 * 1.25 { within2 += 1 }
      if ratio < 1.25 * 1.25 * 1.25 { within3 += 1 }
    }
  }

  mutating func add(_ prediction: Prediction, _ truth: GroundTruth, batchSize: Int) throws {
    let pairs = try PixelPairs(prediction, truth, channels: (1, 1))
    // A pixel of a smaller prediction stands for many of the ground truth's.
    let logarithms = inPieces(of: prediction.values.count) { pixels in
      prediction.values[pixels].map { log(Double($0)) }
    }.flatMap { $0 }
    let pieces = pairs.inPieces { piece in
      var sums = Sums()
      let truth = truth.values[piece.image]
      piece.eachPixel { pixel, predicted in
        sums.add(
          prediction: Double(prediction.values[predicted]), logarithm: logarithms[predicted],
          truth: Double(truth[pixel]))
      }
      return sums
    }
    pieces.forEachBatch(batchSize) { sums, images in
      guard sums.count > 0 else { return }
      total.add(sums)
      let count = Double(sums.count)
      absolute.add(sums.absolute / count, images: images)
      relative.add(sums.relative / count, images: images)
      squaredRelative.add(sums.squaredRelative / count, images: images)
    }
  }

  var values: [Metric] {
    let count = Double(total.count)
    return [
      Metric("absolute_error", absolute.value),
      Metric("relative_error", relative.value),
      Metric("squared_relative_error", squaredRelative.value),
      Metric("rmse", (total.squares / count).squareRoot()),
      Metric(
        "rmse_log10", (total.logSquares / Double(total.positive)).squareRoot() / log(10.0)),
      Metric("delta_1.25", 100 * Double(total.within1) / count),
      Metric("delta_1.25^2", 100 * Double(total.within2) / count),
      Metric("delta_1.25^3", 100 * Double(total.within3) / count),
    ]
  }
}
