// Surface normals: cosine loss, angles.

import Foundation
import Torch

/// A direction per pixel, as three channels that need not have unit length.
public struct Normals: TaskKind {
  public let name: String
  public var channels: Int { 3 }

  public init(name: String) { self.name = name }

  /// 1 − mean cosine similarity between the normalised prediction and target, in 0...2.
  public func loss(_ prediction: Tensor, _ target: Target) throws -> Tensor? {
    guard let (target, valid) = try matching(prediction, target) else { return nil }
    let cosines = try cosines(prediction, target)
    let similarity = try (cosines * target.valid).sum() * (1 / valid)
    return try Tensor.full(1, shape: []).to(prediction.device) - similarity
  }

  /// N×H×W.
  func cosines(_ prediction: Tensor, _ target: Target) throws -> Tensor {
    try (prediction.to(.float32).normalized(along: 1) * target.values.normalized(along: 1))
      .sum(over: 1)
  }

  public func makeMetrics() -> any TaskMetrics { NormalsMetrics(self) }
}

struct NormalsMetrics: TaskMetrics {
  /// Share of pixels (percent) whose angle is below so many degrees.
  private static let thresholds: [(name: String, degrees: Float)] = [
    ("within_11.25", 11.25), ("within_22.5", 22.5), ("within_30", 30), ("within_45", 45),
  ]

  private static let bins = 1 << 20
  /// Degrees.
  private static let binWidth = 180 / Double(bins)

  private let task: Normals
  /// Pixels by angle, for the median.
  private var histogram = [Int](repeating: 0, count: Self.bins)
  private var within: [Int]
  private var count = 0
  private var sum = 0.0

  init(_ task: Normals) {
    self.task = task
    within = Self.thresholds.map { _ in 0 }
  }

  mutating func add(_ prediction: Tensor, _ target: Target) throws {
    let cosines = try task.cosines(prediction, target).array(of: Float.self)
    let valid = try target.valid.array(of: Float.self)
    for (cosine, valid) in zip(cosines, valid) where valid > 0 {
      let angle = acos(min(max(cosine, -1), 1)) * 180 / .pi
      count += 1
      sum += Double(angle)
      histogram[min(Int(Double(angle) / Self.binWidth), Self.bins - 1)] += 1
      for (index, threshold) in Self.thresholds.enumerated() where angle < threshold.degrees {
        within[index] += 1
      }
    }
  }

  /// The angle of the pixel with so many others below it, to within half a bin.
  private func angle(ofRank rank: Int) -> Double {
    var below = 0
    let bin = histogram.firstIndex {
      below += $0
      return below > rank
    }
    return (Double(bin ?? 0) + 0.5) * Self.binWidth
  }

  var values: [Metric] {
    guard count > 0 else {
      return (["angle_mean", "angle_median"] + Self.thresholds.map(\.name)).map {
        Metric($0, .nan)
      }
    }
    let median = (angle(ofRank: (count - 1) / 2) + angle(ofRank: count / 2)) / 2
    return [Metric("angle_mean", sum / Double(count)), Metric("angle_median", median)]
      + zip(Self.thresholds, within).map { threshold, within in
        Metric(threshold.name, 100 * Double(within) / Double(count))
      }
  }
}
