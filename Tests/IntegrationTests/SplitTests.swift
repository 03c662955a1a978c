// Networks whose tasks part at a layer, from the scores to the report.

import Foundation
import HDF5
import Testing

@Suite(.serialized) struct SplitTests {
  private static let network = "--stages 1,1,1,1 --width 4 --head-width 8"
  private static let training = "--batch-size 4 --no-augment --dropout 0 --threads 1"

  private func makeFolder(_ names: String...) throws -> Folder {
    let folder = try Folder()
    for name in names { try folder.add(Experiment.run().folder.path(name), as: name) }
    return folder
  }

  private func kept(_ file: Group) throws -> Double {
    try file.doubles("layers/kept").reduce(0, +)
  }

  @Test(
    "A split network keeps as many weights as the shared one, and each copy what its task wants")
  func masks() throws {
    let folder = try makeFolder("scores.h5", "masks.h5")
    let outcome = try folder.succeed(
      .mergeMasks, "scores.h5 --sparsity 0.9 --split-at watershed -o split.h5")
    let (shared, split) = (try folder.open("masks.h5"), try folder.open("split.h5"))
    let watershed: String = try shared.group("layers").attribute("watershed")
    #expect(try split.attribute("split_at") == watershed)
    #expect(
      outcome.stdout.contains("the tasks part at \(watershed), and have copies from there on"))
    #expect(try self.kept(split) == self.kept(shared))
    let sparsity: Double = try split.attribute("sparsity")
    let target: Double = try split.attribute("sparsity_target")
    let weights = try split.doubles("layers/weights").reduce(0, +)
    let kept = try self.kept(split)
    #expect(target == 0.9 && sparsity == 1 - kept / weights)
    let (before, after): (String, String) = (
      try shared.attribute("model_sha256"), try split.attribute("model_sha256")
    )
    #expect(before == after)

    var copies = 0
    for layer in try split.group("masks").datasetNames() {
      let votes = try split.group("task_masks").groupNames().compactMap { task in
        split.contains("task_masks/\(task)/\(layer)")
          ? try split.floats("task_masks/\(task)/\(layer)") : nil
      }
      // A copy's name begins with its task's.
      let isCopy = Experiment.tasks.contains { layer.hasPrefix($0 + ".backbone.") }
      #expect(votes.count == (layer.hasPrefix("backbone.") ? Experiment.tasks.count : 1))
      let merged = try split.floats("masks/" + layer)
      #expect(
        merged.indices.allSatisfy { weight in
          merged[weight] == (votes.contains { $0[weight] == 1 } ? 1 : 0)
        }, "\(layer)")
      copies += isCopy ? 1 : 0
    }
    #expect(copies > 0 && copies % Experiment.tasks.count == 0)
  }

  @Test("Copies begin with the original's weights, whether it is a file or drawn again")
  func startingWeights() throws {
    let folder = try makeFolder("dataset.h5", "initial.h5", "scores.h5")
    try folder.succeed(
      .scoreImportance,
      "--data dataset.h5 \(Self.network) --batches 1 --seed 7 \(Self.training) -o drawn-scores.h5")
    let layer = "backbone.blocks.2.0.conv1"
    for (scores, model) in [("scores.h5", "--model initial.h5"), ("drawn-scores.h5", "")] {
      try folder.succeed(
        .mergeMasks, "\(scores) --sparsity 0.8 --split-at \(layer) -o masks.h5")
      try folder.succeed(
        .sparseTrain,
        "--data dataset.h5 \(model) --masks masks.h5 --steps 0 --threads 1 -o model.h5"
      )
      let (start, initial) = (try folder.open("model.h5"), try folder.open("initial.h5"))
      for name in try start.group("parameters").datasetNames() {
        let task = Experiment.tasks.first { name.hasPrefix($0 + ".") }
        let original = name.dropFirst((task.map { $0.count + 1 } ?? 0))
        var expected = try initial.floats("parameters/\(original)")
        if start.contains("masks/" + name) {
          expected = zip(expected, try start.floats("masks/" + name)).map { $0 * $1 }
        }
        #expect(try start.floats("parameters/" + name) == expected, "\(name)")
      }
      let names = try start.group("parameters").datasetNames()
      #expect(Experiment.tasks.allSatisfy { names.contains("\($0).\(layer).weight") })
      #expect(!names.contains(layer + ".weight") && names.contains("backbone.conv1.weight"))
    }
  }

  @Test(
    "A split network is trained, resumed, measured, compared, scored and converted like any other")
  func wayThrough() throws {
    let folder = try makeFolder(
      "dataset.h5", "initial.h5", "scores.h5", "dense-metrics.h5", "disparse-metrics.h5")
    try folder.succeed(
      .mergeMasks, "scores.h5 --sparsity 0.9 --split-at watershed -o masks.h5")
    let masks = "--data dataset.h5 --model initial.h5 --masks masks.h5 --steps 4 \(Self.training)"
    for engine in ["dense", "sparse"] {
      try folder.succeed(.sparseTrain, "\(masks) --engine \(engine) -o split.h5")
      try folder.succeed(
        .evaluate,
        "--data dataset.h5 --model split.h5 --engine \(engine) --threads 1 "
          + "--report report.html -o split-metrics.h5")
    }
    let (model, metrics) = (try folder.open("split.h5"), try folder.open("split-metrics.h5"))
    for layer in try model.group("masks").datasetNames() {
      let weights = try model.floats("parameters/" + layer)
      let mask = try model.floats("masks/" + layer)
      #expect(zip(weights, mask).allSatisfy { $1 == 1 || $0 == 0 })
    }
    #expect(
      try metrics.group("components").dataset("owners").readStrings()
        == ["all tasks"] + Experiment.tasks)
    let kept = try metrics.doubles("components/kept").reduce(0, +)
    #expect(try kept == self.kept(folder.open("masks.h5")))
    let table = try folder.succeed(
      .evaluate, "compare dense-metrics.h5 disparse-metrics.h5 split-metrics.h5 --report all.html"
    ).stdout
    for row in ["density, all tasks", "density, seg", "GFLOPs per image", "parameters kept"] {
      #expect(table.contains(row))
    }
    try folder.succeed(
      .scoreImportance, "--data dataset.h5 --model split.h5 --batches 1 \(Self.training) -o s.h5")
    try folder.succeed(.mergeMasks, "s.h5 --sparsity 0.95 --split-at backbone.conv1 -o m.h5")
    try folder.succeed(
      .sparseTrain,
      "--data dataset.h5 --model split.h5 --masks m.h5 --steps 1 \(Self.training) "
        + "-o twice.h5")
    try folder.succeed(.convertModel, "split.h5 -o split.onnx")
  }

  @Test("Every way to choose how much stays goes with a split")
  func otherWays() throws {
    let folder = try makeFolder("scores.h5")
    for (options, files) in [
      ("--sparsity 0.5,0.9", ["m-0.5.h5", "m-0.9.h5"]), ("--keep-ratio 0.2", ["m.h5"]),
      ("--pattern 2:4", ["m.h5"]), ("--sparsity 0.8 --distribution erk", ["m.h5"]),
      ("--sparsity 0.5 --arbiter majority", ["m.h5"]),
      ("--sparsity 0.9 --min-layer-density 0.02", ["m.h5"]),
    ] {
      try folder.succeed(.mergeMasks, "scores.h5 \(options) -o m.h5")
      let shared = try files.map { try (folder.open($0), kept(folder.open($0))) }
      let watersheds = try shared.map { try $0.0.group("layers").attribute("watershed") as String }
      for splitAt in ["watershed", "backbone.conv1"] {
        try folder.succeed(.mergeMasks, "scores.h5 \(options) --split-at \(splitAt) -o m.h5")
        for (index, file) in files.enumerated() {
          let split = try folder.open(file)
          let layer: String = try split.attribute("split_at")
          #expect(
            layer == (splitAt == "watershed" ? watersheds[index] : "backbone.conv1.weight"))
          if options.contains("--sparsity") {
            #expect(try kept(split) == shared[index].1, "\(options) \(splitAt)")
          }
        }
      }
    }
  }

  @Test("Where a network cannot be split is told")
  func refusals() throws {
    let folder = try makeFolder("dataset.h5", "initial.h5", "scores.h5")
    func line(_ scores: String, _ layer: String) throws -> String {
      let outcome = try folder.run(
        .mergeMasks, "\(scores) --sparsity 0.9 --split-at \(layer) -o m.h5")
      #expect(outcome.status != 0 && outcome.stdout == "")
      return outcome.stderr
    }
    #expect(
      try line("scores.h5", "middle")
        == "merge-masks: --split-at middle: the network has no layer middle to split at\n")
    #expect(
      try line("scores.h5", "task2_fc1_c0.conv1.weight")
        == "merge-masks: --split-at task2_fc1_c0.conv1.weight: the network has layer "
        + "task2_fc1_c0.conv1.weight for task sn alone\n")
    try folder.succeed(
      .scoreImportance,
      "--data dataset.h5 --model initial.h5 --criterion magnitude --joint --threads 1 -o joint.h5")
    #expect(
      try line("joint.h5", "watershed")
        == "merge-masks: --split-at watershed: joint.h5 has joint scores, which tell no tasks apart\n"
    )
    // Masks of a split network for another one.
    try folder.succeed(
      .mergeMasks, "scores.h5 --sparsity 0.5 --split-at backbone.conv1 -o masks.h5")
    try folder.succeed(
      .sparseTrain,
      "--data dataset.h5 --stages 1,1,1,1 --width 2 --head-width 4 --steps 0 -o other.h5")
    let outcome = try folder.run(
      .sparseTrain, "--data dataset.h5 --model other.h5 --masks masks.h5 --steps 0 -o x.h5")
    #expect(outcome.status == 1)
    #expect(
      outcome.stderr == "sparse-train: masks.h5: /@architecture: made for another architecture "
        + "than the model's\n")
  }
}
