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

  private let task: Normals
  /// Degrees, of every valid pixel so far: the median needs them all.
  private var angles: [Float] = []

  init(_ task: Normals) { self.task = task }

  mutating func add(_ prediction: Tensor, _ target: Target) throws {
    let cosines = try task.cosines(prediction, target).array(of: Float.self)
    let valid = try target.valid.array(of: Float.self)
    for (cosine, valid) in zip(cosines, valid) where valid > 0 {
      angles.append(acos(min(max(cosine, -1), 1)) * 180 / .pi)
    }
  }

  var values: [Metric] {
    let sorted = angles.sorted()
    let count = sorted.count
    let median =
      count == 0 ? .nan : (Double(sorted[(count - 1) / 2]) + Double(sorted[count / 2])) / 2
    return [Metric("angle_mean", mean(sorted.map(Double.init))), Metric("angle_median", median)]
      + Self.thresholds.map { name, degrees in
        let within = sorted.count { $0 < degrees }
        return Metric(name, count == 0 ? .nan : 100 * Double(within) / Double(count))
      }
  }
}
