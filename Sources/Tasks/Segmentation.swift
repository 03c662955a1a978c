// Semantic segmentation: a class per pixel.

import Foundation
import Torch

/// A class per pixel, predicted as a logit per class.
public struct Segmentation: TaskKind {
  public let name: String
  public let channels: Int
  public var targetChannels: Int { 1 }
  /// A weight per class for loss and error, or nil for equal ones.
  public let classWeights: [Float]?
  private let classNames: [String]?
  private let palette: Palette

  public init(_ description: TaskDescription) {
    name = description.name
    channels = description.channels
    classWeights = description.classWeights
    classNames = description.classNames
    palette = Palette(classes: channels, names: classNames)
  }
}

// MARK: - Training

extension Segmentation {
  /// The class of pixels without ground truth in ``Target/values``.
  public static let ignored = -1

  /// Classes, int64 N×H×W.
  public func target(_ values: Tensor, valid: Tensor) throws -> Target {
    let missing = try Tensor.full(1, shape: []) - valid
    let classes = try values.reshaped(valid.shape) * valid + missing * Double(Self.ignored)
    return Target(values: try classes.to(.int64), valid: valid)
  }

  /// Cross-entropy, (weighted) mean over valid pixels.
  public func loss(_ prediction: Tensor, _ target: Target, weight: Double) throws -> Tensor {
    let weights = try classWeights.map {
      try Tensor($0, shape: [$0.count]).to(prediction.device)
    }
    return try prediction.to(.float32).crossEntropy(
      target.values, ignore: Self.ignored, classWeights: weights, reduction: .sum) * (1 / weight)
  }

  /// The sum of the classes' weights, which are 1 where there are none.
  public func weight(_ target: Target) throws -> Double {
    guard let classWeights else { return try target.valid.sum().item() }
    var pixels = [Int](repeating: 0, count: classWeights.count)
    for target in try target.values.array(of: Int64.self) {
      if pixels.indices.contains(Int(target)) { pixels[Int(target)] += 1 }
    }
    return zip(pixels, classWeights).reduce(0) { $0 + Double($1.0) * Double($1.1) }
  }
}

// MARK: - Metrics

extension Measure {
  /// Intersection over union, 0...1: the mean over classes that occur in the ground truth.
  fileprivate static let miou = Measure("miou", .higher)
  /// The mean over classes with a correct pixel, as the published tables were computed. It rises as a
  /// network gives up rare classes, and so does not count.
  fileprivate static let publishedMIoU = Measure("miou_published", .higher, counts: false)
  /// The share of pixels whose class is right, 0...1.
  fileprivate static let pixelAccuracy = Measure("pixel_accuracy", .higher)
  /// The (weighted) mean cross-entropy.
  fileprivate static let crossEntropy = Measure("error", .lower)
}

extension Segmentation {
  public var measures: [Measure] { [.miou, .publishedMIoU, .pixelAccuracy, .crossEntropy] }
  public var headline: Measure { .miou }

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

  mutating func sum(over processes: ([Double]) -> [Double]) {
    counts = processes(counts.map(Double.init)).map { Int64($0) }
    accuracy.sum(over: processes)
    error.sum(over: processes)
  }

  var confusion: [Int64]? { counts }

  /// Per class: intersection over union (NaN for a class that occurs neither in the ground truth nor in
  /// the predictions), pixels of the ground truth, and correct pixels.
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
      Metric(.miou, mean(classes.filter { $0.truth > 0 }.map(\.iou))),
      Metric(.publishedMIoU, mean(classes.filter { $0.correct > 0 }.map(\.iou))),
      Metric(.pixelAccuracy, accuracy.value),
      Metric(.crossEntropy, error.value),
    ]
  }
}

private func mean(_ values: [Double]) -> Double {
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

// MARK: - Constant baseline

extension Segmentation {
  /// How many pixels each class has.
  public func observe(_ target: [Float], at pixels: [Int]) -> Observations {
    var counts = [Double](repeating: 0, count: channels)
    for pixel in pixels { counts[Int(target[pixel])] += 1 }
    return Observations(sums: counts)
  }

  /// Logits whose softmax is the classes' frequencies, with one pixel more of each.
  public func constant(fittedTo observations: Observations) -> [Float] {
    observations.sums.map { Float(log($0 + 1)) }
  }
}

// MARK: - Decoding and drawing

extension Segmentation {
  /// The class with the largest logit.
  public func decoded(_ prediction: Tensor) throws -> [Float] {
    try prediction.argmax(over: 1).to(.float32).array()
  }

  public var classes: [(name: String, colour: Colour)] {
    (0..<channels).map { index in
      guard let classNames, classNames.indices.contains(index) else {
        return ("class \(index)", palette[index])
      }
      return (classNames[index], palette[index])
    }
  }

  public func colour(of values: ArraySlice<Float>, in range: ValueRange) -> Colour {
    palette[values.first.flatMap { Int(exactly: $0.rounded()) } ?? -1]
  }

  /// 0 for the right class, 1 for a wrong one.
  public func errors(of prediction: ArraySlice<Float>, _ target: ArraySlice<Float>) -> [Float] {
    zip(prediction, target).map { $1.isNaN ? .nan : $0 == $1 ? 0 : 1 }
  }

  public func largestError(in maps: [[Float]]) -> Float { 1 }

  public func scales(range: ValueRange, largestError: Float, text: (Float) -> String)
    -> [ColourScale]
  {
    [ColourScale("error", .inferno, low: "right", high: "wrong")]
  }
}
