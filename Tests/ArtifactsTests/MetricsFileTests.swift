// metrics.h5.

import Artifacts
import HDF5
import TestSupport
import Testing

@Suite struct MetricsFileTests {
  private let metrics = Metrics(
    split: .validation, images: 30,
    size: NetworkSize(
      sparsity: 0.9, parameters: 1000, kept: 150, flopsDense: 1e12, flopsSparse: 1.5e11,
      bytesDense: 4000, bytesSparse: 900),
    tasks: [
      TaskResult(
        task: "seg", kind: .segmentation,
        metrics: [
          MetricValue("miou", 0.5, constant: 0.1), MetricValue("accuracy", .nan, constant: 0.25),
        ],
        confusion: (2, [1, 2, 3, 4]), classNames: ["wall", "floor"]),
      TaskResult(
        task: "sn", kind: .normals, metrics: [MetricValue("angle_mean", 20, constant: 40)],
        confusion: nil,
        classNames: nil),
    ],
    layers: LayerTable(rows: [.init(name: "w", weights: 10, kept: 3)]),
    samples: ReportSamples(
      count: 1, height: 2, width: 1, images: [1, 2, 3, 4, 5, 6],
      tasks: [
        .init(
          task: "seg", target: SampleMap(values: [1, .nan], channels: 1),
          prediction: SampleMap(values: [0, 1], channels: 1)),
        .init(
          task: "sn", target: SampleMap(values: [0, 0, 1, 1, 0, 0], channels: 3),
          prediction: SampleMap(values: [1, 0, 0, 0, 1, 0], channels: 3), units: "1"),
      ]),
    history: {
      var history = TrainingHistory(tasks: ["seg", "sn"])
      history.steps = [1, 2]
      history.learningRates = [0.1, 0.05]
      history.losses = [3, 2]
      history.taskLosses = [("seg", [1, 0.5]), ("sn", [2, 1.5])]
      history.seconds = [0.5, 1]
      return history
    }(),
    timing: Timing(
      dense: 0.5, sparse: 0.125, batchSize: 4, threads: 2, precision: "float32", processor: "x86"),
    lineage: [
      LineageEntry(name: "model.h5", sha256: "ab", command: "sparse-train -o model.h5", inputs: []),
      LineageEntry(name: "data.h5", sha256: "cd", command: nil, inputs: []),
    ])

  @Test func everythingComesBack() throws {
    try withFolder { folder in
      let path = folder + "/metrics.h5"
      try MetricsFile.write(path, metrics, provenance: someProvenance)
      let reader = try ArtifactReader(opening: path, as: .metrics)
      let read = try MetricsFile.read(reader)
      #expect(read.split == .validation && read.images == 30 && read.size == metrics.size)
      #expect(read.tasks.map(\.task) == ["seg", "sn"])
      #expect(read.tasks.map(\.kind) == [.segmentation, .normals])
      #expect(read.tasks[0].metrics.map(\.name) == ["miou", "accuracy"])
      #expect(read.tasks[0].metrics[0].value == 0.5 && read.tasks[0].metrics[1].value.isNaN)
      #expect(read.tasks[0].metrics.map(\.constant) == [0.1, 0.25])
      #expect(read.tasks[1].metrics == metrics.tasks[1].metrics)
      #expect(read.tasks[0].confusion?.classes == 2)
      #expect(read.tasks[0].confusion?.counts == [1, 2, 3, 4])
      #expect(read.tasks[1].confusion == nil && read.tasks[1].classNames == nil)
      #expect(read.tasks[0].classNames == ["wall", "floor"])
      #expect(read.layers.rows.map(\.kept) == [3])
      let samples = read.samples
      #expect((samples.count, samples.height, samples.width) == (1, 2, 1))
      #expect(samples.images == metrics.samples.images)
      #expect(samples.tasks[0].target.values[0] == 1 && samples.tasks[0].target.values[1].isNaN)
      #expect(samples.tasks[0].prediction.values == [0, 1])
      #expect(samples.tasks[1].target.values == [0, 0, 1, 1, 0, 0])
      #expect(samples.tasks[1].prediction.channels == 3)
      #expect(samples.tasks.map(\.units) == [nil, "1"])
      #expect(read.history?.steps == [1, 2] && read.history?.learningRates == [0.1, 0.05])
      #expect(read.history?.taskLosses.map(\.values) == [[1, 0.5], [2, 1.5]])
      #expect(read.timing == metrics.timing && read.timing != nil)
      #expect(read.lineage == metrics.lineage)
      #expect(try reader.computedDigest() == reader.recordedDigest)
    }
  }

  @Test(arguments: [
    nil,
    Timing(
      dense: 0.5, sparse: nil, batchSize: 1, threads: 1, precision: "bfloat16", processor: nil),
  ])
  func whatWasNotTimedIsAbsent(_ timing: Timing?) throws {
    try withFolder { folder in
      let path = folder + "/metrics.h5"
      try MetricsFile.write(
        path,
        Metrics(
          split: .train, images: 1, size: metrics.size, tasks: metrics.tasks,
          layers: metrics.layers, samples: metrics.samples, timing: timing),
        provenance: someProvenance)
      let reader = try ArtifactReader(opening: path, as: .metrics)
      #expect(try MetricsFile.read(reader).timing == timing)
      let names = try reader.root.attributeNames().filter {
        $0.hasPrefix("seconds_per_image") || $0.hasPrefix("timing_") || $0 == "processor"
      }
      #expect(
        names.sorted()
          == (timing == nil
            ? []
            : [
              "seconds_per_image_dense", "timing_batch_size", "timing_precision", "timing_threads",
            ]))
    }
  }

  @Test func whatDoesNotFitIsNamed() throws {
    func error(_ change: (Group) throws -> Void) throws -> String {
      try withFolder { folder in
        let path = folder + "/metrics.h5"
        let writer = try ArtifactWriter(path, kind: .metrics, provenance: someProvenance)
        try writer.root.setAttribute("split", "train")
        try writer.root.setAttribute("tasks", ["seg"])
        try writer.root.createGroup("metrics/seg").setAttribute("kind", "segmentation")
        try change(writer.root)
        try writer.finish()
        let reader = try ArtifactReader(opening: path)
        let error = failure { _ = try MetricsFile.read(reader) }
        return error.map { "\($0.path): \($0.reason)" } ?? ""
      }
    }
    #expect(
      try error { try $0.setAttribute("split", "holdout") } == "/@split: 'holdout' is no split")
    #expect(
      try error { try $0.group("metrics/seg").setAttribute("kind", "x") }
        == "/metrics/seg@kind: 'x' is no kind of task")
    #expect(
      try error { try $0.group("metrics/seg").setAttribute("order", ["miou"]) }
        == "/metrics/seg/miou: missing dataset")
    #expect(
      try error {
        try $0.group("metrics/seg").setAttribute("order", ["miou"])
        try $0.createDataset("metrics/seg/miou", of: Double.self, shape: [2])
      } == "/metrics/seg/miou: expected one value")
    #expect(
      try error {
        try $0.group("metrics/seg").setAttribute("order", ["miou"])
        try $0.createDataset("metrics/seg/miou", of: Double.self, shape: [])
      } == "/constant/seg/miou: missing dataset")
  }
}
