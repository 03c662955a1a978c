// Surface normals: a direction per pixel.
//
// A mirrored image's normals have their x negated: `signed_x` in the data set says whether its numbers
// have a sign to negate, and augmentation does it.

import Foundation
import Torch

/// A direction per pixel, predicted as three channels that need not have unit length.
public struct Normals: TaskKind {
  public let name: String
  public var channels: Int { 3 }
  public var targetChannels: Int { 3 }

  public init(_ description: TaskDescription) { name = description.name }
}

// MARK: - Training

extension Normals {
  /// Directions, float32 N×3×H×W.
  public func target(_ values: Tensor, valid: Tensor) throws -> Target {
    Target(values: try values.permuted([0, 3, 1, 2]), valid: valid)
  }

  /// 1 − mean cosine similarity between the normalised prediction and target, in 0...2.
  public func loss(_ prediction: Tensor, _ target: Target, weight: Double) throws -> Tensor {
    let cosines = try
      (prediction.to(.float32).normalized(along: 1) * target.values.normalized(along: 1))
      .sum(over: 1)
    return try (target.valid.sum() - (cosines * target.valid).sum()) * (1 / weight)
  }
}

// MARK: - Metrics

extension Measure {
  /// Of the angles between prediction and ground truth, in degrees.
  fileprivate static let meanAngle = Measure("angle_mean", .lower)
  fileprivate static let medianAngle = Measure("angle_median", .lower)
}

extension Normals {
  public var measures: [Measure] {
    [.meanAngle, .medianAngle] + NormalsMetrics.thresholds.map(\.measure)
  }
  public var headline: Measure { .meanAngle }

  public func makeMetrics() -> any TaskMetrics { NormalsMetrics() }
}

struct NormalsMetrics: TaskMetrics {
  /// Share of pixels (percent) whose angle is below so many degrees.
  fileprivate static let thresholds: [(measure: Measure, degrees: Float)] = [
    (Measure("within_11.25", .higher), 11.25), (Measure("within_22.5", .higher), 22.5),
    (Measure("within_30", .higher), 30), (Measure("within_45", .higher), 45),
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
            // A NaN angle makes the mean NaN; the median counts it as the largest.
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

  mutating func sum(over processes: ([Double]) -> [Double]) {
    let mine =
      [Double(sums.count), sums.angle] + (0..<4).map { Double(sums.within[$0]) }
      + histogram.map(Double.init)
    let all = processes(mine)
    sums.count = Int(all[0])
    sums.angle = all[1]
    for threshold in 0..<4 { sums.within[threshold] = Int(all[2 + threshold]) }
    histogram = all[6...].map { Int($0) }
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
      return ([.meanAngle, .medianAngle] + Self.thresholds.map(\.measure)).map {
        Metric($0, .nan)
      }
    }
    let median = (angle(ofRank: (count - 1) / 2) + angle(ofRank: count / 2)) / 2
    return [Metric(.meanAngle, sums.angle / Double(count)), Metric(.medianAngle, median)]
      + Self.thresholds.enumerated().map { index, threshold in
        Metric(threshold.measure, 100 * Double(sums.within[index]) / Double(count))
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

// MARK: - Constant baseline

extension Normals {
  /// The sum of the unit vectors.
  public func observe(_ target: [Float], at pixels: [Int]) -> Observations {
    var sum = [Double](repeating: 0, count: 3)
    for pixel in pixels {
      let normal = target[3 * pixel..<3 * pixel + 3]
      let norm = normal.reduce(0) { $0 + Double($1 * $1) }.squareRoot()
      guard norm > 0 else { continue }
      for (axis, value) in normal.enumerated() { sum[axis] += Double(value) / norm }
    }
    return Observations(sums: sum)
  }

  /// The mean direction, of any length.
  public func constant(fittedTo observations: Observations) -> [Float] {
    observations.sums.map(Float.init)
  }
}

// MARK: - Decoding and drawing

extension Normals {
  /// Unit vectors.
  public func decoded(_ prediction: Tensor) throws -> [Float] {
    try prediction.normalized(along: 1).permuted([0, 2, 3, 1]).array()
  }

  /// A unit vector as (n + 1) / 2.
  public func colour(of values: ArraySlice<Float>, in range: ValueRange) -> Colour {
    let channels = values.map { UInt8(min(max(($0 + 1) / 2, 0), 1) * 255) }
    return Colour(channels[0], channels[1], channels[2])
  }

  /// Angles in degrees.
  public func errors(of prediction: ArraySlice<Float>, _ target: ArraySlice<Float>) -> [Float] {
    let (p, t) = (prediction.startIndex, target.startIndex)
    return (0..<min(prediction.count, target.count) / 3).map { pixel in
      var (dot, a, b): (Float, Float, Float) = (0, 0, 0)
      for axis in 0..<3 {
        let (x, y) = (prediction[p + 3 * pixel + axis], target[t + 3 * pixel + axis])
        dot += x * y
        a += x * x
        b += y * y
      }
      // A target of length 0 is none.
      let cosine = dot / (a * b).squareRoot()
      return cosine.isNaN ? .nan : acos(min(max(cosine, -1), 1)) * 180 / .pi
    }
  }

  /// Larger angles are not told apart.
  public func largestError(in maps: [[Float]]) -> Float { 60 }

  public func scales(range: ValueRange, largestError: Float, text: (Float) -> String)
    -> [ColourScale]
  {
    [ColourScale("error", .inferno, low: "0°", high: "\(Int(largestError))° or more")]
  }
}
