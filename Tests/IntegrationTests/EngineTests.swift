// --engine: the same results by either engine, what files record, and where the sparse one cannot run.

import HDF5
import TestSupport
import Testing

@Suite(.serialized) struct EngineTests {
  private static let training = "--data dataset.h5 --model model.h5 \(ReferenceRun.batches)"

  @Test("Where the sparse engine cannot run, one line says why")
  func errors() throws {
    let folder = try Inputs().folder
    let before = try folder.contents()
    var text = ""
    for (tool, arguments) in [
      (Tool.sparseTrain, "\(Self.training) --steps 1 --engine sparse -o out.h5"),
      (
        .sparseTrain,
        "\(Self.training) --masks masks.h5 --steps 1 --engine sparse --precision bfloat16 -o out.h5"
      ),
      (
        .evaluate,
        "--data dataset.h5 --model model.h5 --split train --threads 1 --engine sparse -o out.h5"
      ),
    ] {
      let outcome = try folder.run(tool, arguments)
      #expect(outcome.status == 1 && outcome.stdout == "")
      // A processor without bfloat16 is warned of before.
      let lines = outcome.stderr.split(separator: "\n").filter { !$0.contains("warning") }
      text += "$ \(tool) \(arguments)\n" + lines.joined(separator: "\n") + "\n"
    }
    try expectGolden(text, "engine-errors")
    #expect(try folder.contents() == before)
  }

  @Test("A model records the engine that trained it, and auto chooses by the masks")
  func recorded() throws {
    let folder = try Inputs().folder
    for (options, engine) in [
      ("--precision float32", "dense"), ("--precision float32 --masks masks.h5", "sparse"),
      ("--masks masks.h5 --engine dense", "dense"), ("--masks masks.h5 --engine sparse", "sparse"),
    ] {
      let outcome = try folder.succeed(
        .sparseTrain, "\(Self.training) --steps 2 \(options) -o out.h5")
      #expect(outcome.stdout.contains(" images/s, \(engine) engine)"), "\(options)")
      let recorded: String = try folder.open("out.h5").attribute("engine")
      #expect(recorded == engine, "\(options)")
      try folder.succeed(.prepareData, "check --verify out.h5")
    }
    let quiet = try folder.succeed(
      .sparseTrain, "\(Self.training) --steps 1 --masks masks.h5 --engine sparse --quiet -o out.h5")
    #expect(quiet.stdout == "" && quiet.stderr == "")
  }

  @Test("Both engines measure the same of a pruned model")
  func measured() throws {
    let folder = try Inputs().folder
    for engine in ["dense", "sparse"] {
      let outcome = try folder.succeed(
        .evaluate,
        "--data dataset.h5 --model trained.h5 --split train --threads 1 --precision float32 "
          + "--engine \(engine) -o \(engine).h5")
      #expect(outcome.stdout.contains("4 images of /train, \(engine) engine\n"))
    }
    let (dense, sparse) = (try folder.open("dense.h5"), try folder.open("sparse.h5"))
    for task in try dense.group("metrics").groupNames() {
      for metric in try dense.group("metrics/\(task)").datasetNames() {
        let path = "metrics/\(task)/\(metric)"
        let (a, b) = (try dense.doubles(path)[0], try sparse.doubles(path)[0])
        #expect(abs(a - b) < 1e-3 * max(1, abs(a)) || (a.isNaN && b.isNaN), "\(path)")
      }
    }
  }
}
