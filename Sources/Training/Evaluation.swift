// Evaluation: a network's metrics over a split, its size, and some predictions to look at.

import Artifacts
import Datasets
import Formatting
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
  /// Images of the split's beginning to keep with their predictions.
  public var samples: Int
  public var machine: Machine

  public init(
    split: Split, batchSize: Int, upsampling: Upsampling, samples: Int, machine: Machine
  ) {
    self.split = split
    self.batchSize = batchSize
    self.upsampling = upsampling
    self.samples = samples
    self.machine = machine
  }
}

/// Evaluates the model of a file.
///
/// - Parameter progress: called with the number of images done.
public func evaluate(
  _ file: ModelFile, on dataset: DatasetFile, settings: EvaluationSettings,
  progress: (_ done: Int) -> Void
) throws -> Metrics {
  let network = try SceneNet(file, on: settings.machine.device)
  try network.architecture.check(
    fits: dataset.reader, tasks: dataset.tasks, network: file.reader.path)
  let tasks = TaskSet(dataset.tasks)
  let info = try dataset.info(settings.split)
  let baseline = try ConstantBaseline(fittedTo: dataset)
  var metrics = tasks.kinds.map { $0.makeMetrics() }
  var constantMetrics = metrics
  var collector = SampleCollector(dataset.tasks, count: min(settings.samples, info.count))
  try withoutGradients {
    try BatchSource.batches(of: dataset, split: settings.split, batchSize: settings.batchSize) {
      batch, first in
      let tensors = try TensorBatch(batch, tasks: dataset.tasks, on: settings.machine.device)
      let predictions = try withPrecision(settings.machine.precision, on: network.device) {
        try network.predictions(
          for: network.normalized(tensors.images), training: false, using: nil)
      }
      let resized = try predictions.map { prediction in
        let prediction = try prediction.to(.float32)
        return switch settings.upsampling {
        case .nearest:
          try prediction.resizedNearest(height: batch.height, width: batch.width)
        case .bilinear:
          try prediction.resizedBilinear(height: batch.height, width: batch.width)
        }
      }
      for (task, prediction) in resized.enumerated() {
        try metrics[task].add(prediction, tensors.targets[task])
        let constant = try baseline.prediction(
          ofTask: task, count: batch.count, height: batch.height, width: batch.width)
        try constantMetrics[task].add(
          constant.to(settings.machine.device), tensors.targets[task])
      }
      try collector.add(batch, first: first, predictions: resized)
      progress(first + batch.count)
    }
  }
  let results = dataset.tasks.enumerated().map { index, task in
    TaskResult(
      task: task.name, kind: task.kind,
      metrics: zip(metrics[index].values, constantMetrics[index].values).map {
        MetricValue($0.name, $0.value, constant: $1.value)
      },
      confusion: metrics[index].confusion.map { (task.channels, $0) }, classNames: task.classNames)
  }
  let size = try networkSize(
    network.architecture, file, height: info.height, width: info.width)
  return Metrics(
    split: settings.split, images: info.count, size: size,
    tasks: results, layers: try layers(network.architecture, file),
    samples: collector.samples(info), history: try file.history(tasks: tasks.names))
}

/// Gathers the first images of a split for the report.
private struct SampleCollector {
  private let tasks: [DatasetTask]
  private let count: Int
  private var images: [UInt8] = []
  private var targets: [[Float]]
  private var predictions: [[Float]]
  private var collected = 0

  init(_ tasks: [DatasetTask], count: Int) {
    self.tasks = tasks
    self.count = count
    targets = tasks.map { _ in [] }
    predictions = tasks.map { _ in [] }
  }

  mutating func add(_ batch: Batch, first: Int, predictions batchPredictions: [Tensor]) throws {
    let wanted = min(batch.count, count - collected)
    guard wanted > 0 else { return }
    let pixels = wanted * batch.height * batch.width
    images += batch.images.prefix(pixels * 3)
    for (index, task) in tasks.enumerated() {
      let target = batch.targets[index]
      targets[index] += target.values.prefix(pixels * target.channels).enumerated().map {
        target.valid[$0.offset / target.channels] > 0 ? $0.element : .nan
      }
      let prediction = batchPredictions[index]
      let shown: [Float]
      switch task.kind {
      case .segmentation:
        shown = try prediction.argmax(over: 1).to(.float32).array()
      case .normals:
        shown = try prediction.normalized(along: 1).permuted([0, 2, 3, 1]).array()
      case .regression:
        shown = try prediction.array()
      }
      predictions[index] += shown.prefix(pixels * target.channels)
    }
    collected += wanted
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

/// Kept weights by the name of their layer.
///
/// - Throws: ``ArtifactError`` for a mask of what is no layer, or of another shape than its layer.
private func keptWeights(_ architecture: Architecture, _ file: ModelFile) throws -> [String: Int] {
  let shapes = Dictionary(architecture.prunable.map { ($0.name, $0.shape) }) { first, _ in first }
  return try file.model.masks.reduce(into: [:]) { kept, mask in
    guard let shape = shapes[mask.name] else {
      throw file.reader.error("/masks/\(mask.name)", "not a prunable weight of the network")
    }
    guard mask.shape == shape else {
      throw file.reader.error(
        "/masks/\(mask.name)",
        "expected shape \(Format.shape(shape)), found \(Format.shape(mask.shape))")
    }
    kept[mask.name] = mask.values.reduce(0) { $0 + Int($1) }
  }
}

/// What the model keeps of each layer, with what the file tells of the tasks' choice.
private func layers(_ architecture: Architecture, _ file: ModelFile) throws -> LayerTable {
  let kept = try keptWeights(architecture, file)
  let chosen = try file.reader.readLayersIfAny()
  let rows = (chosen?.rows ?? []).map { ($0.name, $0) }
  let byName = Dictionary(rows) { first, _ in first }
  return LayerTable(
    tasks: chosen?.tasks ?? [],
    rows: architecture.prunable.map {
      LayerTable.Row(
        name: $0.name, weights: $0.count, kept: kept[$0.name] ?? $0.count,
        iou: byName[$0.name]?.iou ?? .nan,
        taskDensities: byName[$0.name]?.taskDensities
          ?? (chosen?.tasks ?? []).map { _ in .nan })
    },
    totalIoU: chosen?.totalIoU, watershed: chosen?.watershed)
}

private func networkSize(_ architecture: Architecture, _ file: ModelFile, height: Int, width: Int)
  throws -> NetworkSize
{
  let kept = try keptWeights(architecture, file)
  var size = (parameters: 0, kept: 0, prunable: 0, pruned: 0)
  var flops = (dense: 0.0, sparse: 0.0)
  for parameter in architecture.parameters {
    let keptHere = kept[parameter.name] ?? parameter.count
    size.parameters += parameter.count
    size.kept += keptHere
    guard case .convolution(let stride) = parameter.role else { continue }
    size.prunable += parameter.count
    size.pruned += parameter.count - keptHere
    let pixels =
      Architecture.outputSize(of: height, stride: stride)
      * Architecture.outputSize(of: width, stride: stride)
    flops.dense += 2 * Double(parameter.count) * Double(pixels)
    flops.sparse += 2 * Double(keptHere) * Double(pixels)
  }
  return NetworkSize(
    sparsity: Double(size.pruned) / Double(size.prunable), parameters: size.parameters,
    kept: size.kept, flopsDense: flops.dense, flopsSparse: flops.sparse,
    bytesDense: size.parameters * MemoryLayout<Float>.size, bytesSparse: try file.reader.fileSize())
}
