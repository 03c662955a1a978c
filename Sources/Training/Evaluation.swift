// Evaluation: a network's metrics over a split, its size, and some predictions to look at.

import Artifacts
import Collectives
import Datasets
import Formatting
import Graphs
import Networks
import Tasks
import Torch

/// How predictions are brought to the ground truth's resolution.
public enum Upsampling: String, Sendable, CaseIterable {
  /// The published convention.
  case nearest
  case bilinear
}

public struct EvaluationSettings: Sendable {
  public var split: Split
  public var batchSize: Int
  public var upsampling: Upsampling
  /// How many of the split's first images to keep with their predictions.
  public var samples: Int
  public var machine: Machine
  public var engine: EngineChoice
  /// Whether to measure the time per image; under SOURCE_DATE_EPOCH there is none.
  public var measuresTime: Bool

  public init(
    split: Split, batchSize: Int, upsampling: Upsampling, samples: Int, machine: Machine,
    engine: EngineChoice = .auto, measuresTime: Bool = false
  ) {
    self.split = split
    self.batchSize = batchSize
    self.upsampling = upsampling
    self.samples = samples
    self.machine = machine
    self.engine = engine
    self.measuresTime = measuresTime
  }
}

/// Evaluates the model of a file.
///
/// - Parameters:
///   - processes: share the images out; only the first has samples and times.
///   - chosen: called with the engine that runs it.
///   - progress: called with the number of images done, by all processes about.
/// - Throws: ``ArtifactError`` when model and data set do not fit each other, ``EngineError`` when the
///   sparse engine is asked for where it cannot run.
public func evaluate(
  _ file: ModelFile, on dataset: DatasetFile, settings: EvaluationSettings,
  processes: ProcessGroup = .current, chosen: (_ engine: any Engine) -> Void = { _ in },
  progress: (_ done: Int) -> Void
) throws -> Metrics {
  let network = try Network(file, on: settings.machine.device)
  try network.architecture.check(fits: dataset, network: file.reader.path)
  try file.reader.checkMasks(file.model.masks, of: network.graph)
  let tasks = try TaskSet(dataset.tasks)
  let info = try dataset.info(settings.split)
  let kind = try settings.engine.kind(
    for: network.graph, masks: file.model.masks, image: Extent(info.height, info.width),
    on: settings.machine)
  let engine = try network.engine(kind, masks: file.model.masks)
  chosen(engine)
  let machine = settings.machine.running(kind)
  let baseline = try ConstantBaseline(tasks, fittedTo: dataset, threads: readers)
  var metrics = tasks.kinds.map { $0.makeMetrics() }
  var constantMetrics = metrics
  var collector = SampleCollector(
    tasks.kinds, count: processes.isFirst ? min(settings.samples, info.count) : 0)
  // Several batches go through the network at once, each to be measured as a batch of its own.
  let group =
    settings.batchSize * max(1, groupPixels / (info.height * info.width) / settings.batchSize)
  /// Runs the network over some images, a group at a time.
  func predict(_ numbers: Range<Int>, _ body: ([Sample], [Tensor]) throws -> Void) throws {
    let reading = OrderedWork(numbers, threads: readers, ahead: min(group + readers, 64)) {
      try dataset.sample($0, of: info)
    }
    for first in stride(from: numbers.lowerBound, to: numbers.upperBound, by: group) {
      let samples = try (first..<min(first + group, numbers.upperBound)).compactMap { _ in
        try reading.value()
      }
      let images = try Tensor(
        samples.flatMap(\.image), shape: [samples.count, info.height, info.width, 3])
      let predictions = try withPrecision(machine.precision, on: network.device) {
        try engine.predictions(for: network.normalized(images), training: false, using: nil)
      }.map { prediction in
        // The metrics look up the nearest predicted pixel themselves.
        settings.upsampling == .nearest
          ? prediction
          : try prediction.to(.float32).resized(to: Pair(info.height, info.width))
      }
      try body(samples, predictions)
    }
  }
  // Whole batches, since some metrics are means over batches.
  let batches = processes.share(of: (info.count - 1) / settings.batchSize + 1)
  let mine =
    batches.lowerBound
    * settings.batchSize..<min(
      batches.upperBound * settings.batchSize, info.count)
  var done = 0
  try withoutGradients {
    try predict(mine) { samples, predictions in
      for (task, prediction) in predictions.enumerated() {
        let truth = GroundTruth(
          height: info.height, width: info.width, values: samples.map { $0.targets[task].values },
          valid: samples.map { $0.targets[task].valid })
        try metrics[task].add(Prediction(prediction), truth, batchSize: settings.batchSize)
        try constantMetrics[task].add(
          baseline.prediction(ofTask: task, count: samples.count), truth,
          batchSize: settings.batchSize)
      }
      try collector.add(samples, predictions: predictions)
      done += samples.count
      progress(min(done * processes.size, info.count))
    }
    // Samples to look at that are other processes' to measure.
    if processes.isFirst {
      let wanted = min(settings.samples, info.count)
      try predict(min(mine.upperBound, wanted)..<wanted) {
        try collector.add($0, predictions: $1)
      }
    }
  }
  for task in metrics.indices {
    metrics[task].sum(over: processes.sum)
    constantMetrics[task].sum(over: processes.sum)
  }
  let results = dataset.tasks.enumerated().map { index, task in
    TaskResult(
      task: task.name, kind: task.kind,
      metrics: zip(metrics[index].values, constantMetrics[index].values).map {
        MetricValue($0.name, $0.value, constant: $1.value)
      },
      confusion: metrics[index].confusion.map { (task.channels, $0) }, classNames: task.classNames)
  }
  let kept = file.model.masks.keptWeights
  let size = try networkSize(
    network.graph, file, kept: kept, Extent(info.height, info.width))
  let time =
    settings.measuresTime && !Stopwatch.stands && processes.isFirst
    ? try timing(
      of: engine, kind, masks: file.model.masks, on: dataset, info,
      batchSize: min(group, mostTimedImages), machine: settings.machine) : nil
  return Metrics(
    split: settings.split, images: info.count, size: size,
    tasks: results, layers: try layers(network.graph, file, kept: kept),
    components: network.graph.componentSizes(kept: kept), samples: collector.samples(info),
    history: try file.history(tasks: tasks.names),
    timing: time)
}

/// Threads that read images ahead.
private let readers = 2

/// Pixels that go through the network at once: enough that a small network's layers are worth sharing
/// out, and few enough for the memory that a large one's take.
private let groupPixels = 1 << 18

/// Images that go through the network at once when it is timed.
private let mostTimedImages = 4

/// Gathers the first images of a split for the report.
private struct SampleCollector {
  private let tasks: [any TaskKind]
  private let count: Int
  private var images: [UInt8] = []
  private var targets: [[Float]]
  private var predictions: [[Float]]
  private var collected = 0

  init(_ tasks: [any TaskKind], count: Int) {
    self.tasks = tasks
    self.count = count
    targets = tasks.map { _ in [] }
    predictions = tasks.map { _ in [] }
  }

  /// - Parameter predictions: of the samples, at any resolution.
  mutating func add(_ samples: [Sample], predictions: [Tensor]) throws {
    let samples = samples.prefix(count - collected)
    guard let first = samples.first else { return }
    for sample in samples { images += sample.image }
    for (index, task) in tasks.enumerated() {
      for target in samples.map({ $0.targets[index] }) {
        targets[index] += target.values.enumerated().map {
          target.valid[$0.offset / task.targetChannels] ? $0.element : .nan
        }
      }
      let prediction = try predictions[index].selecting(Array(samples.indices), along: 0)
        .to(.float32).resizedNearest(height: first.height, width: first.width)
      self.predictions[index] += try task.decoded(prediction)
    }
    collected += samples.count
  }

  func samples(_ info: DatasetFile.SplitInfo) -> ReportSamples {
    ReportSamples(
      count: collected, height: info.height, width: info.width, images: images,
      tasks: tasks.indices.map { index in
        let channels = tasks[index].targetChannels
        return ReportSamples.TaskMaps(
          task: tasks[index].name,
          target: SampleMap(values: targets[index], channels: channels),
          prediction: SampleMap(values: predictions[index], channels: channels),
          units: info.encoding(ofTask: index).units)
      })
  }
}

/// What the model keeps of each layer, with what the file tells of the tasks' choice.
private func layers(_ graph: Graph, _ file: ModelFile, kept: [String: Int]) throws -> LayerTable {
  let chosen = try file.reader.readLayersIfAny()
  let rows = (chosen?.rows ?? []).map { ($0.name, $0) }
  let byName = Dictionary(rows) { first, _ in first }
  return LayerTable(
    tasks: chosen?.tasks ?? [],
    rows: graph.prunable.map {
      LayerTable.Row(
        name: $0.name, weights: $0.count, kept: kept[$0.name] ?? $0.count,
        iou: byName[$0.name]?.iou ?? .nan,
        taskDensities: byName[$0.name]?.taskDensities
          ?? (chosen?.tasks ?? []).map { _ in .nan })
    },
    totalIoU: chosen?.totalIoU, watershed: chosen?.watershed)
}

/// Of all parameters, and of the multiply-adds of one image; two operations each.
private func networkSize(
  _ graph: Graph, _ file: ModelFile, kept: [String: Int], _ image: Extent
) throws -> NetworkSize {
  var size = (parameters: 0, kept: 0, prunable: 0, pruned: 0)
  var flops = (dense: 0.0, sparse: 0.0)
  let uses = try graph.uses(for: image)
  for parameter in graph.parameters {
    let keptHere = kept[parameter.name] ?? parameter.count
    size.parameters += parameter.count
    size.kept += keptHere
    guard let pixels = uses[parameter.name] else { continue }
    size.prunable += parameter.count
    size.pruned += parameter.count - keptHere
    flops.dense += 2 * Double(parameter.count) * Double(pixels)
    flops.sparse += 2 * Double(keptHere) * Double(pixels)
  }
  return NetworkSize(
    sparsity: Double(size.pruned) / Double(size.prunable), parameters: size.parameters,
    kept: size.kept, flopsDense: flops.dense, flopsSparse: flops.sparse,
    bytesDense: size.parameters * MemoryLayout<Float>.size, bytesSparse: try file.reader.fileSize())
}
