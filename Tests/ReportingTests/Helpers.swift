// What the tests of Reporting share: small metrics files, and their pages.

import Artifacts
import Foundation
import Reporting
import TestSupport

/// A metrics file of two tasks on images of 2×2 pixels, for the tests to vary.
struct SmallMetrics {
  var label = "model"
  var tasks = ["seg", "depth"]
  var classNames: [String]? = ["wall", "floor"]
  var units: String? = "m"
  var sparsity = 0.9
  var miou = 0.5
  /// Metrics of the two tasks besides the mIoU and the relative error.
  var others: [[(String, Double)]] = [[], []]
  /// Shares that each task wants of the two backbone layers; none when empty.
  var choices: [[Double]] = [[0.5, 0.25], [0.25, 0.125]]
  var history: TrainingHistory?
  var timing: Timing?
  var lineage: [LineageEntry] = []

  var metrics: Metrics {
    Metrics(
      split: .validation, images: 12,
      size: NetworkSize(
        sparsity: sparsity, parameters: 12_345, kept: 2345, flopsDense: 2.5e9, flopsSparse: 2.5e8,
        bytesDense: 49_380_000, bytesSparse: 9_380_000),
      tasks: [
        TaskResult(
          task: tasks[0], kind: .segmentation,
          metrics: [MetricValue("miou", miou, constant: 0.1)]
            + others[0].map { MetricValue($0.0, $0.1, constant: 0) }, confusion: (2, [3, 1, 0, 4]),
          classNames: classNames),
        TaskResult(
          task: tasks[1], kind: .regression,
          metrics: [MetricValue("relative_error", 0.25, constant: 0.5)]
            + others[1].map { MetricValue($0.0, $0.1, constant: 0) }, confusion: nil,
          classNames: nil),
      ],
      layers: LayerTable(
        tasks: choices.isEmpty ? [] : tasks,
        rows: [
          row("backbone.conv1.weight", kept: 30, iou: 0.75, choices.map { $0[0] }),
          row("backbone.blocks.0.0.conv1.weight", kept: 10, iou: 0.25, choices.map { $0[1] }),
          row("task1_fc1_c0.conv1.weight", kept: 0, iou: .nan, choices.map { _ in .nan }),
        ],
        totalIoU: choices.isEmpty ? nil : 0.5,
        watershed: choices.isEmpty ? nil : "backbone.blocks.0.0.conv1.weight"),
      samples: ReportSamples(
        count: 1, height: 2, width: 2, images: [UInt8](0..<12),
        tasks: [
          .init(
            task: tasks[0], target: SampleMap(values: [1, .nan, 0, 1], channels: 1),
            prediction: SampleMap(values: [0, 1, 0, 1], channels: 1)),
          .init(
            task: tasks[1], target: SampleMap(values: [1, 2, .nan, 4], channels: 1),
            prediction: SampleMap(values: [1.5, 2, 3, 2], channels: 1), units: units),
        ]),
      history: history, timing: timing, lineage: lineage)
  }

  private func row(_ name: String, kept: Int, iou: Double, _ choices: [Double]) -> LayerTable.Row {
    LayerTable.Row(
      name: name, weights: 40, kept: kept, iou: self.choices.isEmpty ? .nan : iou,
      taskDensities: choices)
  }

  /// As a reader of the file sees it.
  func model(in folder: String) throws -> EvaluatedModel {
    let path = folder + "/\(label)-metrics.h5"
    try MetricsFile.write(
      path, metrics,
      provenance: Provenance(createdBy: "tests 1.0", command: "evaluate --model \(label).h5"))
    return try EvaluatedModel(opening: path)
  }
}

/// A time per image: of the dense engine 50 ms.
func timing(sparse: Double?, threads: Int = 2) -> Timing {
  Timing(
    dense: 0.05, sparse: sparse, batchSize: 4, threads: threads, precision: "float32",
    processor: "Some <Processor> 9000")
}

/// Some steps of training.
func history(tasks: [String] = ["seg", "depth"], steps: Int) -> TrainingHistory {
  var history = TrainingHistory(tasks: tasks)
  history.steps = (0..<steps).map { Int64($0 + 1) }
  history.learningRates = history.steps.map { _ in 1e-3 }
  history.losses = history.steps.map { 1 / Double($0) }
  history.taskLosses = tasks.map { ($0, history.losses) }
  history.seconds = history.steps.map(Double.init)
  return history
}

/// The page of some models.
func page(
  _ models: [SmallMetrics], gnuplot: Gnuplot = Gnuplot(program: "/no/such/gnuplot"),
  command: String = "evaluate compare --report page.html"
) throws -> (html: String, chartsMissing: String?) {
  try withFolder { folder in
    let comparison = try Comparison(models.map { try $0.model(in: folder) })
    return try Report(comparison, command: command, gnuplot: gnuplot).page()
  }
}

let haveGnuplot =
  (try? run("/usr/bin/env", ["gnuplot", "--version"], in: "/"))?.status == 0
