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

/// Valid pixels of a batch as (prediction, ground truth).
private func validPairs(_ prediction: Tensor, _ target: Target) throws -> [(p: Double, g: Double)] {
  let predicted = try prediction.to(.float32).array(of: Float.self)
  let truth = try target.values.array(of: Float.self)
  let valid = try target.valid.array(of: Float.self)
  return predicted.indices.filter { valid[$0] > 0 }
    .map { (Double(predicted[$0]), Double(truth[$0])) }
}

struct AbsoluteErrorMetrics: TaskMetrics {
  private var error = BatchMean()

  mutating func add(_ prediction: Tensor, _ target: Target) throws {
    let pairs = try validPairs(prediction, target)
    guard !pairs.isEmpty else { return }
    error.add(mean(pairs.map { abs($0.p - $0.g) }), images: prediction.shape[0])
  }

  var values: [Metric] { [Metric("error", error.value)] }
}

/// The measures of Eigen et al. 2014. Absolute and relative errors are means over batches (the
/// published convention); the others are taken over all pixels.
struct DepthMetrics: TaskMetrics {
  private static let ratio = 1.25

  private var absolute = BatchMean()
  private var relative = BatchMean()
  private var squaredRelative = BatchMean()
  private var pixels = 0
  private var squares = 0.0
  private var positive = 0
  private var logSquares = 0.0
  /// Pixels whose ratio to the truth is below 1.25, 1.25², 1.25³.
  private var within = [0, 0, 0]

  mutating func add(_ prediction: Tensor, _ target: Target) throws {
    let pairs = try validPairs(prediction, target)
    guard !pairs.isEmpty else { return }
    let images = prediction.shape[0]
    absolute.add(mean(pairs.map { abs($0.p - $0.g) }), images: images)
    relative.add(mean(pairs.map { abs($0.p - $0.g) / $0.g }), images: images)
    squaredRelative.add(mean(pairs.map { ($0.p - $0.g) * ($0.p - $0.g) / $0.g }), images: images)
    pixels += pairs.count
    for (p, g) in pairs {
      squares += (p - g) * (p - g)
      // A prediction ≤ 0 is outside every δ and has no logarithm.
      guard p > 0, g > 0 else { continue }
      positive += 1
      let log = log10(p) - log10(g)
      logSquares += log * log
      let delta = max(p / g, g / p)
      for k in within.indices where delta < pow(Self.ratio, Double(k + 1)) { within[k] += 1 }
    }
  }

  var values: [Metric] {
    let count = Double(pixels)
    return [
      Metric("absolute_error", absolute.value),
      Metric("relative_error", relative.value),
      Metric("squared_relative_error", squaredRelative.value),
      Metric("rmse", (squares / count).squareRoot()),
      Metric("rmse_log10", (logSquares / Double(positive)).squareRoot()),
      Metric("delta_1.25", 100 * Double(within[0]) / count),
      Metric("delta_1.25^2", 100 * Double(within[1]) / count),
      Metric("delta_1.25^3", 100 * Double(within[2]) / count),
    ]
  }
}
