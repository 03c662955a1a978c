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
    let cosines = try
      (prediction.to(.float32).normalized(along: 1) * target.values.normalized(along: 1))
      .sum(over: 1)
    let similarity = try (cosines * target.valid).sum() * (1 / valid)
    return try Tensor.full(1, shape: []).to(prediction.device) - similarity
  }

  public func makeMetrics() -> any TaskMetrics { NormalsMetrics() }
}

struct NormalsMetrics: TaskMetrics {
  /// Share of pixels (percent) whose angle is below so many degrees.
  private static let thresholds: [(name: String, degrees: Float)] = [
    ("within_11.25", 11.25), ("within_22.5", 22.5), ("within_30", 30), ("within_45", 45),
  ]

  private static let bins = 1 << 20
  /// Degrees.
  private static let binWidth = 180 / Double(bins)

  /// Pixels by angle, for the median.
  private var histogram = [Int](repeating: 0, count: Self.bins)
  private var sums = Sums()

  private struct Sums: Summable {
    var count = 0
    var angle = 0.0
    var within = SIMD4<Int>()

    mutating func add(_ other: Sums) {
      count += other.count
      angle += other.angle
      within &+= other.within
    }
  }

  mutating func add(_ prediction: Prediction, _ truth: GroundTruth, batchSize: Int) throws {
    let pairs = try PixelPairs(prediction, truth, channels: (3, 3))
    let directions = prediction.directions
    let limits = SIMD4(Self.thresholds.map(\.degrees))
    let pieces = pairs.inPieces { piece in
      var sums = Sums()
      var within = SIMD4<Int32>()
      var bins: [Int32] = []
      truth.values[piece.image].withUnsafeBufferPointer { truth in
        directions.withUnsafeBufferPointer { directions in
          piece.eachPixel { pixel, predicted in
            let target = SIMD3(truth[3 * pixel], truth[3 * pixel + 1], truth[3 * pixel + 2])
            let cosine = (directions[predicted] * target.normalized).sum()
            let angle = acos(min(max(cosine, -1), 1)) * 180 / .pi
            sums.count += 1
            sums.angle += Double(angle)
            within &+= SIMD4<Int32>.zero.replacing(with: 1, where: angle .< limits)
            // An angle that is no number makes the mean none; the median takes it for the largest.
            bins.append(
              angle.isNaN
                ? Int32(Self.bins - 1)
                : Int32(min(Int(Double(angle) / Self.binWidth), Self.bins - 1)))
          }
        }
      }
      sums.within = SIMD4(truncatingIfNeeded: within)
      return (sums, bins)
    }
    for (sums, bins) in pieces.joined() {
      self.sums.add(sums)
      for bin in bins { histogram[Int(bin)] += 1 }
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
    let count = sums.count
    guard count > 0 else {
      return (["angle_mean", "angle_median"] + Self.thresholds.map(\.name)).map {
        Metric($0, .nan)
      }
    }
    let median = (angle(ofRank: (count - 1) / 2) + angle(ofRank: count / 2)) / 2
    return [Metric("angle_mean", sums.angle / Double(count)), Metric("angle_median", median)]
      + Self.thresholds.enumerated().map { index, threshold in
        Metric(threshold.name, 100 * Double(sums.within[index]) / Double(count))
      }
  }
}

extension Prediction {
  /// The unit vectors of a prediction of three channels, N×h×w.
  fileprivate var directions: [SIMD3<Float>] {
    inPieces(of: count * plane) { pixels in
      pixels.map { pixel in
        let first = firstValue(ofPixel: pixel)
        return SIMD3(values[first], values[first + plane], values[first + 2 * plane]).normalized
      }
    }.flatMap { $0 }
  }
}

extension SIMD3<Float> {
  /// Divided by the length, or by 1e-12 where that is more.
  fileprivate var normalized: Self { self / Swift.max((self * self).sum().squareRoot(), 1e-12) }
}
