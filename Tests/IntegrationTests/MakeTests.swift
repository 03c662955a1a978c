// The Makefile's pipeline: it runs what is needed and nothing else.

import Foundation
import TestSupport
import Testing

/// A copy of the pipeline with a tiny experiment, whose tools count as built.
private struct Pipeline {
  let folder: Folder

  private static let settings = """
    PREPARE   = scenes --train 4 --validation 2 --test 0 --height 32 --width 48 --threads 1
    NETWORK   = --stages 1,1,1,1 --width 8 --head-width 8 --dropout 0 --threads 1
    BATCHES   = --batch-size 2 --no-augment --threads 1
    CRITERION = static
    SCORE     = --batches 1
    SPARSITY  = 0.3
    ARBITER   = union
    STEPS     = 6
    RATE      = 1e-3
    TRAIN     = --learning-rate $(RATE)
    FINE_TUNE      = 2
    FINE_TUNE_RATE = 2.5e-4
    UPDATE_EVERY   = 2
    EVALUATE  = --split validation --threads 1

    """

  /// - Parameter name: of the experiment that is the tiny one.
  init(tiny name: String = "tiny") throws {
    folder = try Folder()
    try folder.add(packageRoot + "/Makefile", as: "Makefile")
    try folder.add(packageRoot + "/pipeline", as: "pipeline")
    try folder.write(Pipeline.settings, to: "pipeline/\(name).mk")
    try folder.write("", to: "Package.swift")
    try folder.makeFolder(".build")
    try FileManager.default.createSymbolicLink(
      atPath: folder.path(".build/release"), withDestinationPath: Tool.folder)
    for mark in ["set-up", "headers", "tools-built"] { try folder.write("", to: ".build/" + mark) }
  }

  /// - Parameter words: arguments that may hold blanks.
  func make(_ arguments: String, _ words: [String] = []) throws -> Outcome {
    try run(
      "/usr/bin/env",
      ["make", "EXPERIMENT=tiny"] + arguments.split(separator: " ").map(String.init) + words,
      in: folder.path)
  }

  /// The tools that make runs, with the file that each writes.
  func stages(_ arguments: String, _ words: [String] = []) throws -> [String] {
    let outcome = try make(arguments, words)
    try #require(outcome.status == 0, "\(outcome.stderr)")
    return outcome.stdout.replacing("\\\n", with: " ")
      .matches(of: #/release/([a-z-]+) .*(?:-o|--report) data/tiny/(\S+)/#)
      .map { "\($0.1) \($0.2)" }
  }

  /// Replaces a tool by a script, in a folder of its own that BIN can name; `$tool` is the tool.
  func replace(_ tools: [Tool], in bin: String, by script: String) throws {
    try folder.makeFolder(bin)
    for tool in Tool.allCases {
      let body = tools.contains(tool) ? script : #"exec "$tool" "$@""#
      try folder.write("#!/bin/sh\ntool='\(tool.path)'\n\(body)\n", to: "\(bin)/\(tool)")
      chmod(folder.path("\(bin)/\(tool)"), 0o755)
    }
  }
}

private let haveMake =
  (try? run("/usr/bin/env", ["make", "--version"], in: "/"))?.status == 0

@Suite(.serialized, .enabled(if: haveMake, "needs make"))
struct MakeTests {
  @Test("make runs every stage once, then none, and after a change what depends on it")
  func pipeline() throws {
    let pipeline = try Pipeline()
    let masksAndLater = [
      "merge-masks masks.h5", "sparse-train disparse.h5", "evaluate disparse-metrics.h5",
      "evaluate report.html",
    ]
    let first = try pipeline.stages("all")
    #expect(first.prefix(2) == ["prepare-data dataset.h5", "sparse-train initial.h5"])
    #expect(
      first.sorted()
        == (masksAndLater + [
          "prepare-data dataset.h5", "sparse-train initial.h5", "score-importance scores.h5",
          "sparse-train dense.h5", "evaluate dense-metrics.h5",
        ]).sorted())
    #expect(try pipeline.folder.text("data/tiny/report.html").contains("<h1>DiSparse: "))
    #expect(try pipeline.stages("all") == [])
    #expect(try pipeline.stages("all SPARSITY=0.5") == masksAndLater)
    #expect(try pipeline.stages("all SPARSITY=0.5") == [])
    // Comments are no settings, above a line or behind it.
    let page = try pipeline.folder.text("pipeline/tiny.mk")
    let commented = "# Hello.\n" + page.replacing("6\n", with: "6  # six\n")
    try pipeline.folder.write(commented, to: "pipeline/tiny.mk")
    #expect(try pipeline.stages("all SPARSITY=0.5") == [])
  }

  @Test("make compare runs every method for every seed, and goes on where it was")
  func compare() throws {
    // The methods take their settings from scenes.mk.
    let pipeline = try Pipeline(tiny: "scenes")
    func compare(_ arguments: String...) throws -> Outcome {
      try run(
        "/usr/bin/env",
        ["make", "-j3", "compare", "COMPARE_SEEDS=1 2", "COMPARE_STEPS=6"] + arguments,
        in: pipeline.folder.path)
    }
    #expect(try compare("-n").status == 0)
    let first = try compare()
    try #require(first.status == 0, "\(first.stderr)")
    // The initial, dense and sparse network of nine methods, of which gradual has six parts.
    #expect(first.stdout.matches(of: #/release/sparse-train /#).count == 2 * (2 + 9 + 5))
    #expect(first.stdout.matches(of: #/release/evaluate --data/#).count == 2 * (1 + 9))
    let again = try compare()
    #expect(again.status == 0 && !again.stdout.contains(".build/release/"))
    let table = try pipeline.folder.text("data/compare/compare.txt")
    let rows = table.split(separator: "\n\n")[0].split(separator: "\n").map {
      $0.split(separator: " ").map(String.init)
    }
    let methods = [
      "dense", "random", "snip", "imp", "lth", "rigl", "gradual", "disparse-static",
      "disparse-pretrained", "disparse-dynamic",
    ]
    #expect(rows.dropFirst().map { $0[0] } == methods)
    for row in rows.dropFirst() {
      #expect(row[1] == "2")
      let sparsity = try #require(Double(row[2]))
      #expect(row[0] == "dense" ? sparsity == 0 : abs(sparsity - 30) < 0.5, "\(row)")
    }
    // Rewound: the masks are the trained network's, the weights the initial ones.
    let lth = try pipeline.folder.open("data/compare/seed-1/lth/lth.h5")
    let inputs: String = try lth.attribute("inputs")
    #expect(inputs.contains("seed-1/scenes/initial.h5") && inputs.contains("lth/masks.h5"))
    // A table that cannot be made is no table.
    try pipeline.replace([.evaluate], in: "failing", by: "echo half a table; exit 1")
    #expect(try compare("BIN=failing").status == 2)
    #expect(try pipeline.folder.text("data/compare/compare.txt") == table)
  }

  @Test("make sweep scores every method once, and shows its sparsities on one page")
  func sweep() throws {
    let pipeline = try Pipeline(tiny: "scenes")
    func sweep(_ arguments: [String] = []) throws -> Outcome {
      try run(
        "/usr/bin/env",
        ["make", "sweep", "SWEEP_STEPS=2", "SPARSITIES=0.5 0.9"] + arguments,
        in: pipeline.folder.path)
    }
    let first = try sweep()
    try #require(first.status == 0, "\(first.stderr)")
    func runs(of tool: String) -> Int {
      first.stdout.matches(of: #/(?m)^\S*release\/([a-z-]+) /#).count { $0.1 == tool }
    }
    #expect(runs(of: "score-importance") == 3 && runs(of: "merge-masks") == 3)
    // The initial weights, the dense network, and three methods at two sparsities.
    #expect(runs(of: "sparse-train") == 2 + 6 && runs(of: "evaluate") == 7 + 1)
    for method in ["disparse", "joint", "random"] {
      for (name, expected) in [("0.5", 0.5), ("0.9", 0.9)] {
        let file = try pipeline.folder.open("data/sweep/\(method)-\(name)-metrics.h5")
        let sparsity: Double = try file.attribute("sparsity")
        #expect(abs(sparsity - expected) < 0.01)
      }
    }
    let page = try pipeline.folder.text("data/sweep/report.html")
    #expect(page.contains("<h1>DiSparse: dense · disparse · joint · random</h1>"))
    #expect(try !sweep().stdout.contains("sparse-train"))
    let one = try sweep(["SPARSITIES=0.7"])
    #expect(one.status == 0 && one.stdout.contains("random-0.7-metrics.h5"), "\(one.stderr)")
  }

  @Test("A stage that is killed, or fails, leaves nothing that make takes for a result")
  func killedStage() throws {
    let pipeline = try Pipeline()
    _ = try pipeline.stages("dataset")
    try pipeline.replace(
      Tool.allCases, in: "killing", by: #"exec timeout -s KILL 2 "$tool" "$@""#)
    let killed = try pipeline.make("scores BIN=killing SCORE=--batches=1000000")
    #expect(killed.status == 2)
    #expect(try !pipeline.folder.contents("data/tiny").contains("scores.h5"))
    #expect(try pipeline.make("scores ARBITER=judge masks").status == 2)
    #expect(try !pipeline.folder.contents("data/tiny").contains("masks.h5"))
    #expect(try pipeline.stages("masks") == ["merge-masks masks.h5"])
  }

  /// A goal, the checkpoint of its first training run, and a signal that ends it.
  private static let ends: [(goal: String, checkpoint: String, signal: Int32)] = [
    ("model", "scenes/disparse", SIGINT), ("model", "scenes/disparse", SIGKILL),
    ("compare", "compare/seed-1/scenes/dense", SIGTERM), ("sweep", "sweep/dense", SIGKILL),
  ]

  @Test("After an end in the middle of training the same command goes on", arguments: ends)
  func goesOn(_ goal: String, _ checkpoint: String, _ signal: Int32) throws {
    let pipeline = try Pipeline(tiny: "scenes")
    let command = [
      "make", goal, "CHECKPOINT_MINUTES=0", "STEPS=60", "COMPARE_STEPS=60", "SWEEP_STEPS=60",
      "COMPARE_SEEDS=1", "COMPARED=random", "SWEPT=random", "SPARSITIES=0.9",
    ]
    // In a process group of its own; make itself hands SIGTERM on.
    let child = try Child("setsid", command, in: pipeline.folder.path)
    let path = pipeline.folder.path("data/\(checkpoint)-checkpoint.h5")
    let begin = ContinuousClock.now
    while access(path, F_OK) != 0, ContinuousClock.now < begin + .seconds(30) { usleep(1000) }
    kill(signal == SIGTERM ? child.pid : -child.pid, signal)
    #expect(child.wait() != 0)
    #expect(access(pipeline.folder.path("data/\(checkpoint).h5"), F_OK) != 0)
    let again = try run("/usr/bin/env", command, in: pipeline.folder.path)
    #expect(again.status == 0, "\(again.stderr)")
    #expect(again.stdout.contains("going on after step"), "\(again.stdout)")
    #expect(access(path, F_OK) != 0)
  }

  @Test("A checkpoint of other settings is told and left, not an error")
  func startsAfresh() throws {
    let pipeline = try Pipeline()
    try pipeline.replace(
      [.sparseTrain], in: "interrupting",
      by: """
        case "$*" in *--masks*) ;; *) exec "$tool" "$@";; esac
        "$tool" "$@" & child=$!
        for i in $(seq 3000); do
          [ -e data/tiny/disparse-checkpoint.h5 ] && break; sleep 0.01
        done
        kill $child; wait $child
        """)
    let interrupted = try pipeline.make("model STEPS=60 CHECKPOINT_MINUTES=0 BIN=interrupting")
    #expect(interrupted.status == 2)
    let afresh = try pipeline.make("model STEPS=7 TRAIN=--learning-rate=1e-2")
    #expect(afresh.status == 0 && afresh.stderr.contains("warning"), "\(afresh.stderr)")
    #expect(!afresh.stdout.contains("going on after step"))
  }

  @Test("Every training run of every page takes checkpoints and goes on from them")
  func everyTraining() throws {
    let pipeline = try Pipeline()
    let pages = try FileManager.default.contentsOfDirectory(
      atPath: pipeline.folder.path("pipeline")
    ).filter { $0.hasSuffix(".mk") && $0 != "published.mk" }
    #expect(pages.count > 12)
    for page in pages {
      let outcome = try pipeline.make("-n all INPUT=. EXPERIMENT=\(page.dropLast(3))")
      try #require(outcome.status == 0, "\(page): \(outcome.stderr)")
      let runs = outcome.stdout.replacing("\\\n", with: " ").split(separator: "\n")
        .filter { $0.contains("release/sparse-train") && !$0.contains("--steps 0") }
      #expect(runs.count >= 2, "\(page)")
      for run in runs {
        #expect(run.contains(" --checkpoint-minutes 5 --resume --fresh -o "), "\(page): \(run)")
      }
    }
  }

  @Test("Names may hold blanks, quotes and dollars; a changed data set makes its results old")
  func oddNames() throws {
    let pipeline = try Pipeline(tiny: "scenes")
    _ = try pipeline.make("dataset EXPERIMENT=scenes")
    let name = #"it's a "data" $set"#
    try pipeline.folder.makeFolder(name)
    let data = name + "/own, #1.h5"
    let dataset = try pipeline.folder.bytes("data/scenes/dataset.h5")
    try pipeline.folder.write(dataset, to: data)
    try pipeline.folder.write(pipeline.folder.text("pipeline/scenes.mk"), to: "pipeline/tiny.mk")
    let words = ["DATA=" + data]
    #expect(try pipeline.stages("all", words).count == 8)
    #expect(try pipeline.stages("all", words) == [])
    let model = try pipeline.folder.open("data/tiny/disparse.h5")
    #expect(try (model.attribute("inputs") as String).contains("own, #1.h5"))
    // What changes is the time, then the name.
    try pipeline.folder.write(dataset, to: data)
    #expect(try pipeline.stages("all", words).count == 8)
    let moved = name + "/moved $$(x).h5"
    try FileManager.default.moveItem(
      atPath: pipeline.folder.path(data), toPath: pipeline.folder.path(moved))
    #expect(try pipeline.stages("scores", ["DATA=" + moved]).count == 2)
    // A make below takes the same name.
    for goal in ["compare", "sweep"] {
      let below = try pipeline.make(
        "\(goal) EXPERIMENT=scenes COMPARE_SEEDS=1 COMPARED=random COMPARE_STEPS=1 "
          + "SWEEP_STEPS=1 SWEPT=random SPARSITIES=0.5", ["DATA=" + moved])
      #expect(below.status == 0, "\(below.stderr)")
    }
    // Folders and tables of a published data set reach prepare-data as they are.
    try pipeline.replace([.prepareData], in: "telling", by: #"printf '<%s>\n' "$@"; exit 1"#)
    let told = try pipeline.make(
      "dataset EXPERIMENT=taskonomy BIN=telling", ["INPUT=" + name, "SPLIT=" + moved])
    for word in [name, moved, name + "/semseg_prior_factor.npy"] {
      #expect(told.stdout.contains("<\(word)>\n"))
    }
  }

  @Test(
    "A data set that is missing is said at once, with what to type",
    arguments: ["nyuv2", "cityscapes", "taskonomy"])
  func missingInput(_ experiment: String) throws {
    let pipeline = try Pipeline()
    // Setting up or building would fail.
    for mark in [".build/set-up", ".build/tools-built"] {
      try FileManager.default.removeItem(atPath: pipeline.folder.path(mark))
    }
    func complaint(_ arguments: String) throws -> String {
      let outcome = try pipeline.make("EXPERIMENT=\(experiment) \(arguments)")
      #expect(outcome.status == 2 && outcome.stdout == "")
      #expect(outcome.stderr.filter { $0 == "\n" }.count == 1)
      return outcome.stderr
    }
    let usage = "type: make all EXPERIMENT=\(experiment) INPUT=/path/to/\(experiment)."
    #expect(try complaint("all").contains("INPUT is missing; \(usage)"))
    #expect(try complaint("all INPUT=/none").contains("INPUT=/none: no such folder; \(usage)"))
    #expect(try complaint("masks DATA=none.h5").contains("DATA=none.h5: no such file; type: make"))
    #expect(try pipeline.make("help EXPERIMENT=\(experiment)").status == 0)
    // What was prepared before needs no name.
    try pipeline.folder.makeFolder("data/\(experiment)")
    try pipeline.folder.write("", to: "data/\(experiment)/dataset.h5")
    let prepared = try pipeline.make("-n masks EXPERIMENT=\(experiment)")
    #expect(prepared.status == 0 && !prepared.stdout.contains("prepare-data"))
    #expect(prepared.stdout.contains("merge-masks"))
  }

  @Test("Methods fine-tune as the data set's page says, in a folder of their own")
  func methodsOnDatasets() throws {
    let pipeline = try Pipeline()
    for (base, folder, settings) in [
      ("scenes", "", "--steps 200 --learning-rate 2.5e-4 "),
      ("nyuv2", "nyuv2/", "--steps 1000 --learning-rate 1e-5 "),
      ("cityscapes", "cityscapes/", "--steps 1000 --learning-rate 1e-5 "),
      ("taskonomy", "taskonomy/", "--steps 4000 --learning-rate 1e-6 "),
    ] {
      for method in ["imp", "disparse-pretrained"] {
        let run = try pipeline.make("-n model INPUT=. EXPERIMENT=\(method) BASE=\(base)").stdout
          .replacing("\\\n  ", with: "")
        #expect(
          run.contains(
            "--model data/\(base)/dense.h5 --masks data/\(folder)\(method)/masks.h5 \(settings)"))
        #expect(run.contains("-o data/\(folder)\(method)/\(method).h5\n"))
      }
    }
  }
}
