// Metrics: what they are called, which way is better, and how they add up over a data set.

/// Something that is measured of a task's predictions.
public struct Measure: Hashable, Sendable {
  public enum Better: Sendable { case lower, higher }

  public let name: String
  public let better: Better
  /// Whether a change of it counts when two networks are compared.
  public let counts: Bool

  public init(_ name: String, _ better: Better, counts: Bool = true) {
    self.name = name
    self.better = better
    self.counts = counts
  }
}

/// A measure with what was measured.
public struct Metric: Equatable, Sendable {
  public let measure: Measure
  public let value: Double

  public init(_ measure: Measure, _ value: Double) {
    self.measure = measure
    self.value = value
  }

  public var name: String { measure.name }
}

/// Metrics of one task, gathered over a data set.
public protocol TaskMetrics {
  /// Adds images; the numbers are the same on any number of threads.
  ///
  /// - Parameter batchSize: images of a batch, for metrics that are means over batches; the last one
  ///   may be smaller.
  /// - Throws: ``TorchError`` when the prediction is of other images or channels.
  mutating func add(_ prediction: Prediction, _ truth: GroundTruth, batchSize: Int) throws
  /// Takes in what other processes gathered over other images, whose numbers of batches are whole ones.
  /// Counts are exact: a Double counts to 2^53.
  ///
  /// - Parameter processes: gives the sums of numbers over all processes.
  mutating func sum(over processes: ([Double]) -> [Double])
  /// The metrics so far, in the order of the reports; NaN where no pixel counted.
  var values: [Metric] { get }
  /// Ground-truth class by predicted class, row-major; nil for a task without classes.
  var confusion: [Int64]? { get }
}

extension TaskMetrics {
  public var confusion: [Int64]? { nil }
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

  mutating func sum(over processes: ([Double]) -> [Double]) {
    let all = processes([sum, Double(images)])
    (sum, images) = (all[0], Int(all[1]))
  }

  var value: Double { images == 0 ? .nan : sum / Double(images) }
}
