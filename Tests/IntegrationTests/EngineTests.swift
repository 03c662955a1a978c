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
        .evaluate,
        "--data dataset.h5 --model model.h5 --split train --threads 1 --engine sparse -o out.h5"
      ),
    ] {
      let outcome = try folder.run(tool, arguments)
      #expect(outcome.status == 1 && outcome.stdout == "")
      text += "$ \(tool) \(arguments)\n\(outcome.stderr)"
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

  @Test("The time per image is measured by both engines, and not where it is not asked for")
  func timed() throws {
    let folder = try Inputs().folder
    let evaluation =
      "--data dataset.h5 --model trained.h5 --split train --threads 1 --precision float32"
    let outcome = try folder.succeed(.evaluate, "\(evaluation) -o timed.h5")
    let rows = outcome.stdout.matches(of: #/all +ms per image, (\w+) +([\d.]+)( \(([\d.]+)×\))?\n/#)
    #expect(rows.map { String($0.1) } == ["dense", "sparse"])
    #expect(
      outcome.stdout.contains("medians of several runs, batches of 4 images, float32, 1 thread"))
    let timed = try folder.open("timed.h5")
    for row in rows {
      let seconds: Double = try timed.attribute("seconds_per_image_\(row.1)")
      #expect(seconds > 0)
      #expect(abs(try #require(Double(row.2)) - 1000 * seconds) < 0.0051 * max(1, 1000 * seconds))
    }
    #expect(try timed.attribute("timing_batch_size") as Int == 4)
    #expect(try timed.attribute("timing_threads") as Int == 1)
    for (options, epoch) in [("--no-timing", nil), ("", Experiment.epoch)] as [(String, Int?)] {
      let outcome = try folder.succeed(
        .evaluate, "\(evaluation) \(options) -o untimed.h5", epoch: epoch)
      #expect(!outcome.stdout.contains("ms per image"))
      let names = try folder.open("untimed.h5").attributeNames()
      #expect(!names.contains { $0.hasPrefix("seconds_per") || $0.hasPrefix("timing") })
      #expect(!names.contains("processor"))
    }
    let compared = try folder.succeed(.evaluate, "compare untimed.h5 timed.h5 --report page.html")
    #expect(compared.stdout.contains(#/ms per image, sparse +– +[\d.]+ \([\d.]+×\)\n/#))
    #expect(try folder.text("page.html").contains("data-figure=\"ms_sparse\""))
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
