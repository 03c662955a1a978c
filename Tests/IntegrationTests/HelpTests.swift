// What --help and --version print, and how runs end in words.

import TestSupport
import Testing

@Suite(.serialized) struct HelpTests {
  private static let commands: [(tool: Tool, arguments: String)] =
    Tool.allCases.map { ($0, "--help") } + [
      (.prepareData, "scenes --help"), (.prepareData, "nyuv2 --help"),
      (.prepareData, "cityscapes --help"), (.prepareData, "taskonomy --help"),
      (.prepareData, "check --help"),
      (.evaluate, "model --help"), (.evaluate, "compare --help"), (.evaluate, "predict --help"),
    ]

  @Test("--help says what a tool does, with an example", arguments: commands)
  func help(_ tool: Tool, _ arguments: String) throws {
    let outcome = try Folder().run(tool, arguments)
    #expect(outcome.status == 0)
    #expect(outcome.stderr == "")
    #expect(outcome.stdout.contains("USAGE: \(tool) "))
    let name = arguments.replacing(" --help", with: "").replacing("--help", with: "")
    try expectGolden(outcome.stdout, "help-\(tool)" + (name.isEmpty ? "" : "-" + name))
  }

  @Test("--version prints the version alone", arguments: Tool.allCases)
  func version(_ tool: Tool) throws {
    let outcome = try Folder().run(tool, "--version")
    #expect(outcome.status == 0)
    #expect(outcome.stderr == "")
    #expect(outcome.stdout.wholeMatch(of: #/\d+\.\d+\.\d+\n/#) != nil)
  }

  @Test("A run ends with lines that sum it up")
  func summaries() throws {
    let folder = try Folder()
    try folder.add(ReferenceCase.all[0].dataset, as: "dataset.h5")
    try folder.add(ReferenceCase.all[0].model, as: "model.h5")
    let inputs = "--data dataset.h5 --model model.h5"
    let scenes = "scenes --train 2 --validation 1 --test 0 --height 16 --width 24 --threads 1"
    let commands: [(Tool, String, isSameEverywhere: Bool)] = [
      (.prepareData, scenes + " -o scenes.h5", true),
      (.prepareData, "check dataset.h5", true),
      (.prepareData, "check scenes.h5", false),
      (.prepareData, "check model.h5", true),
      (.scoreImportance, "\(inputs) --batches 2 \(ReferenceRun.batches) -o scores.h5", false),
      (.mergeMasks, "scores.h5 --keep-ratio 0.1 -o masks.h5", true),
      (.mergeMasks, "scores.h5 --sparsity 0.9 --arbiter at-least:2 -o masks.h5", true),
      (.prepareData, "check scores.h5", false), (.prepareData, "check masks.h5", true),
      (.sparseTrain, "\(inputs) --steps 0 -o initial.h5", true),
      (
        .sparseTrain,
        "\(inputs) --masks masks.h5 --steps 2 \(ReferenceRun.batches) --precision float32 "
          + "-o trained.h5", false
      ),
      (.prepareData, "check trained.h5", true),
      (.evaluate, "\(inputs) --split train --threads 1 --no-timing -o metrics.h5", false),
      (.prepareData, "check metrics.h5", false),
    ]
    var text = ""
    for (tool, arguments, isSameEverywhere) in commands {
      let outcome = try folder.succeed(tool, arguments)
      #expect(outcome.stderr == "")
      text += "$ \(tool) \(arguments)\n"
      text += isSameEverywhere ? outcome.stdout.maskingTimes : outcome.stdout.maskingNumbers
    }
    try expectGolden(text, "summaries")
  }

  @Test("--quiet prints nothing")
  func quiet() throws {
    let folder = try ReferenceRun.of(ReferenceCase.all[0]).folder
    let outcome = try folder.succeed(
      .mergeMasks, "scores-static.h5 --sparsity 0.5 --quiet -o quiet-masks.h5")
    #expect(outcome.stdout == "" && outcome.stderr == "")
  }

  @Test("evaluate compare prints a table with each change against the first")
  func comparison() throws {
    let folder = try Folder()
    let measured = try ReferenceRun.of(ReferenceCase.all[0]).folder.path("metrics.h5")
    try folder.add(measured, as: "dense-metrics.h5")
    // Round numbers, so that the table is the same on every machine.
    let metrics = try folder.open("dense-metrics.h5")
    var dense = Edit().setting("/@bytes_sparse", .integer(200_000))
    var sparse = Edit().setting("/@bytes_sparse", .integer(20_000))
    for group in ["metrics/seg", "metrics/sn"] {
      for (index, name) in try metrics.group(group).datasetNames().enumerated() {
        let value = Double(index + 1) / 8
        dense = dense.changing("/\(group)/\(name)", at: 0, to: value)
          .changing("/\(group)/\(name)".replacing("metrics", with: "constant"), at: 0, to: 20)
        sparse = sparse.changing("/\(group)/\(name)", at: 0, to: value * 1.25)
      }
    }
    try folder.edit("dense-metrics.h5", dense)
    try folder.add(measured, as: "sparse-metrics.h5")
    try folder.edit("sparse-metrics.h5", sparse)
    let outcome = try folder.succeed(
      .evaluate,
      "compare dense-metrics.h5 sparse-metrics.h5 --report report.html --csv c.csv --latex c.tex")
    try expectGolden(outcome.stdout, "compare")
    try expectGolden(folder.text("c.csv"), "compare-csv")
    try expectGolden(folder.text("c.tex"), "compare-tex")
    #expect(try folder.text("report.html").contains("<title>DiSparse: dense · sparse</title>"))
  }

  @Test("evaluate compare --runs prints means, spreads and changes against the first method")
  func methods() throws {
    let folder = try Folder()
    let measured = try ReferenceRun.of(ReferenceCase.all[0]).folder.path("metrics.h5")
    for (seed, factor) in [(1, 1.0), (2, 1.5)] {
      try folder.makeFolder("\(seed)")
      for (method, gain) in [("dense", 1.0), ("sparse", 1.25)] {
        let name = "\(seed)/\(method)-metrics.h5"
        try folder.add(measured, as: name)
        let metrics = try folder.open(name).group("metrics")
        let size = Edit().setting("/@bytes_sparse", .integer(seed * 100_000))
        let edit = try metrics.groupNames().reduce(size) { edit, task in
          try metrics.group(task).datasetNames().enumerated().reduce(edit) {
            let value = Double($1.offset + 1) / 8 * factor * gain
            return $0.changing("/metrics/\(task)/\($1.element)", at: 0, to: value)
              .changing("/constant/\(task)/\($1.element)", at: 0, to: 20)
          }
        }
        try folder.edit(name, edit)
      }
    }
    let outcome = try folder.succeed(
      .evaluate,
      "compare --runs 1/dense-metrics.h5 2/dense-metrics.h5 1/sparse-metrics.h5 "
        + "2/sparse-metrics.h5 --csv c.csv --json c.json --latex c.tex")
    try expectGolden(outcome.stdout, "compare-runs")
    for kind in ["csv", "json", "tex"] {
      try expectGolden(folder.text("c." + kind), "compare-runs-" + kind)
    }
  }
}
