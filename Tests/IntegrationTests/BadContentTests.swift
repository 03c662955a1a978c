// Files of the right kind with wrong content: one line that names the dataset, and nothing written.

import TestSupport
import Testing

/// A wrong file: which reader meets what, and the line it ends with.
struct Fault: Sendable, CustomTestStringConvertible {
  let name: String
  let reader: Inputs.Reader
  let edit: Edit
  let reason: String

  init(_ name: String, _ reader: Inputs.Reader, _ edit: Edit, _ reason: String) {
    self.name = name
    self.reader = reader
    self.edit = edit
    self.reason = reason
  }

  var testDescription: String { name }
}

@Suite(.serialized) struct BadContentTests {
  private static let weight = "backbone.conv1.weight"
  private static let head = "task2_fc1_c0.conv1.weight"

  private static let missingParts: [Fault] = [
    Fault("no tasks", .data, Edit().removing("/@tasks"), "/@tasks: missing attribute"),
    Fault(
      "no description of a task", .data, Edit().removing("/tasks/sn"), "/tasks/sn: missing group"),
    Fault(
      "no kind", .data, Edit().removing("/tasks/seg@kind"), "/tasks/seg@kind: missing attribute"),
    Fault(
      "no channels", .data, Edit().removing("/tasks/seg@channels"),
      "/tasks/seg@channels: missing attribute"),
    Fault("no training images", .data, Edit().removing("/train"), "/train: missing group"),
    Fault("no images", .data, Edit().removing("/train/image"), "/train/image: missing dataset"),
    Fault("no target", .data, Edit().removing("/train/sn"), "/train/sn: missing dataset"),
    Fault(
      "no architecture", .model, Edit().removing("/@architecture"),
      "/@architecture: missing attribute"),
    Fault(
      "no parameters", .model, Edit().removing("/parameters"), "/parameters: missing group"),
    Fault(
      "a parameter less", .model, Edit().removing("/parameters/\(weight)"),
      "/parameters/\(weight): missing"),
    Fault(
      "a running mean less", .model, Edit().removing("/buffers/backbone.bn1.running_mean"),
      "/buffers/backbone.bn1.running_mean: missing"),
    Fault(
      "no model digest", .scores, Edit().removing("/@model_sha256"),
      "/@model_sha256: missing attribute"),
    Fault(
      "a score less", .scores, Edit().removing("/scores/sn/\(head)"),
      "/scores/sn/\(head): missing dataset"),
    Fault(
      "no masks", .masks, Edit().removing("/masks"), "/masks: missing group"),
    Fault(
      "a mask less", .masks, Edit().removing("/masks/\(weight)"),
      "/masks/\(weight): missing dataset"),
    Fault(
      "no sparsity", .masks, Edit().removing("/@sparsity"), "/@sparsity: missing attribute"),
    Fault(
      "a metric less", .metrics, Edit().removing("/metrics/seg/miou"),
      "/metrics/seg/miou: missing dataset"),
    Fault("no split", .metrics, Edit().removing("/@split"), "/@split: missing attribute"),
  ]

  @Test("Something is missing", arguments: missingParts)
  func missing(_ fault: Fault) throws { try check(fault) }

  private static let misshapedParts: [Fault] = [
    Fault(
      "grey images", .data, Edit().reshaping("/train/image", to: [4, 65, 65]),
      "/train/image: expected shape N×H×W×3, found 4×65×65"),
    Fault(
      "a target a column short", .data, Edit().reshaping("/train/seg", to: [4, 65, 64]),
      "/train/seg: expected shape 4×65×65, found 4×65×64"),
    Fault(
      "fewer targets than images", .data, Edit().reshaping("/train/sn", to: [3, 65, 65, 3]),
      "/train/sn: expected shape 4×65×65×3, found 3×65×65×3"),
    Fault(
      "images of float", .data, Edit().storingAsFloat("/train/image"),
      "/train/image: expected uint8, found float32"),
    Fault(
      "labels of float", .data, Edit().storingAsFloat("/train/seg"),
      "/train/seg: expected uint8 or uint16, found float32"),
    Fault(
      "a parameter of another shape", .model,
      Edit().reshaping("/parameters/\(weight)", to: [4, 3, 5, 5]),
      "/parameters/\(weight): expected shape 4×3×7×7, found 4×3×5×5"),
    Fault(
      "scores of another shape", .scores,
      Edit().reshaping("/scores/seg/\(weight)", to: [4, 3, 7]),
      "/scores/seg/\(weight): expected shape 4×3×7×7, found 4×3×7"),
    Fault(
      "a mask of another shape", .masks, Edit().reshaping("/masks/\(weight)", to: [4, 147]),
      "/masks/\(weight): expected shape 4×3×7×7, found 4×147"),
    Fault(
      "a column of layers cut", .metrics, Edit().reshaping("/layers/kept", to: [3]),
      "/layers/kept: expected 36 rows, found 3"),
  ]

  @Test("Something has another shape or type", arguments: misshapedParts)
  func misshaped(_ fault: Fault) throws { try check(fault) }

  private static let impossibleValues: [Fault] = [
    Fault(
      "a label beyond the classes", .data, Edit().changing("/train/seg", at: 4225 + 7, to: 40),
      "/train/seg: sample 1: label 40 at row 0, column 7 is outside 0...6"),
    Fault(
      "a kind of task that is none", .data, Edit().setting("/tasks/seg@kind", .text("smell")),
      "/tasks/seg@kind: 'smell' is none of segmentation, normals, regression"),
    Fault(
      "normals of two channels", .data, Edit().setting("/tasks/sn@channels", .integer(2)),
      "/tasks/sn@channels: 2 is not in 3...3 as normals needs"),
    Fault(
      "a negative loss weight", .data, Edit().setting("/tasks/sn@loss_weight", .number(-1)),
      "/tasks/sn@loss_weight: -1.0 is not a number ≥ 0"),
    Fault(
      "NaN in a target", .data,
      Edit().storingAsFloat("/train/sn").changing("/train/sn", at: 3 * 5, to: .nan),
      "/train/sn: sample 0: value nan at row 0, column 5 is not a finite number"),
    Fault(
      "infinity in a target", .data,
      Edit().storingAsFloat("/train/sn").changing("/train/sn", at: 3 * 5 + 1, to: .infinity),
      "/train/sn: sample 0: value inf at row 0, column 5 is not a finite number"),
    Fault(
      "NaN in the weights", .model, Edit().changing("/parameters/\(weight)", at: 9, to: .nan),
      "/parameters/\(weight): value 9 is nan"),
    Fault(
      "infinity in the weights", .model,
      Edit().changing("/parameters/\(weight)", at: 0, to: -.infinity),
      "/parameters/\(weight): value 0 is -inf"),
    Fault(
      "NaN in a running variance", .model,
      Edit().changing("/buffers/backbone.bn1.running_var", at: 1, to: .nan),
      "/buffers/backbone.bn1.running_var: value 1 is nan"),
    Fault(
      "no JSON", .model, Edit().setting("/@architecture", .text("scene-net")), "/@architecture: "),
    Fault(
      "NaN in the scores", .scores, Edit().changing("/scores/sn/\(weight)", at: 3, to: .nan),
      "/scores/sn/\(weight): value 3 is nan"),
    Fault(
      "infinity in the scores", .scores,
      Edit().changing("/scores/sn/\(weight)", at: 3, to: .infinity),
      "/scores/sn/\(weight): value 3 is inf"),
    Fault(
      "negative scores", .scores, Edit().changing("/scores/sn/\(head)", at: 8, to: -1),
      "/scores/sn/\(head): value 8 is negative"),
    Fault(
      "scores of another head", .scores, Edit().removing("/scores/sn"),
      "/scores: has the tasks seg, but its architecture is for seg, sn"),
    Fault(
      "a mask of 2", .masks, Edit().changing("/masks/\(weight)", at: 5, to: 2),
      "/masks/\(weight): value 5 is 2, expected 0 or 1"),
    Fault(
      "masks made for other weights", .masks,
      Edit().setting("/@model_sha256", .text(String(repeating: "0", count: 64))),
      "/@model_sha256: made for other weights than the model's (--allow-other-weights accepts them)"
    ),
    Fault(
      "a negative count of images", .metrics, Edit().setting("/@images", .integer(-1)),
      "/@images: -1 is not in 0...9007199254740992"),
    Fault(
      "more kept than there is", .metrics,
      Edit().setting("/@parameters", .integer(10)).setting("/@kept", .integer(11)),
      "/@kept: 11 is not in 0...10"),
    Fault(
      "a sparsity beyond 1", .metrics, Edit().setting("/@sparsity", .number(.infinity)),
      "/@sparsity: inf is not in 0.0...1.0"),
    Fault(
      "an image in less than no time", .metrics,
      Edit().setting("/@seconds_per_image_dense", .number(-1)),
      "/@seconds_per_image_dense: -1.0 is not in 1e-09...1000000000.0"),
    Fault(
      "a layer that keeps more than it has", .metrics,
      Edit().changing("/layers/weights", at: 2, to: 5).changing("/layers/kept", at: 2, to: 6),
      "/layers/kept: 6 is not in 0...5"),
    Fault(
      "a layer of no possible size", .metrics, Edit().changing("/layers/weights", at: 2, to: 1e18),
      "/layers/weights: 1000000000000000000 is not in 0...9007199254740992"),
    Fault(
      "a negative number of pixels", .metrics, Edit().changing("/confusion/seg", at: 0, to: -7),
      "/confusion/seg: -7 is not in 0...9007199254740992"),
    Fault(
      "more pixels than can be", .metrics,
      Edit().changing("/confusion/seg") { $0 = $0.map { _ in 0x1p53 } },
      "/confusion/seg: 9007199254740992 is not in 0...0"),
    Fault(
      "a step before the first", .metrics, Edit().changing("/history/step", at: 0, to: -3),
      "/history/step: -3 is not in 0...9007199254740992"),
    Fault(
      "a task twice", .metrics, Edit().setting("/@tasks", .texts(["seg", "seg"])),
      "/@tasks: names a task twice"),
    Fault(
      "a metric twice", .metrics,
      Edit().setting("/metrics/seg@order", .texts(["miou", "error", "miou"])),
      "/metrics/seg@order: names a metric twice"),
    Fault(
      "a split that is none", .metrics, Edit().setting("/@split", .text("all")),
      "/@split: 'all' is no split"),
  ]

  @Test("Something has an impossible value", arguments: impossibleValues)
  func impossible(_ fault: Fault) throws { try check(fault) }

  private func check(_ fault: Fault) throws {
    let inputs = try Inputs()
    try inputs.folder.edit(fault.reader.file, fault.edit)
    let reason = try inputs.failure(of: fault.reader)
    if fault.reason.hasSuffix(": ") {
      #expect(reason.hasPrefix(fault.reason) && reason.count > fault.reason.count)
    } else {
      #expect(reason == fault.reason)
    }
  }

  @Test("A target that cannot be is named alike by every tool that reads it")
  func everyReader() throws {
    let inputs = try Inputs()
    try inputs.folder.edit(
      "dataset.h5",
      Edit().storingAsFloat("/train/sn").changing("/train/sn", at: 3 * (2 * 65 + 5), to: .nan))
    for (tool, arguments) in [
      (Tool.scoreImportance, Inputs.Reader.data.arguments),
      (
        .sparseTrain,
        "--data dataset.h5 --model model.h5 --steps 1 \(ReferenceRun.batches) -o out.h5"
      ),
      (.evaluate, Inputs.Reader.model.arguments), (.prepareData, "check dataset.h5"),
    ] {
      let reason = try inputs.failure(of: tool, arguments, naming: "dataset.h5")
      #expect(
        reason == "/train/sn: sample 0: value nan at row 2, column 5 is not a finite number",
        "\(tool)")
    }
  }

  @Test("Two files whose tasks differ")
  func otherTasks() throws {
    let inputs = try Inputs()
    try inputs.folder.add(ReferenceCase.all[1].dataset, as: "other.h5")
    let tasks =
      "/@tasks: has the tasks seg (7), depth (1), but FILE is for seg (7), sn (3)"
    for (tool, arguments, file) in [
      (Tool.scoreImportance, "--model model.h5 --batches 1", "model.h5"),
      (.sparseTrain, "--model model.h5 --masks masks.h5 --steps 1", "masks.h5"),
      (.sparseTrain, "--model model.h5 --steps 1", "model.h5"),
      (.evaluate, "--model model.h5 --split train", "model.h5"),
    ] {
      let reason = try inputs.failure(
        of: tool, "--data other.h5 \(arguments) --threads 1 -o out.h5", naming: "other.h5")
      #expect(reason == tasks.replacing("FILE", with: file))
    }
  }

  @Test("Metrics of other tasks than the first's")
  func otherMetrics() throws {
    let inputs = try Inputs()
    try inputs.folder.add(
      ReferenceRun.of(ReferenceCase.all[1]).folder.path("metrics.h5"), as: "other.h5")
    let reason = try inputs.failure(
      of: .evaluate, "compare metrics.h5 other.h5 --report out.html", naming: "other.h5")
    #expect(reason == "/@tasks: has the tasks seg, depth, but metrics.h5 has seg, sn")
  }

  @Test("Masks of another architecture")
  func otherArchitecture() throws {
    let inputs = try Inputs()
    try inputs.folder.succeed(
      .sparseTrain,
      "--data dataset.h5 --stages 1,1,1,1 --width 2 --head-width 4 --steps 0 -o model.h5")
    let reason = try inputs.failure(of: .masks)
    #expect(reason == "/@architecture: made for another architecture than the model's")
  }

  @Test("--allow-other-weights takes masks that were made for other weights")
  func allowOtherWeights() throws {
    let inputs = try Inputs()
    let digest = Edit.Attribute.text(String(repeating: "0", count: 64))
    try inputs.folder.edit("masks.h5", Edit().setting("/@model_sha256", digest))
    try inputs.folder.succeed(
      .sparseTrain, Inputs.Reader.masks.arguments + " --allow-other-weights")
    #expect(try inputs.folder.open("out.h5").contains("masks"))
  }

  @Test("Masks whose weights cannot be drawn again, without a model")
  func unknownWeights() throws {
    let inputs = try Inputs()
    let reason = try inputs.failure(
      of: .sparseTrain,
      "--data dataset.h5 --masks masks.h5 --steps 1 --threads 1 -o out.h5", naming: "masks.h5")
    #expect(
      reason == "/@model_sha256: made for weights that seed 1 does not give; give their --model")
  }

  @Test("A split that the data set does not have")
  func missingSplit() throws {
    let inputs = try Inputs()
    let reason = try inputs.failure(
      of: .evaluate, "--data dataset.h5 --model model.h5 --split test --threads 1 -o out.h5",
      naming: "dataset.h5")
    #expect(reason == "/test: missing; this data set has no such split")
  }

  @Test(
    "A sparsity or keep ratio that cannot be",
    arguments: [
      ("--sparsity 1", "--sparsity 1: must lie in [0, 1)"),
      ("--sparsity 1.5", "--sparsity 1.5: must lie in [0, 1)"),
      ("--sparsity -0.1", "--sparsity -0.1: must lie in [0, 1)"),
      ("--sparsity nan", "--sparsity nan: must lie in [0, 1)"),
      ("--keep-ratio 0", "--keep-ratio 0.0: must lie in (0, 1]"),
      ("--keep-ratio nan", "--keep-ratio nan: must lie in (0, 1]"),
      (
        "--sparsity 0.9 --arbiter at-least:3",
        "--arbiter at-least:3: there are only 2 tasks to vote"
      ),
      (
        "--sparsity 0.9 --arbiter at-least:9223372036854775807",
        "--arbiter at-least:9223372036854775807: there are only 2 tasks to vote"
      ),
      (
        "--sparsity 0.9 --min-layer-density 0.5",
        "scores.h5: a minimum layer density of 0.5 keeps 19478 weights, but sparsity 0.9 leaves only 3896"
      ),
      ("--pattern 3:61", "scores.h5: pattern 3:61 fits no layer: of none do the input channels"),
      (
        "--sparsity 0.5,0.9999",
        "scores.h5: at sparsity 0.9999 no kept weights lead from the image to the prediction of tasks seg, sn"
      ),
      (
        "--keep-ratio 0.0001",
        "scores.h5: at keep ratio 0.0001 no kept weights lead from the image to the prediction of"
      ),
    ])
  func sparsity(_ options: String, _ line: String) throws {
    let folder = try Inputs().folder
    let before = try folder.contents()
    let outcome = try folder.run(.mergeMasks, "scores.h5 \(options) -o out.h5")
    #expect(outcome.status == 1)
    #expect(outcome.stdout == "")
    #expect(outcome.stderr.hasPrefix("merge-masks: " + line))
    #expect(outcome.stderr.filter(\.isNewline).count == 1)
    #expect(try folder.contents() == before)
  }

  @Test("A layer without weights is worth a warning that names it")
  func deadLayers() throws {
    let folder = try Inputs().folder
    let outcome = try folder.succeed(.mergeMasks, "scores.h5 --sparsity 0.98 -o out.h5")
    let lines = outcome.stderr.split(separator: "\n").map(String.init)
    let layers = try folder.open("out.h5").group("layers")
    let kept = zip(try layers.dataset("name").readStrings(), try layers.doubles("kept"))
    let dead = kept.filter { $0.1 == 0 }.map(\.0)
    #expect(!dead.isEmpty)
    #expect(lines == dead.map { "merge-masks: warning: layer \($0) lost all its weights" })
  }

  @Test("A task whose scores are all 0 chooses nothing")
  func silentTask() throws {
    let inputs = try Inputs()
    let layers = try inputs.folder.open("scores.h5").group("scores/sn").datasetNames()
    try inputs.folder.edit(
      "scores.h5",
      layers.reduce(Edit()) { $0.changing("/scores/sn/" + $1) { $0 = $0.map { _ in 0 } } })
    for way in ["--sparsity 0.9", "--keep-ratio 0.1", "--pattern 2:4"] {
      let reason = try inputs.failure(
        of: .mergeMasks, "scores.h5 \(way) -o out.h5", naming: "scores.h5")
      #expect(reason == "task sn: all scores are 0, so there is nothing to choose by")
    }
  }

  @Test("Each task's own share is told where they differ")
  func shares() throws {
    let folder = try Inputs().folder
    func told(_ options: String) throws -> Substring? {
      try folder.succeed(.mergeMasks, "scores.h5 \(options) -o out.h5").stdout
        .split(separator: "\n").last?.split(separator: "; ").last
    }
    #expect(try told("--sparsity 0") == "each task keeps 100.0 % of its network")
    #expect(try told("--keep-ratio 0.25") == "each task keeps 25.0 % of its network")
    #expect(
      try told("--sparsity 0.9 --distribution erk")?.contains(/keeps \d+\.\d–\d+\.\d % of/) == true)
  }

  @Test("A target without any ground truth counts as loss 0, with a warning")
  func emptyTarget() throws {
    let folder = try Inputs().folder
    try folder.edit("dataset.h5", Edit().changing("/train/sn") { $0 = $0.map { _ in 255 } })
    let warning =
      ": warning: task sn: 2 of 2 batches had no pixel with ground truth; their loss counted as 0\n"
    let scoring = try folder.succeed(
      .scoreImportance,
      "--data dataset.h5 --model model.h5 --batches 2 \(ReferenceRun.batches) -o out.h5")
    #expect(scoring.stderr == "score-importance" + warning)
    let loss: Double = try folder.open("out.h5").group("scores/sn").attribute("loss")
    #expect(loss == 0)
    let training = try folder.succeed(
      .sparseTrain,
      "--data dataset.h5 --model model.h5 --steps 2 \(ReferenceRun.batches) -o trained.h5")
    #expect(training.stderr == "sparse-train" + warning)
    #expect(try folder.open("trained.h5").doubles("history/loss_sn") == [0, 0])
    #expect(try folder.open("trained.h5").doubles("history/loss_seg").allSatisfy { $0 > 0 })
  }
}
