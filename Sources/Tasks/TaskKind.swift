// What every kind of task offers, and the kinds that there are.

import Torch

/// The kinds of task by the word that files have for them. A new kind is a file beside this one and a
/// line here.
private let kinds: [String: any TaskKind.Type] = [
  "segmentation": Segmentation.self,
  "normals": Normals.self,
  "regression": Regression.self,
]

/// One task of a multi-task network: all that depends on its kind.
public protocol TaskKind: Sendable {
  init(_ description: TaskDescription)

  var name: String { get }
  /// Channels that its head predicts.
  var channels: Int { get }
  /// Values per pixel of its targets, and of its decoded predictions.
  var targetChannels: Int { get }

  // MARK: Training

  /// The target of a batch as the loss takes it.
  ///
  /// - Parameters:
  ///   - values: float32 N×H×W×targetChannels, 0 where there is no ground truth.
  ///   - valid: where there is ground truth: float32 N×H×W, 1 or 0.
  func target(_ values: Tensor, valid: Tensor) throws -> Target

  /// What the pixels of a target count for in the loss, all together: their number, or the sum of
  /// their classes' weights.
  func weight(_ target: Target) throws -> Double

  /// The loss of a batch as a scalar: a sum over the pixels with ground truth, divided by what they
  /// count for. Of a part of a batch it is that part's share, whose sum over the parts is the loss.
  ///
  /// - Parameters:
  ///   - prediction: N×channels×h×w.
  ///   - target: at the prediction's resolution, ``matching(_:_:)``.
  ///   - weight: ``weight(_:)`` of the whole batch, above 0.
  func loss(_ prediction: Tensor, _ target: Target, weight: Double) throws -> Tensor

  // MARK: Metrics

  /// Everything that may be reported of a task of this kind.
  var measures: [Measure] { get }
  /// The measure that stands for the task where there is room for one.
  var headline: Measure { get }

  /// An empty account of this task's metrics, to be fed batch by batch.
  func makeMetrics() -> any TaskMetrics

  // MARK: Constant baseline

  /// What an image's target looks like at some of its pixels.
  ///
  /// - Parameters:
  ///   - target: H×W×targetChannels.
  ///   - pixels: places in H×W that have ground truth.
  func observe(_ target: [Float], at pixels: [Int]) -> Observations

  /// The prediction with the smallest loss among those that are the same for every pixel: a value per
  /// channel.
  func constant(fittedTo observations: Observations) -> [Float]

  // MARK: Decoding and drawing

  /// A prediction, N×channels×H×W, in the target's form: N×H×W×targetChannels.
  func decoded(_ prediction: Tensor) throws -> [Float]

  /// The colour of one pixel of a target or of a decoded prediction.
  ///
  /// - Parameters:
  ///   - values: the pixel's, all of them finite.
  ///   - range: of the image's target.
  func colour(of values: ArraySlice<Float>, in range: ValueRange) -> Colour

  /// How wrong each pixel of a decoded prediction is, H×W; NaN without ground truth.
  ///
  /// - Parameters:
  ///   - prediction: H×W×targetChannels.
  ///   - target: H×W×targetChannels, NaN without ground truth.
  func errors(of prediction: ArraySlice<Float>, _ target: ArraySlice<Float>) -> [Float]

  /// The error at which the colours of error maps end.
  ///
  /// - Parameter maps: the errors that are shown beside each other.
  func largestError(in maps: [[Float]]) -> Float

  /// What the colours of an image's maps mean.
  ///
  /// - Parameters:
  ///   - range: of the image's target.
  ///   - largestError: where the colours of the error maps end.
  ///   - text: a number with the target's unit.
  func scales(range: ValueRange, largestError: Float, text: (Float) -> String) -> [ColourScale]

  /// The classes with their colours; of a task without classes there are none.
  var classes: [(name: String, colour: Colour)] { get }
}

extension TaskKind {
  public var classes: [(name: String, colour: Colour)] { [] }
}

/// A task as files describe it.
public struct TaskDescription: Sendable {
  public let name: String
  /// Channels that its head predicts.
  public let channels: Int
  /// Names of a segmentation task's classes, where they are known.
  public let classNames: [String]?
  /// A weight per class for loss and error, or nil for equal ones.
  public let classWeights: [Float]?
  /// Which metrics are reported, in the file's word, of a kind that has several sets of them.
  public let metrics: String?

  public init(
    name: String, channels: Int, classNames: [String]? = nil, classWeights: [Float]? = nil,
    metrics: String? = nil
  ) {
    self.name = name
    self.channels = channels
    self.classNames = classNames
    self.classWeights = classWeights
    self.metrics = metrics
  }

  /// The task as one of its kind.
  ///
  /// - Parameter kind: the file's word.
  /// - Throws: ``UnknownTaskKind``.
  public func task(ofKind kind: String) throws -> any TaskKind {
    guard let type = kinds[kind] else { throw UnknownTaskKind(task: name, kind: kind) }
    return type.init(self)
  }
}

/// A word that no kind of task has.
public struct UnknownTaskKind: Error, CustomStringConvertible {
  public let task: String
  public let kind: String

  public var description: String { "task \(task): '\(kind)' is no kind of task" }
}

/// A target for one task over a batch, as its loss takes it.
public struct Target {
  /// The kind's own form, such as classes, int64 N×H×W, or numbers, float32 N×channels×H×W.
  public let values: Tensor
  /// Where there is ground truth: float32 N×H×W, 1 or 0.
  public let valid: Tensor

  public init(values: Tensor, valid: Tensor) {
    self.values = values
    self.valid = valid
  }

  public func to(_ device: Device) throws -> Target {
    Target(values: try values.to(device), valid: try valid.to(device))
  }

  /// Brought to another resolution by nearest neighbour: source = ⌊i · in / out⌋.
  func resized(height: Int, width: Int) throws -> Target {
    Target(
      values: try values.resizedNearest(height: height, width: width),
      valid: try valid.resizedNearest(height: height, width: width))
  }
}

extension TaskKind {
  /// The loss of a whole batch, whose target has any resolution; nil where no pixel counts.
  public func loss(_ prediction: Tensor, _ target: Target) throws -> Tensor? {
    let target = try matching(prediction, target)
    let weight = try weight(target)
    return weight > 0 ? try loss(prediction, target, weight: weight) : nil
  }

  /// The number of pixels with ground truth.
  public func weight(_ target: Target) throws -> Double { try target.valid.sum().item() }

  /// The target at the prediction's resolution.
  public func matching(_ prediction: Tensor, _ target: Target) throws -> Target {
    let shape = prediction.shape
    guard shape.count == 4, shape[1] == channels else {
      throw TorchError("task \(name): expected \(channels) channels, found shape \(shape)")
    }
    return try target.resized(height: shape[2], width: shape[3])
  }
}

/// What targets look like, as far as the best constant prediction depends on it.
public struct Observations: Sendable {
  /// By channel of the prediction, such as the pixels of each class.
  var sums: [Double] = []
  /// Of every pixel.
  var values: [Float] = []

  public mutating func add(_ other: Observations) {
    for (channel, sum) in other.sums.enumerated() { sums[channel] += sum }
    values += other.values
  }
}
