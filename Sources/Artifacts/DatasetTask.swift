// A task as a data set describes it, and how files store each kind of task: all that files need to know
// of the kinds.

/// One task as a data set describes it.
public struct DatasetTask: Equatable, Sendable {
  /// What is predicted for every pixel.
  public enum Kind: String, Sendable, CaseIterable {
    /// A class.
    case segmentation
    /// A direction.
    case normals
    /// A number.
    case regression
  }

  /// What is reported of a task whose kind leaves a choice.
  public enum Metrics: String, Sendable, CaseIterable { case depth, error }

  public let name: String
  public let kind: Kind
  /// Channels that a head predicts: classes, 3, or 1.
  public let channels: Int
  /// The weight of this task's loss in the training loss.
  public let lossWeight: Double
  /// Nil where the kind leaves no choice.
  public let metrics: Metrics?
  public let classNames: [String]?
  public let classWeights: [Float]?

  /// - Parameter metrics: nil means depth's for a task of that name, else the error alone.
  public init(
    name: String, kind: Kind, channels: Int, lossWeight: Double, metrics: Metrics? = nil,
    classNames: [String]? = nil, classWeights: [Float]? = nil
  ) {
    self.name = name
    self.kind = kind
    self.channels = channels
    self.lossWeight = lossWeight
    self.metrics =
      kind.layout.hasMetrics ? metrics ?? (name == "depth" ? .depth : .error) : nil
    self.classNames = classNames
    self.classWeights = classWeights
  }

  /// Values per pixel of a stored target.
  public var targetChannels: Int { kind.targetChannels }

  /// Whether its targets are distances, of which none is 0 or below.
  var isDepth: Bool { metrics == .depth }
}

extension DatasetTask.Kind {
  /// What files hold of each kind.
  fileprivate var layout:
    (channels: ClosedRange<Int>, targetChannels: Int, storesClasses: Bool, hasMetrics: Bool)
  {
    switch self {
    case .segmentation: (1...65535, targetChannels: 1, storesClasses: true, hasMetrics: false)
    case .normals: (3...3, targetChannels: 3, storesClasses: false, hasMetrics: false)
    case .regression: (1...1, targetChannels: 1, storesClasses: false, hasMetrics: true)
    }
  }

  /// As many channels as a head may predict.
  var channels: ClosedRange<Int> { layout.channels }
  /// Values per pixel of a stored map.
  var targetChannels: Int { layout.targetChannels }
  /// Whether targets are classes: whole numbers below the number of channels.
  public var storesClasses: Bool { layout.storesClasses }

  /// The shape of stored maps of so many pixels: N×H×W, or N×H×W×values.
  func shape(_ pixels: [Int]) -> [Int] {
    pixels + (targetChannels == 1 ? [] : [targetChannels])
  }
}
