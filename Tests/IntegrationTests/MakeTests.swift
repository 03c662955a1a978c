// The Makefile's pipeline: it runs what is needed and nothing else.

import Foundation
import TestSupport
import Testing

@Suite(.serialized, .enabled(if: haveMake, "needs make"))
struct MakeTests {
  @Test("make runs every stage once, then none, and after a change what depends on it")
  func pipeline() throws {
    let pipeline = try Pipeline()
    func masksAndLater(_ sparsity: String) -> [String] {
      ["snip", "disparse-static"].flatMap { method in
        [
          "merge-masks \(method)/seed-1/masks-\(sparsity).h5",
          "sparse-train \(method)/seed-1/\(method)-\(sparsity).h5",
          "evaluate \(method)/seed-1/\(method)-\(sparsity)-metrics.h5",
        ]
      } + ["evaluate report.html"]
    }
    let first = try pipeline.stages("all")
    #expect(
      first.prefix(2) == ["prepare-data dataset.h5", "sparse-train dense/seed-1/initial.h5"])
    #expect(
      first.sorted()
        == (masksAndLater("0.3") + [
          "prepare-data dataset.h5", "sparse-train dense/seed-1/initial.h5",
          "sparse-train dense/seed-1/dense.h5", "evaluate dense/seed-1/dense-metrics.h5",
          "score-importance snip/seed-1/scores.h5",
          "score-importance disparse-static/seed-1/scores.h5",
        ]).sorted())
    let page = try pipeline.folder.text("data/tiny/report.html")
    #expect(page.contains("<h1>DiSparse: dense · snip · disparse-static</h1>"))
    #expect(try pipeline.stages("all") == [])
    try FileManager.default.removeItem(atPath: pipeline.folder.path("data/tiny/report.html"))
    #expect(try pipeline.stages("all") == ["evaluate report.html"])
    #expect(try pipeline.stages("all SPARSITY=0.5").sorted() == masksAndLater("0.5").sorted())
    #expect(try pipeline.stages("all SPARSITY=0.5") == [])
    // The files of one sparsity are not the other's; the page is.
    #expect(try pipeline.stages("all") == ["evaluate report.html"])
    #expect(
      try pipeline.stages("all ARBITER=majority").filter { $0.hasPrefix("merge-masks") }.count == 2)
    #expect(try pipeline.stages("model METHOD=disparse-static ARBITER=majority") == [])
    // Comments are no settings, above a line or behind it.
    let settings = try pipeline.folder.text("pipeline/datasets/tiny.mk")
    let commented = "# Hello.\n" + settings.replacing("6\n", with: "6  # six\n")
    try pipeline.folder.write(commented, to: "pipeline/datasets/tiny.mk")
    #expect(try pipeline.stages("all ARBITER=majority") == [])
    #expect(try pipeline.stages("all ARBITER=majority STEPS=5").count == 7)
  }

  @Test("make compare runs every method for every seed and sparsity, and goes on where it was")
  func compare() throws {
    let pipeline = try Pipeline()
    let methods = [
      "random", "snip", "imp", "lth", "rigl", "gradual", "disparse-static", "disparse-pretrained",
      "disparse-dynamic", "disparse-split", "adapmtl",
    ]
    func compare(_ arguments: String...) throws -> Outcome {
      try pipeline.make(
        "-j3 compare", ["METHODS=\(methods.joined(separator: " "))", "SEEDS=1 2"] + arguments)
    }
    let first = try compare()
    try #require(first.status == 0, "\(first.stderr)")
    // The initial, dense and sparse network of eleven methods, of which gradual has six parts.
    #expect(first.stdout.matches(of: #/release/sparse-train /#).count == 2 * (2 + 11 + 5))
    #expect(first.stdout.matches(of: #/release/evaluate --data/#).count == 2 * (1 + 11))
    let again = try compare()
    #expect(again.status == 0 && !again.stdout.contains(".build/release/"))
    let table = try pipeline.folder.text("data/tiny/compare.txt")
    #expect(again.stdout.contains(table))
    let rows = table.split(separator: "\n\n")[0].split(separator: "\n").map {
      $0.split(separator: " ").map(String.init)
    }
    #expect(rows.dropFirst().map { $0[0] } == ["dense"] + methods)
    for row in rows.dropFirst() {
      #expect(row[1] == "2")
      let sparsity = try #require(Double(row[2]))
      switch row[0] {
      case "dense": #expect(sparsity == 0)
      // As many weights, of a larger network.
      case "disparse-split": #expect(sparsity > 30.5)
      default: #expect(abs(sparsity - 30) < 0.5, "\(row)")
      }
    }
    // The same in files of other kinds.
    #expect(try pipeline.folder.text("data/tiny/compare.csv").hasPrefix("method,runs,task,"))
    #expect(try pipeline.folder.contents("data/tiny").contains("compare.json"))
    let page = try pipeline.folder.text("data/tiny/compare.html")
    #expect(
      page.contains("2 runs of each method.") && page.contains("data-model=\"disparse-dynamic\""))
    #expect(try pipeline.folder.text("data/tiny/compare.tex").contains("\\toprule"))
    // Rewound: the masks are the trained network's, the weights the initial ones.
    let lth = try pipeline.folder.open("data/tiny/lth/seed-1/lth-0.3.h5")
    let inputs: String = try lth.attribute("inputs")
    #expect(
      inputs.contains("dense/seed-1/initial.h5") && inputs.contains("lth/seed-1/masks-0.3.h5"))
    // Another sparsity needs nothing dense and no scores again, but gradual's.
    let more = try compare("SPARSITIES=0.3 0.6")
    try #require(more.status == 0, "\(more.stderr)")
    #expect(more.stdout.matches(of: #/release/sparse-train /#).count == 2 * (11 + 5))
    #expect(more.stdout.matches(of: #/release/score-importance /#).count == 2 * 5)
    #expect(try pipeline.folder.text("data/tiny/compare.txt").contains("rigl-0.6 "))
    // A table that cannot be made is no table.
    try pipeline.replace([.evaluate], in: "failing", by: "echo half a table; exit 1")
    let before = try pipeline.folder.text("data/tiny/compare.txt")
    #expect(try compare("BIN=failing").status == 2)
    #expect(try pipeline.folder.text("data/tiny/compare.txt") == before)
  }

  @Test("make sweep scores every method once, and shows its sparsities on one page")
  func sweep() throws {
    let pipeline = try Pipeline()
    func sweep(_ sparsities: String) throws -> Outcome {
      try pipeline.make("sweep STEPS=2", ["SPARSITIES=" + sparsities])
    }
    let first = try sweep("0.5 0.9")
    try #require(first.status == 0, "\(first.stderr)")
    func runs(of tool: String) -> Int {
      first.stdout.matches(of: #/(?m)^\S*release\/([a-z-]+) /#).count { $0.1 == tool }
    }
    #expect(runs(of: "score-importance") == 3 && runs(of: "merge-masks") == 6)
    // The initial weights, the dense network, and three methods at two sparsities.
    #expect(runs(of: "sparse-train") == 2 + 6 && runs(of: "evaluate") == 7 + 1)
    for method in ["random", "snip", "disparse-static"] {
      for (name, expected) in [("0.5", 0.5), ("0.9", 0.9)] {
        let file = try pipeline.folder.open(
          "data/tiny/\(method)/seed-1/\(method)-\(name)-metrics.h5")
        let sparsity: Double = try file.attribute("sparsity")
        #expect(abs(sparsity - expected) < 0.01)
      }
    }
    let page = try pipeline.folder.text("data/tiny/sweep.html")
    #expect(page.contains("<h1>DiSparse: dense · random · snip · disparse-static</h1>"))
    #expect(try !sweep("0.5 0.9").stdout.contains("sparse-train"))
    let one = try sweep("0.7")
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
    let results = "data/tiny/disparse-static/seed-1"
    #expect(try !pipeline.folder.contents(results).contains("scores.h5"))
    #expect(try pipeline.make("scores ARBITER=judge masks").status == 2)
    #expect(try !pipeline.folder.contents(results).contains("masks-0.3.h5"))
    #expect(try pipeline.stages("masks") == ["merge-masks disparse-static/seed-1/masks-0.3.h5"])
  }

  /// A goal, the checkpoint of its first training run, and a signal that ends it.
  private static let ends: [(goal: String, checkpoint: String, signal: Int32)] = [
    ("model", "disparse-static/seed-1/disparse-static-0.3", SIGINT),
    ("model", "disparse-static/seed-1/disparse-static-0.3", SIGKILL),
    ("compare", "dense/seed-1/dense", SIGTERM), ("sweep", "dense/seed-1/dense", SIGKILL),
  ]

  @Test("After an end in the middle of training the same command goes on", arguments: ends)
  func goesOn(_ goal: String, _ checkpoint: String, _ signal: Int32) throws {
    let pipeline = try Pipeline()
    let methods = goal == "model" ? "" : " METHODS=random SEEDS=1 SPARSITIES=0.9"
    let command = pipeline.command("\(goal) CHECKPOINT_MINUTES=0 STEPS=60" + methods)
    // In a process group of its own; make itself hands SIGTERM on.
    let child = try Child("setsid", command, in: pipeline.folder.path)
    let path = pipeline.folder.path("data/tiny/\(checkpoint)-checkpoint.h5")
    let begin = ContinuousClock.now
    while access(path, F_OK) != 0, ContinuousClock.now < begin + .seconds(30) { usleep(1000) }
    kill(signal == SIGTERM ? child.pid : -child.pid, signal)
    #expect(child.wait() != 0)
    #expect(access(pipeline.folder.path("data/tiny/\(checkpoint).h5"), F_OK) != 0)
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
          [ -e data/tiny/disparse-static/seed-1/disparse-static-0.3-checkpoint.h5 ] && break
          sleep 0.01
        done
        kill $child; wait $child
        """)
    let interrupted = try pipeline.make("model STEPS=60 CHECKPOINT_MINUTES=0 BIN=interrupting")
    #expect(interrupted.status == 2)
    let afresh = try pipeline.make("model STEPS=7 TRAIN=--learning-rate=1e-2")
    #expect(afresh.status == 0 && afresh.stderr.contains("warning"), "\(afresh.stderr)")
    #expect(!afresh.stdout.contains("going on after step"))
  }

  @Test("Every method goes with every data set, takes checkpoints and goes on from them")
  func everyPair() throws {
    let pipeline = try Pipeline()
    try pipeline.folder.write("", to: "own.h5")
    let (datasets, methods) = (try pipeline.pages("datasets"), try pipeline.pages("methods"))
    #expect(datasets.count >= 5 && methods.count >= 12)
    for dataset in datasets {
      let data = dataset == "own" ? "DATA=own.h5" : "INPUT=."
      for method in methods {
        let outcome = try pipeline.make("-n metrics \(data) DATASET=\(dataset) METHOD=\(method)")
        try #require(outcome.status == 0, "\(dataset) \(method): \(outcome.stderr)")
        let commands = pipeline.commands(in: outcome.stdout)
        let trainings = commands.filter { $0.contains("release/sparse-train") }
        #expect(trainings.count >= 2, "\(dataset) \(method)")
        for command in trainings {
          #expect(command.contains(" --checkpoint-minutes 5 --resume --fresh -o "), "\(command)")
        }
        let results = commands.compactMap { try? #/-o (\S+)/#.firstMatch(in: $0)?.1 }
        let name =
          method == "dense"
          ? "dense" : "\(method)-\(dataset == "scenes" || dataset == "own" ? "0.95" : "0.9")"
        #expect(results.last == "data/\(dataset)/\(method)/seed-1/\(name)-metrics.h5")
        for result in results where result != "data/\(dataset)/dataset.h5" {
          #expect(
            [method, "dense"].contains { result.hasPrefix("data/\(dataset)/\($0)/seed-1/") })
        }
      }
    }
  }

  @Test("No method names a data set, and no data set a method")
  func pagesApart() throws {
    let pipeline = try Pipeline()
    for (folder, others) in [("datasets", "methods"), ("methods", "datasets")] {
      for page in try pipeline.pages(folder) {
        let words = try pipeline.folder.text("pipeline/\(folder)/\(page).mk")
          .replacing(#/#.*/#, with: "").split { !$0.isLetter && $0 != "-" }.map(String.init)
        for other in try pipeline.pages(others) { #expect(!words.contains(other), "\(page)") }
      }
    }
  }

  @Test("A launcher stands before what runs a network, and nothing is done again for it")
  func launcher() throws {
    let pipeline = try Pipeline()
    func launched(_ arguments: String, _ words: [String] = []) throws -> [String: Bool] {
      let outcome = try pipeline.make("-n metrics " + arguments, words)
      try #require(outcome.status == 0, "\(outcome.stderr)")
      return Dictionary(
        pipeline.commands(in: outcome.stdout).compactMap { line in
          (try? #/^(.*?) ?\S+release/([a-z-]+) /#.firstMatch(in: line)).map {
            (String($0.2), $0.1.hasSuffix("-n 3") || $0.1.hasSuffix("-n3"))
          }
        }, uniquingKeysWith: { $0 && $1 })
    }
    let tools = ["prepare-data", "sparse-train", "score-importance", "merge-masks", "evaluate"]
    let networks: Set = ["sparse-train", "score-importance", "evaluate"]
    let alone = try launched("PROCESSES=1")
    #expect(alone == Dictionary(uniqueKeysWithValues: tools.map { ($0, false) }))
    let many = Dictionary(uniqueKeysWithValues: tools.map { ($0, networks.contains($0)) })
    #expect(try launched("PROCESSES=3") == many)
    #expect(try launched("", ["LAUNCH=srun -n3"]) == many)
    #expect(try pipeline.stages("metrics", ["LAUNCH=env LAUNCHED=1"]).count == 6)
    #expect(try pipeline.stages("metrics") == [])
  }

  @Test("Names may hold blanks, quotes and dollars; a changed data set makes its results old")
  func oddNames() throws {
    let pipeline = try Pipeline()
    _ = try pipeline.make("dataset")
    let name = #"it's a "data" $set"#
    try pipeline.folder.makeFolder(name)
    let data = name + "/own, #1.h5"
    let dataset = try pipeline.folder.bytes("data/tiny/dataset.h5")
    try FileManager.default.removeItem(atPath: pipeline.folder.path("data"))
    try pipeline.folder.write(dataset, to: data)
    let words = ["DATA=" + data]
    let all = "all METHODS=disparse-static"
    #expect(try pipeline.stages(all, words).count == 8)
    #expect(try pipeline.stages(all, words) == [])
    let model = try pipeline.folder.open("data/tiny/disparse-static/seed-1/disparse-static-0.3.h5")
    #expect(try (model.attribute("inputs") as String).contains("own, #1.h5"))
    // What changes is the time, then the name.
    try pipeline.folder.write(dataset, to: data)
    #expect(try pipeline.stages(all, words).count == 8)
    let moved = name + "/moved $$(x).h5"
    try FileManager.default.moveItem(
      atPath: pipeline.folder.path(data), toPath: pipeline.folder.path(moved))
    #expect(try pipeline.stages("scores", ["DATA=" + moved]).count == 2)
    // So may one's own network's.
    let network = name + "/net $$(y).h5"
    try pipeline.folder.add(
      pipeline.folder.path("data/tiny/dense/seed-1/initial.h5"), as: network)
    #expect(try pipeline.stages("scores", ["DATA=" + moved, "MODEL=" + network]).count == 2)
    #expect(try pipeline.stages("scores", ["DATA=" + moved, "MODEL=" + network]) == [])
    let initial = try pipeline.folder.open("data/tiny/dense/seed-1/initial.h5")
    #expect(try (initial.attribute("inputs") as String).contains("net $$(y).h5"))
    for goal in ["compare", "sweep"] {
      let below = try pipeline.make(
        "\(goal) SEEDS=1 METHODS=random STEPS=1 SPARSITIES=0.5", ["DATA=" + moved])
      #expect(below.status == 0, "\(below.stderr)")
    }
    // Folders and tables of a published data set reach prepare-data as they are.
    try pipeline.replace([.prepareData], in: "telling", by: #"printf '<%s>\n' "$@"; exit 1"#)
    let told = try pipeline.make(
      "dataset DATASET=taskonomy BIN=telling", ["INPUT=" + name, "SPLIT=" + moved])
    for word in [name, moved, name + "/semseg_prior_factor.npy"] {
      #expect(told.stdout.contains("<\(word)>\n"))
    }
  }

  @Test(
    "A data set that is missing is said at once, with what to type",
    arguments: ["nyuv2", "cityscapes", "taskonomy"])
  func missingInput(_ dataset: String) throws {
    let pipeline = try Pipeline()
    // Setting up or building would fail.
    for mark in [".build/set-up", ".build/tools-built"] {
      try FileManager.default.removeItem(atPath: pipeline.folder.path(mark))
    }
    func complaint(_ arguments: String) throws -> String {
      let outcome = try pipeline.make("DATASET=\(dataset) \(arguments)")
      #expect(outcome.status == 2 && outcome.stdout == "")
      #expect(outcome.stderr.filter { $0 == "\n" }.count == 1)
      return outcome.stderr
    }
    let usage = "type: make all DATASET=\(dataset) INPUT=/path/to/\(dataset)."
    #expect(try complaint("all").contains("INPUT is missing; \(usage)"))
    #expect(try complaint("all INPUT=/none").contains("INPUT=/none: no such folder; \(usage)"))
    #expect(try complaint("masks DATA=none.h5").contains("DATA=none.h5: no such file; type: make"))
    #expect(try complaint("all MODEL=none.h5 INPUT=.").contains("MODEL=none.h5: no such file"))
    #expect(
      try complaint("all DATASET=own").contains("DATA is missing; type: make all DATASET=own"))
    #expect(
      try complaint("all DATASET=imagenet").contains("no pipeline/datasets/imagenet.mk, but: "))
    #expect(try complaint("all INPUT=. METHOD=luck").contains("no pipeline/methods/luck.mk, but: "))
    #expect(try complaint("all INPUT=. METHOD=dense").contains("name a method to put beside it"))
    #expect(try pipeline.make("help DATASET=\(dataset)").status == 0)
    // What was prepared before needs no name.
    try pipeline.folder.makeFolder("data/\(dataset)")
    try pipeline.folder.write("", to: "data/\(dataset)/dataset.h5")
    let prepared = try pipeline.make("-n masks DATASET=\(dataset)")
    #expect(prepared.status == 0 && !prepared.stdout.contains("prepare-data"))
    #expect(prepared.stdout.contains("merge-masks"))
  }

  @Test("Methods train as the data set's page says: the published settings of published data sets")
  func published() throws {
    let pipeline = try Pipeline()
    for (dataset, training, fineTuning, crop) in [
      (
        "nyuv2", "--learning-rate 1e-3 --weight-decay 5e-4 --decay-every 4000 --decay 0.5",
        "--learning-rate 1e-5 --weight-decay 5e-4 --batch-size 16 --crop 321x321 --seed 1 "
          + "--steps 1000", "--crop 321x321 --seed 1 --steps 20000"
      ),
      (
        "cityscapes", "--learning-rate 1e-4 --weight-decay 5e-4 --decay-every 4000 --decay 0.5",
        "--learning-rate 1e-5 --weight-decay 5e-4 --batch-size 16 --crop 224x224 --seed 1 "
          + "--steps 1000", "--crop 224x224 --seed 1 --steps 20000"
      ),
      (
        "taskonomy", "--learning-rate 1e-4 --weight-decay 5e-4 --decay-every 12000 --decay 0.3",
        "--learning-rate 1e-6 --weight-decay 5e-4 --batch-size 16 --crop 224x224 --seed 1 "
          + "--steps 4000", "--crop 224x224 --seed 1 --steps 100000"
      ),
    ] {
      for method in ["imp", "disparse-pretrained"] {
        let output = try pipeline.make("-n model INPUT=. DATASET=\(dataset) METHOD=\(method)")
          .stdout
        let runs = pipeline.commands(in: output).filter { $0.contains("sparse-train") }
        let (dense, sparse) = (runs[runs.count - 2], runs[runs.count - 1])
        let folder = "data/\(dataset)/\(method)/seed-1"
        #expect(dense.contains("\(training) --batch-size 16 \(crop)"), "\(dense)")
        #expect(
          sparse.contains(
            "--model data/\(dataset)/dense/seed-1/dense.h5 --masks \(folder)/masks-0.9.h5 "
              + fineTuning), "\(sparse)")
        #expect(sparse.hasSuffix("-o \(folder)/\(method)-0.9.h5"))
      }
      let scores = try pipeline.make("-n scores INPUT=. DATASET=\(dataset)").stdout
      #expect(scores.contains("--criterion static --batches 50 --batch-size 16 --crop"))
    }
  }
}
