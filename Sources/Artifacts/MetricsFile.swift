// metrics.h5: how good a network is at each task, how big it is, and some of its predictions.

import Formatting
import HDF5

/// A metric of a model, and of the best constant prediction.
public struct MetricValue: Sendable, Equatable {
  public let name: String
  public let value: Double
  /// What predicting the same for every pixel achieves.
  public let constant: Double

  public init(_ name: String, _ value: Double, constant: Double) {
    self.name = name
    self.value = value
    self.constant = constant
  }
}

/// The metrics of one task.
public struct TaskResult: Sendable {
  public let task: String
  public let kind: DatasetTask.Kind
  /// In the order of the reports.
  public let metrics: [MetricValue]
  /// Classes of a segmentation task: their number, names and confusion (truth × predicted).
  public let confusion: (classes: Int, counts: [Int64])?
  public let classNames: [String]?

  public init(
    task: String, kind: DatasetTask.Kind, metrics: [MetricValue],
    confusion: (classes: Int, counts: [Int64])?, classNames: [String]?
  ) {
    self.task = task
    self.kind = kind
    self.metrics = metrics
    self.confusion = confusion
    self.classNames = classNames
  }
}

/// A target or a prediction as a picture shows it: classes, unit vectors or numbers.
public struct SampleMap: Sendable {
  /// N×H×W×channels.
  public let values: [Float]
  public let channels: Int

  public init(values: [Float], channels: Int) {
    self.values = values
    self.channels = channels
  }
}

/// A few images with targets and predictions, for the report.
public struct ReportSamples: Sendable {
  public struct TaskMaps: Sendable {
    public let task: String
    /// NaN where there is no ground truth.
    public let target: SampleMap
    public let prediction: SampleMap
    /// Of the target's numbers, such as "m".
    public let units: String?

    public init(task: String, target: SampleMap, prediction: SampleMap, units: String? = nil) {
      self.task = task
      self.units = units
      self.target = target
      self.prediction = prediction
    }
  }

  public let count: Int
  public let height: Int
  public let width: Int
  /// N×H×W×3, RGB.
  public let images: [UInt8]
  public let tasks: [TaskMaps]

  public init(count: Int, height: Int, width: Int, images: [UInt8], tasks: [TaskMaps]) {
    self.count = count
    self.height = height
    self.width = width
    self.images = images
    self.tasks = tasks
  }
}

/// The size of a network, dense and as pruned.
public struct NetworkSize: Sendable, Equatable {
  /// Share of pruned weights among the prunable ones.
  public let sparsity: Double
  /// All parameters, and those that are not pruned.
  public let parameters: Int
  public let kept: Int
  /// Floating-point operations of the convolutions for one image, a multiply-add counting two;
  /// `flopsSparse` counts kept weights only.
  public let flopsDense: Double
  public let flopsSparse: Double
  /// Bytes of all parameters as float32.
  public let bytesDense: Int
  /// Bytes of the model file.
  public let bytesSparse: Int

  public init(
    sparsity: Double, parameters: Int, kept: Int, flopsDense: Double, flopsSparse: Double,
    bytesDense: Int, bytesSparse: Int
  ) {
    self.sparsity = sparsity
    self.parameters = parameters
    self.kept = kept
    self.flopsDense = flopsDense
    self.flopsSparse = flopsSparse
    self.bytesDense = bytesDense
    self.bytesSparse = bytesSparse
  }
}

public struct Metrics: Sendable {
  public let split: Split
  public let images: Int
  public let size: NetworkSize
  public let tasks: [TaskResult]
  public let layers: LayerTable
  /// What is left of the weights that tasks share, and of those of each alone.
  public let components: [ComponentSize]
  public let samples: ReportSamples
  /// How the model was trained, where its file tells.
  public let history: TrainingHistory?
  /// The time per image, where it was measured.
  public let timing: Timing?
  /// How the files came about that were measured, as far as they could be followed.
  public var lineage: [LineageEntry]

  public init(
    split: Split, images: Int, size: NetworkSize, tasks: [TaskResult], layers: LayerTable,
    components: [ComponentSize] = [], samples: ReportSamples, history: TrainingHistory? = nil,
    timing: Timing? = nil,
    lineage: [LineageEntry] = []
  ) {
    self.split = split
    self.images = images
    self.size = size
    self.tasks = tasks
    self.layers = layers
    self.components = components
    self.samples = samples
    self.history = history
    self.timing = timing
    self.lineage = lineage
  }
}

public enum MetricsFile {
  public static func write(_ path: String, _ metrics: Metrics, provenance: Provenance) throws {
    let writer = try ArtifactWriter(path, kind: .metrics, provenance: provenance)
    let samples = metrics.samples
    let root = writer.root
    try root.setAttribute("split", metrics.split.rawValue)
    try root.setAttribute("images", metrics.images)
    try root.setAttribute("tasks", metrics.tasks.map(\.task))
    try root.setAttribute("sparsity", metrics.size.sparsity)
    try root.setAttribute("parameters", metrics.size.parameters)
    try root.setAttribute("kept", metrics.size.kept)
    try root.setAttribute("flops_dense", metrics.size.flopsDense)
    try root.setAttribute("flops_sparse", metrics.size.flopsSparse)
    try root.setAttribute("bytes_dense", metrics.size.bytesDense)
    try root.setAttribute("bytes_sparse", metrics.size.bytesSparse)
    if !metrics.components.isEmpty { try writer.write(metrics.components) }
    if let timing = metrics.timing { try writer.write(timing) }
    if !metrics.lineage.isEmpty {
      try root.setAttribute("lineage", try Lineage.json(metrics.lineage))
    }
    for group in ["metrics", "constant", "confusion", "samples"] {
      _ = try root.createGroup(group)
    }
    for task in metrics.tasks {
      try root.createGroup("constant/" + task.task)
      let group = try root.createGroup("metrics/" + task.task)
      try group.setAttribute("kind", task.kind.rawValue)
      // HDF5 lists datasets by name; reports keep this order.
      try group.setAttribute("order", task.metrics.map(\.name))
      if let names = task.classNames { try group.setAttribute("class_names", names) }
    }
    for group in ["samples/target", "samples/prediction"] { _ = try root.createGroup(group) }
    for task in metrics.tasks {
      for metric in task.metrics {
        try writer.write("metrics/\(task.task)/\(metric.name)", [metric.value], shape: [])
        try writer.write("constant/\(task.task)/\(metric.name)", [metric.constant], shape: [])
      }
      if let (classes, counts) = task.confusion {
        try writer.write("confusion/" + task.task, counts, shape: [classes, classes])
      }
    }
    try writer.write(metrics.layers)
    let shape = [samples.count, samples.height, samples.width]
    try writer.write("samples/image", samples.images, shape: shape + [3], .deflate)
    for task in samples.tasks {
      for (kind, map) in [("target", task.target), ("prediction", task.prediction)] {
        try writer.write(
          "samples/\(kind)/\(task.task)", map.values,
          shape: shape + (map.channels == 1 ? [] : [map.channels]), .deflate)
        if let units = task.units {
          try writer.root.dataset("samples/\(kind)/\(task.task)").setAttribute("units", units)
        }
      }
    }
    if let history = metrics.history { try writer.write(history) }
    try writer.finish()
  }

  /// Reads what reports and comparisons show.
  public static func read(_ reader: ArtifactReader) throws -> Metrics {
    let root = reader.root
    let splitName: String = try root.attribute("split")
    guard let split = Split(rawValue: splitName) else {
      throw reader.error("/@split", "'\(splitName)' is no split")
    }
    let names: [String] = try root.attribute("tasks")
    guard Set(names).count == names.count else {
      throw reader.error("/@tasks", "names a task twice")
    }
    let tasks = try names.map { try task($0, in: reader) }
    return Metrics(
      split: split, images: try count("images", in: reader), size: try size(in: reader),
      tasks: tasks,
      layers: try reader.readLayers(), components: try reader.readComponents(),
      samples: try samples(tasks, in: reader),
      history: try reader.readHistory(tasks: names), timing: try reader.readTiming(),
      lineage: root.hasAttribute("lineage")
        ? Lineage.entries(json: try root.attribute("lineage")) : [])
  }

  private static func count(_ name: String, upTo limit: Int? = nil, in reader: ArtifactReader)
    throws -> Int
  {
    let limit = limit ?? ArtifactReader.largestCount
    return try reader.checkCount(reader.root.attribute(name), upTo: limit, "/@" + name)
  }

  private static func size(in reader: ArtifactReader) throws -> NetworkSize {
    let operations = 0...1e30
    let parameters = try count("parameters", in: reader)
    return NetworkSize(
      sparsity: try reader.number("sparsity", in: 0...1), parameters: parameters,
      kept: try count("kept", upTo: parameters, in: reader),
      flopsDense: try reader.number("flops_dense", in: operations),
      flopsSparse: try reader.number("flops_sparse", in: operations),
      bytesDense: try count("bytes_dense", in: reader),
      bytesSparse: try count("bytes_sparse", in: reader))
  }

  private static func task(_ name: String, in reader: ArtifactReader) throws -> TaskResult {
    let group = try reader.root.group("metrics/" + name)
    let kindName: String = try group.attribute("kind")
    guard let kind = DatasetTask.Kind(rawValue: kindName) else {
      throw reader.error("/metrics/\(name)@kind", "'\(kindName)' is no kind of task")
    }
    let order: [String] = try group.attribute("order")
    guard Set(order).count == order.count else {
      throw reader.error("/metrics/\(name)@order", "names a metric twice")
    }
    func value(_ path: String) throws -> Double {
      let values = try reader.root.dataset(path).read(as: Double.self)
      guard values.count == 1 else { throw reader.error("/" + path, "expected one value") }
      return values[0]
    }
    let metrics = try order.map { metric in
      MetricValue(
        metric, try value("metrics/\(name)/\(metric)"),
        constant: try value("constant/\(name)/\(metric)"))
    }
    var confusion: (Int, [Int64])?
    if reader.root.contains("confusion/" + name) {
      let dataset = try reader.root.dataset("confusion/" + name)
      let classes = dataset.shape.first ?? 0
      guard (1...65535).contains(classes), dataset.shape == [classes, classes] else {
        throw reader.error(
          dataset.path,
          "expected as many rows as columns, found shape \(Format.shape(dataset.shape))")
      }
      let counts = try dataset.read(as: Int64.self)
      // Their sum is a number of pixels, too.
      var left = ArtifactReader.largestCount
      for count in counts { left -= try reader.checkCount(Int(count), upTo: left, dataset.path) }
      confusion = (classes, counts)
    }
    return TaskResult(
      task: name, kind: kind, metrics: metrics, confusion: confusion,
      classNames: group.hasAttribute("class_names") ? try group.attribute("class_names") : nil)
  }

  private static func samples(_ tasks: [TaskResult], in reader: ArtifactReader) throws
    -> ReportSamples
  {
    let image = try reader.root.dataset("samples/image")
    guard image.shape.count == 4, image.shape[3] == 3,
      image.shape[1...2].allSatisfy({ $0 <= 65536 })
    else {
      throw reader.error(
        image.path, "expected shape N×H×W×3, found \(Format.shape(image.shape))")
    }
    let pixels = Array(image.shape.dropLast())
    func map(_ path: String, _ kind: DatasetTask.Kind) throws -> SampleMap {
      let dataset = try reader.root.dataset(path)
      let expected = kind.shape(pixels)
      guard dataset.shape == expected else {
        throw reader.error(
          dataset.path,
          "expected shape \(Format.shape(expected)), found \(Format.shape(dataset.shape))")
      }
      return SampleMap(
        values: try dataset.read(as: Float.self), channels: kind.targetChannels)
    }
    return ReportSamples(
      count: pixels[0], height: pixels[1], width: pixels[2],
      images: try image.read(as: UInt8.self),
      tasks: try tasks.map {
        let target = try reader.root.dataset("samples/target/" + $0.task)
        return ReportSamples.TaskMaps(
          task: $0.task, target: try map("samples/target/" + $0.task, $0.kind),
          prediction: try map("samples/prediction/" + $0.task, $0.kind),
          units: target.hasAttribute("units") ? try target.attribute("units") : nil)
      })
  }
}
