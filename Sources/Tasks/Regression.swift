// Scalar maps: a number per pixel, such as depth, keypoints or edges.

import Foundation
import Torch

/// A number per pixel.
public struct Regression: TaskKind {
  public let name: String
  public var channels: Int { 1 }
  public var targetChannels: Int { 1 }
  /// Whether to report what is usual for depth, rather than the mean absolute error alone.
  private let isDepth: Bool

  /// - Parameter description: its `metrics` are "depth" or "error".
  public init(_ description: TaskDescription) {
    name = description.name
    isDepth = description.metrics == "depth"
  }
}

// MARK: - Training

extension Regression {
  /// Numbers, float32 N×1×H×W.
  public func target(_ values: Tensor, valid: Tensor) throws -> Target {
    Target(values: try values.permuted([0, 3, 1, 2]), valid: valid)
  }

  /// Mean absolute error over valid pixels, in the target's unit.
  public func loss(_ prediction: Tensor, _ target: Target, weight: Double) throws -> Tensor {
    let errors = try (prediction.to(.float32) - target.values).abs().sum(over: 1)
    return try (errors * target.valid).sum() * (1 / weight)
  }
}

// MARK: - Metrics

extension Measure {
  /// The mean absolute error of a task other than depth, in the target's unit.
  fileprivate static let error = Measure("error", .lower)

  /// In the target's unit.
  fileprivate static let absoluteError = Measure("absolute_error", .lower)
  /// As a share of the truth.
  fileprivate static let relativeError = Measure("relative_error", .lower)
  /// The squared error as a share of the truth, in the target's unit.
  fileprivate static let squaredRelativeError = Measure("squared_relative_error", .lower)
  /// The root of the mean squared error, in the target's unit.
  fileprivate static let rmse = Measure("rmse", .lower)
  /// The same of decimal logarithms.
  fileprivate static let rmseLog10 = Measure("rmse_log10", .lower)
  /// Pixels whose ratio to the truth is below 1.25 and its powers, in percent.
  fileprivate static let delta1 = Measure("delta_1.25", .higher)
  fileprivate static let delta2 = Measure("delta_1.25^2", .higher)
  fileprivate static let delta3 = Measure("delta_1.25^3", .higher)
}

extension Regression {
  public var measures: [Measure] {
    [
      .error, .absoluteError, .relativeError, .squaredRelativeError, .rmse, .rmseLog10, .delta1,
      .delta2, .delta3,
    ]
  }
  /// Depth's; of other tasks the error, which is their only metric.
  public var headline: Measure { .relativeError }

  public func makeMetrics() -> any TaskMetrics { isDepth ? DepthMetrics() : AbsoluteErrorMetrics() }
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

  mutating func sum(over processes: ([Double]) -> [Double]) { error.sum(over: processes) }

  var values: [Metric] { [Metric(.error, error.value)] }
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

    mutating func sum(over processes: ([Double]) -> [Double]) {
      let all = processes(
        [absolute, relative, squaredRelative, squares, logSquares]
          + [count, positive, within1, within2, within3].map(Double.init))
      (absolute, relative, squaredRelative) = (all[0], all[1], all[2])
      (squares, logSquares) = (all[3], all[4])
      (count, positive) = (Int(all[5]), Int(all[6]))
      (within1, within2, within3) = (Int(all[7]), Int(all[8]), Int(all[9]))
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
    // Taken once per predicted pixel: of a smaller prediction many pixels share one.
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

  mutating func sum(over processes: ([Double]) -> [Double]) {
    absolute.sum(over: processes)
    relative.sum(over: processes)
    squaredRelative.sum(over: processes)
    total.sum(over: processes)
  }

  var values: [Metric] {
    let count = Double(total.count)
    return [
      Metric(.absoluteError, absolute.value),
      Metric(.relativeError, relative.value),
      Metric(.squaredRelativeError, squaredRelative.value),
      Metric(.rmse, (total.squares / count).squareRoot()),
      Metric(
        .rmseLog10, (total.logSquares / Double(total.positive)).squareRoot() / log(10.0)),
      Metric(.delta1, 100 * Double(total.within1) / count),
      Metric(.delta2, 100 * Double(total.within2) / count),
      Metric(.delta3, 100 * Double(total.within3) / count),
    ]
  }
}

// MARK: - Constant baseline

extension Regression {
  public func observe(_ target: [Float], at pixels: [Int]) -> Observations {
    Observations(values: pixels.map { target[$0] })
  }

  /// The median.
  public func constant(fittedTo observations: Observations) -> [Float] {
    [median(observations.values)]
  }
}

// MARK: - Decoding and drawing

extension Regression {
  public func decoded(_ prediction: Tensor) throws -> [Float] { try prediction.array() }

  public func colour(of values: ArraySlice<Float>, in range: ValueRange) -> Colour {
    ColourMap.viridis.colour(at: range.place(values.first ?? .nan))
  }

  /// Absolute differences.
  public func errors(of prediction: ArraySlice<Float>, _ target: ArraySlice<Float>) -> [Float] {
    zip(prediction, target).map { abs($0 - $1) }
  }

  /// The 95th percentile, rounded up, so that a few wild pixels do not darken all others.
  public func largestError(in maps: [[Float]]) -> Float {
    let known = maps.joined().filter(\.isFinite).sorted()
    guard let last = known.last, last > 0 else { return 1 }
    let percentile = known[min(known.count - 1, known.count * 95 / 100)]
    return roundedUp(percentile > 0 ? percentile : last)
  }

  /// To the next 1, 2 or 5 times a power of ten.
  private func roundedUp(_ value: Float) -> Float {
    let power = pow(10, floor(log10(value)))
    return (([1, 2, 5].first { Float($0) * power >= value * 0.999 }).map(Float.init) ?? 10) * power
  }

  public func scales(range: ValueRange, largestError: Float, text: (Float) -> String)
    -> [ColourScale]
  {
    [
      ColourScale("value", .viridis, low: text(range.low), high: text(range.high)),
      ColourScale("error", .inferno, low: text(0), high: "\(text(largestError)) or more"),
    ]
  }
}
