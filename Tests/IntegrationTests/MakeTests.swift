// The Makefile's pipeline: it runs what is needed and nothing else.

import Foundation
import TestSupport
import Testing

/// A copy of the pipeline with a tiny experiment, whose tools count as built.
private struct Pipeline {
  let folder: Folder

  private static let settings = """
    PREPARE   = scenes --train 4 --validation 2 --test 0 --height 32 --width 48 --threads 1
    NETWORK   = --stages 1,1,1,1 --width 2 --head-width 4 --dropout 0 --threads 1
    BATCHES   = --batch-size 2 --no-augment --threads 1
    CRITERION = static
    SCORE     = --batches 1
    SPARSITY  = 0.9
    ARBITER   = union
    STEPS     = 6
    FINE_TUNE = 2
    TRAIN     =
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
    for mark in [".build/set-up", ".build/tools-built"] { try folder.write("", to: mark) }
  }

  func make(_ arguments: String) throws -> Outcome {
    try run(
      "/usr/bin/env",
      ["make", "EXPERIMENT=tiny"] + arguments.split(separator: " ").map(String.init),
      in: folder.path)
  }

  /// The tools that make runs, with the file that each writes.
  func stages(_ arguments: String) throws -> [String] {
    let outcome = try make(arguments)
    try #require(outcome.status == 0, "\(outcome.stderr)")
    return outcome.stdout.replacing("\\\n", with: " ")
      .matches(of: #/release/([a-z-]+) .*(?:-o|--report) data/tiny/(\S+)/#)
      .map { "\($0.1) \($0.2)" }
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
  }

  @Test("make compare runs every method for every seed, and goes on where it was")
  func compare() throws {
    // The methods take their settings from scenes.mk.
    let pipeline = try Pipeline(tiny: "scenes")
    func compare() throws -> Outcome {
      try run(
        "/usr/bin/env", ["make", "compare", "COMPARE_SEEDS=1 2", "COMPARE_STEPS=6"],
        in: pipeline.folder.path)
    }
    let first = try compare()
    try #require(first.status == 0, "\(first.stderr)")
    let again = try compare()
    #expect(!again.stdout.contains("sparse-train"))
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
      #expect(row[0] == "dense" ? sparsity == 0 : abs(sparsity - 90) < 0.5, "\(row)")
    }
    // Rewound: the masks are the trained network's, the weights the initial ones.
    let lth = try pipeline.folder.open("data/compare/seed-1/lth/lth.h5")
    let inputs: String = try lth.attribute("inputs")
    #expect(inputs.contains("seed-1/scenes/initial.h5") && inputs.contains("lth/masks.h5"))
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
    try pipeline.folder.makeFolder("killing")
    for tool in Tool.allCases {
      let script = "#!/bin/sh\nexec timeout -s KILL 2 '\(tool.path)' \"$@\"\n"
      try pipeline.folder.write(script, to: "killing/\(tool)")
      chmod(pipeline.folder.path("killing/\(tool)"), 0o755)
    }
    let killed = try pipeline.make("scores BIN=killing SCORE=--batches=1000000")
    #expect(killed.status == 2)
    #expect(try !pipeline.folder.contents("data/tiny").contains("scores.h5"))
    #expect(try pipeline.make("scores ARBITER=judge masks").status == 2)
    #expect(try !pipeline.folder.contents("data/tiny").contains("masks.h5"))
    #expect(try pipeline.stages("masks") == ["merge-masks masks.h5"])
  }
}
