// A tiny experiment from rendered scenes to the report.

import Foundation
import HDF5
import Testing

@Suite(.serialized) struct ExperimentTests {
  @Test("The merged network has the sparsity that was asked for, to the weight")
  func sparsity() throws {
    let masks = try Experiment.run().folder.open("masks.h5")
    let sparsity: Double = try masks.attribute("sparsity")
    let weights = try masks.doubles("layers/weights").reduce(0, +)
    let kept = try masks.doubles("layers/kept").reduce(0, +)
    #expect(abs(kept - 0.1 * weights) <= 0.5)
    #expect(sparsity == 1 - kept / weights)
    let values = try masks.group("masks").datasetNames().flatMap { try masks.floats("masks/\($0)") }
    #expect(Double(values.count) == weights)
    #expect(Double(values.filter { $0 == 1 }.count) == kept)
  }

  @Test("A head's weights take their own task's mask, shared ones the tasks' union")
  func union() throws {
    let masks = try Experiment.run().folder.open("masks.h5")
    for layer in try masks.group("masks").datasetNames() {
      let votes = try masks.group("task_masks").groupNames().compactMap { task in
        masks.contains("task_masks/\(task)/\(layer)")
          ? try masks.floats("task_masks/\(task)/\(layer)") : nil
      }
      #expect(votes.count == (layer.hasPrefix("backbone.") ? Experiment.tasks.count : 1))
      let merged = try masks.floats("masks/" + layer)
      #expect(
        merged.indices.allSatisfy { weight in
          merged[weight] == (votes.contains { $0[weight] == 1 } ? 1 : 0)
        })
    }
  }

  @Test(
    "Pruned weights are 0 in the trained model, the others are not, and none was in the dense one")
  func prunedWeights() throws {
    let folder = try Experiment.run().folder
    let (sparse, dense) = (try folder.open("disparse.h5"), try folder.open("dense.h5"))
    #expect(!dense.contains("masks"))
    for layer in try sparse.group("masks").datasetNames() {
      let weights = try sparse.floats("parameters/" + layer)
      let masks = try sparse.floats("masks/" + layer)
      #expect(zip(weights, masks).allSatisfy { ($0 != 0) == ($1 == 1) }, "\(layer)")
      #expect(try dense.floats("parameters/" + layer).allSatisfy { $0 != 0 }, "\(layer)")
    }
  }

  @Test("A sparse model's weights take fewer bytes than a dense one's")
  func storedBytes() throws {
    let folder = try Experiment.run().folder
    func bytes(_ name: String) throws -> UInt64 {
      let group = try folder.open(name).group("parameters")
      return try group.datasetNames().reduce(0) { try $0 + group.dataset($1).storageSize() }
    }
    #expect(try bytes("disparse.h5") < bytes("dense.h5") / 2)
  }

  @Test("The file of a sparse model is smaller than a dense one's, masks and all")
  func fileSize() throws {
    let folder = try Folder()
    try folder.add(Experiment.run().folder.path("dataset.h5"), as: "dataset.h5")
    // Not too tiny, since a file's structure takes some hundred kilobytes.
    let network = "--stages 1,1,1,1 --width 16 --head-width 32 --threads 1"
    try folder.succeed(
      .scoreImportance,
      "--data dataset.h5 \(network) --batches 1 --batch-size 1 -o scores.h5")
    try folder.succeed(.mergeMasks, "scores.h5 --sparsity 0.9 -o masks.h5")
    try folder.succeed(
      .sparseTrain, "--data dataset.h5 --masks masks.h5 --steps 0 --threads 1 -o sparse.h5")
    try folder.succeed(.sparseTrain, "--data dataset.h5 \(network) --steps 0 -o dense.h5")
    #expect(try folder.bytes("sparse.h5").count < folder.bytes("dense.h5").count / 2)
  }

  @Test("Metrics are finite, or not measured, and sizes add up")
  func metrics() throws {
    for model in ["dense", "disparse"] {
      let file = try Experiment.run().folder.open(model + "-metrics.h5")
      #expect(try file.group("metrics").groupNames() == Experiment.tasks.sorted())
      for task in Experiment.tasks {
        for metric in try file.group("metrics/" + task).datasetNames() {
          let value = try file.doubles("metrics/\(task)/\(metric)")
          // Without a correct pixel, or a depth above 0, these have no value.
          let mayLack = ["miou_published", "rmse_log10"].contains(metric)
          #expect(
            value.count == 1 && (value[0].isFinite || mayLack && value[0].isNaN),
            "\(task) \(metric)")
        }
      }
      let (parameters, kept): (Int, Int) = (
        try file.attribute("parameters"), try file.attribute("kept")
      )
      #expect((kept == parameters) == (model == "dense"))
      let confusion = try file.doubles("confusion/seg").reduce(0, +)
      #expect(confusion > 0 && confusion <= 3 * 32 * 48)
    }
  }

  @Test("The report has a headline, every task, and pictures inside it")
  func report() throws {
    let report = try Experiment.run().folder.text("report.html")
    #expect(report.hasPrefix("<!DOCTYPE html>"))
    #expect(report.contains("<h1>DiSparse: dense · disparse</h1>"))
    for task in Experiment.tasks { #expect(report.contains(">\(task)<"), "\(task)") }
    let pictures = report.matches(of: #/src="data:image/png;base64,([A-Za-z0-9+/=]+)"/#)
    // Per image itself, and per task the target, and two predictions with their errors.
    #expect(pictures.count == 3 * (1 + Experiment.tasks.count * 5))
    let signature: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]
    #expect(
      pictures.allSatisfy {
        Data(base64Encoded: String($0.1))?.starts(with: signature) == true
      })
    #expect(report.matches(of: #/(src|href)="(?!data:)/#).isEmpty, "it stands alone")
    #expect(!report.contains("{{"))
  }

  @Test("metrics.h5 has what the page shows: the tasks' choices, the losses, units, the commands")
  func pageMaterial() throws {
    let folder = try Experiment.run().folder
    let (masks, metrics) = (try folder.open("masks.h5"), try folder.open("disparse-metrics.h5"))
    for name in try masks.group("layers").datasetNames() where name != "name" {
      let (made, shown) = (
        try masks.doubles("layers/" + name), try metrics.doubles("layers/" + name)
      )
      #expect(zip(made, shown).allSatisfy { $0 == $1 || $0.isNaN && $1.isNaN }, "\(name)")
    }
    let watershed: String = try masks.group("layers").attribute("watershed")
    #expect(try metrics.group("layers").attribute("watershed") == watershed)
    #expect(try metrics.group("layers").attribute("tasks") == Experiment.tasks)
    #expect(
      try metrics.doubles("history/loss") == folder.open("disparse.h5").doubles("history/loss"))
    #expect(try metrics.dataset("samples/target/depth").attribute("units") == "m")
    let dense = try folder.open("dense-metrics.h5")
    #expect(try !dense.group("layers").hasAttribute("total_iou"))
    let report = try folder.text("report.html")
    let commands = report.matches(of: #/<li><code>([a-z-]+) /#).map { String($0.1) }
    #expect(
      commands == [
        "prepare-data", "sparse-train", "sparse-train", "evaluate", "score-importance",
        "merge-masks", "sparse-train", "evaluate", "evaluate",
      ])
  }

  @Test(
    "A model that is trained on with its masks keeps how the tasks chose them; a dense one forgets")
  func trainedOn() throws {
    let folder = try Folder()
    for name in ["dataset.h5", "disparse.h5"] {
      try folder.add(Experiment.run().folder.path(name), as: name)
    }
    let training = "--data dataset.h5 --model disparse.h5 --steps 1 --batch-size 4 --threads 1"
    try folder.succeed(.sparseTrain, "\(training) --mode static -o on.h5")
    try folder.succeed(.sparseTrain, "\(training) --mode dense -o dense.h5")
    let choices = try folder.open("disparse.h5").doubles("layers/density_seg")
    let kept = try folder.open("on.h5").doubles("layers/density_seg")
    #expect(zip(choices, kept).allSatisfy { $0 == $1 || $0.isNaN && $1.isNaN })
    #expect(try !folder.open("dense.h5").contains("layers"))
  }

  @Test("The comparison has every metric of every task, and a change for each")
  func comparison() throws {
    let folder = try Experiment.run().folder
    let outcome = try folder.succeed(.evaluate, "compare dense-metrics.h5 disparse-metrics.h5")
    let rows = outcome.stdout.split(separator: "\n").map { $0.split(separator: " ") }
    #expect(rows[0] == ["task", "metric", "constant", "dense", "disparse"])
    let metrics = try folder.open("dense-metrics.h5").group("metrics")
    for task in Experiment.tasks {
      let order: [String] = try metrics.group(task).attribute("order")
      #expect(rows.filter { $0[0] == task }.map { String($0[1]) } == order)
    }
    #expect(rows.contains { $0.starts(with: ["all", "sparsity", "0.0", "%", "90.0", "%"]) })
    #expect(rows.last?.starts(with: ["all", "ΔT"]) == true)
  }

  @Test("Without a model, training draws the weights again that the scores were taken of")
  func redrawnWeights() throws {
    let folder = try Folder()
    try folder.add(Experiment.run().folder.path("dataset.h5"), as: "dataset.h5")
    try folder.succeed(
      .scoreImportance,
      "--data dataset.h5 --stages 1,1,1,1 --width 2 --head-width 4 --batches 1 --batch-size 2 "
        + "--seed 5 --threads 1 -o scores.h5")
    try folder.succeed(.mergeMasks, "scores.h5 --sparsity 0.5 -o masks.h5")
    try folder.succeed(
      .sparseTrain, "--data dataset.h5 --masks masks.h5 --steps 0 --threads 1 -o model.h5")
    try folder.succeed(
      .sparseTrain,
      "--data dataset.h5 --stages 1,1,1,1 --width 2 --head-width 4 --steps 0 --seed 5 "
        + "--threads 1 -o initial.h5")
    let (model, initial) = (try folder.open("model.h5"), try folder.open("initial.h5"))
    for layer in try model.group("masks").datasetNames() {
      let masked = zip(
        try initial.floats("parameters/" + layer), try model.floats("masks/" + layer)
      ).map { $0 * $1 }
      #expect(try model.floats("parameters/" + layer) == masked, "\(layer)")
    }
  }
}
