// Wrong command lines: exit status 64 and what is wrong, with the usage.

import TestSupport
import Testing

@Suite(.serialized) struct UsageTests {
  private static let train = "--data d.h5 -o m.h5"
  private static let score = "--data d.h5 -o s.h5"

  private static let wrong: [(tool: Tool, arguments: String, says: String)] = [
    (.sparseTrain, train, "Missing expected argument '--steps <steps>'"),
    (.sparseTrain, "--steps 1 --data d.h5", "Missing expected argument '--output <output>'"),
    (.sparseTrain, train + " --steps 1 --speed 9", "Unknown option '--speed'"),
    (.sparseTrain, train + " --steps -1", "--steps -1: must be in 0...1000000000000"),
    (.sparseTrain, train + " --steps 1 --engine fast", "'fast' is invalid for '--engine <engine>'"),
    (.sparseTrain, train + " --steps 1 --batch-size 0", "--batch-size 0: must be in 1...100000"),
    (.sparseTrain, train + " --steps 1 --threads 0", "--threads 0: must be in 1...1024"),
    (.sparseTrain, train + " --steps 1 --crop 65", "'65' is invalid for '--crop <crop>'"),
    (.sparseTrain, train + " --steps 1 --stages 1,1", "stages"),
    (.sparseTrain, train + " --steps 1 --width 0", "width"),
    (.sparseTrain, train + " --steps 1 --dropout nan", "--dropout nan: must lie in [0, 1)"),
    (.sparseTrain, train + " --steps 1 --learning-rate nan", "--learning-rate must be above 0"),
    (.sparseTrain, train + " --steps 1 --decay-every 0", "--decay-every 0: must be at least 1"),
    (.sparseTrain, train + " --steps 1 --mode dense --masks m.h5", "--mode dense takes no --masks"),
    (.sparseTrain, train + " --steps 1 --mode static", "--mode static needs --masks"),
    (.sparseTrain, train + " --steps 1 --mode adaptive", "--mode adaptive needs --sparsity"),
    (
      .sparseTrain, train + " --steps 1 --mode adaptive --sparsity 0.9 --masks m.h5",
      "--mode adaptive takes no --masks"
    ),
    (
      .sparseTrain, train + " --steps 1 --mode adaptive --sparsity 1",
      "--sparsity 1.0: must lie in [0, 1)"
    ),
    (
      .sparseTrain, train + " --steps 1 --mode adaptive --sparsity 0.9 --threshold-start 1",
      "--threshold-start 1.0: must lie in [0, 1)"
    ),
    (
      .sparseTrain, train + " --steps 4 --mode adaptive --sparsity 0.9 --threshold-until 5",
      "--threshold-until 5: must be in 1...4"
    ),
    (
      .sparseTrain, train + " --steps 1 --sparsity 0.9",
      "--sparsity goes with --mode dynamic or adaptive"
    ),
    (
      .sparseTrain, train + " --steps 1 --mode dynamic --sparsity 0.9 --threshold-until 1",
      "--threshold-until goes with --mode adaptive"
    ),
    (.scoreImportance, "-o s.h5", "--data is needed"),
    (.scoreImportance, score + " --batches 0", "--batches 0: must be in 1...1000000"),
    (.scoreImportance, score + " --criterion luck", "'luck' is invalid for '--criterion"),
    (.scoreImportance, score + " --seed=-1", "'-1' is invalid for '--seed <seed>'"),
    (
      .scoreImportance, score + " --seed 9223372036854775808",
      "--seed 9223372036854775808: must be at most 9223372036854775807"
    ),
    (.mergeMasks, "s.h5 -o m.h5", "give one of --sparsity, --keep-ratio and --pattern"),
    (
      .mergeMasks, "s.h5 --sparsity 0.9 --keep-ratio 0.1 -o m.h5",
      "give one of --sparsity, --keep-ratio and --pattern"
    ),
    (.mergeMasks, "s.h5 --sparsity 0.9 --arbiter judge -o m.h5", "'judge' is invalid for"),
    (.mergeMasks, "s.h5 --sparsity 0.9 --arbiter at-least:0 -o m.h5", "'at-least:0' is invalid"),
    (
      .mergeMasks, "s.h5 --sparsity 0.9,0.5,0.90 -o m.h5",
      "--sparsity 0.9,0.5,0.90: gives a sparsity twice"
    ),
    (.mergeMasks, "--sparsity 0.9 -o m.h5", "Missing expected argument '<scores>'"),
    (
      .evaluate, "--data d.h5 --model m.h5 --split all -o e.h5",
      "'all' is invalid for '--split <split>'"
    ),
    (
      .evaluate, "--data d.h5 --model m.h5 --batch-size 0 -o e.h5",
      "--batch-size 0: must be in 1...100000"
    ),
    (.evaluate, "compare one.h5", "give at least two metrics files"),
    (
      .evaluate, "predict --model m.h5 a/x.png b/x.png --pictures out -o p.h5",
      "--pictures: two of the images are called x"
    ),
    (.convertModel, "net.tflite -o m.h5", "net.tflite: its name must end in .h5, .onnx"),
    (.convertModel, "net.onnx -o net.pth", "one of them must be a model.h5"),
    (.convertModel, "w.pth -o m.h5", "w.pth holds weights alone; --like names a model"),
    (.convertModel, "m.h5 --heads a=b -o n.onnx", "--heads goes with an ONNX file to read"),
    (.convertModel, "m.h5 --sparse -o w.pth", "--sparse goes with an ONNX file to write"),
    (.convertModel, "n.onnx --heads seg -o m.h5", "'seg' is invalid for '--heads"),
    (.convertModel, "n.onnx --input-mean 1,2 -o m.h5", "'1,2' is invalid for '--input-mean"),
    (.convertModel, "w.pth --like m.h5 --rename a -o m2.h5", "'a' is invalid for '--rename"),
    (.sparseTrain, train + " --steps 1 --architecture vgg", "--architecture vgg: there are"),
    (
      .sparseTrain, train + " --steps 1 --architecture unet --stages 1,1,1,1",
      "--stages is no setting of unet"
    ),
    (
      .evaluate, "compare one.h5 two.h5 --report ./two.h5",
      "--report ./two.h5: is one of the metrics files"
    ),
    (
      .evaluate, "compare one.h5 two.h5 --json ./one.h5",
      "--json ./one.h5: is one of the metrics files"
    ),
    (
      .evaluate, "compare one.h5 two.h5 --report x --csv ./x",
      "--csv ./x: is another file of this run"
    ),
    (
      .evaluate, "--data d.h5 --model m.h5 -o e.h5 --report e.h5",
      "--report e.h5: is another file of this run"
    ),
    (
      .prepareData, "scenes --train 9223372036854775807 -o d.h5", "--train must be at least 1"
    ),
    (
      .sparseTrain, "--data d.h5 -o m.h5 --steps 9223372036854775807",
      "--steps 9223372036854775807: must be in 0...1000000000000"
    ),
    (
      .sparseTrain, "--data d.h5 -o m.h5 --steps 1 --checkpoint-minutes nan",
      "--checkpoint-minutes nan: must be in 0...1000000"
    ),
    (
      .sparseTrain,
      "--data d.h5 -o m.h5 --steps 9 --mode dynamic --sparsity 0.9 --joint --arbiter at-least:2",
      "--arbiter at-least:2: with --joint there is one vote"
    ),
    (.prepareData, "scenes --train 0 -o d.h5", "--train must be at least 1"),
    (.prepareData, "scenes --height 4 -o d.h5", "--height and --width must be in 8...4096"),
    (.prepareData, "scenes --tasks seg,seg -o d.h5", "--tasks seg,seg: choose each at most once"),
    (.prepareData, "scenes --tasks smell -o d.h5", "--tasks smell: choose each at most once"),
    (
      .prepareData, "cityscapes --input . --classes 5 -o d.h5", "--classes 5: must be 19, 7 or 2"
    ),
    (
      .prepareData, "cityscapes --input . --size 8x8 -o d.h5",
      "--size goes with --layout official only"
    ),
    (
      .prepareData, "taskonomy --input . --split s.csv --tasks sn,sn -o d.h5",
      "--tasks sn,sn: choose each at most once"
    ),
    (
      .prepareData, "taskonomy --input . --split s.csv --tasks sn --class-weights w.npy -o d.h5",
      "--class-weights needs the task seg"
    ),
    (.prepareData, "check", "Missing expected argument '<file>'"),
    (.prepareData, "invent", "Unexpected argument 'invent'"),
  ]

  @Test("A wrong command line ends with status 64, the reason and the usage", arguments: wrong)
  func wrongUsage(_ tool: Tool, _ arguments: String, _ reason: String) throws {
    let folder = try Folder()
    let outcome = try folder.run(tool, arguments)
    #expect(outcome.status == 64)
    #expect(outcome.stdout == "")
    #expect(outcome.stderr.hasPrefix("Error: "))
    #expect(outcome.stderr.contains(reason))
    #expect(outcome.stderr.contains("Usage: \(tool)"))
    #expect(try folder.contents() == [])
  }

  @Test(
    "A SOURCE_DATE_EPOCH that is no time is refused before the work",
    arguments: ["abc", "", "1e300", "-1", "1.5", "253402300800", "99999999999999999999"])
  func sourceDate(_ epoch: String) throws {
    let folder = try Inputs().folder
    let before = try folder.contents()
    let outcome = try run(
      Tool.mergeMasks.path, ["scores.h5", "--sparsity", "0.5", "-o", "out.h5"], in: folder.path,
      environment: ["SOURCE_DATE_EPOCH": epoch])
    #expect(outcome.status == 1 && outcome.stdout == "")
    #expect(
      outcome.stderr == "merge-masks: SOURCE_DATE_EPOCH=\(epoch): "
        + "not a number of seconds from 1970 to the end of 9999\n")
    #expect(try folder.contents() == before)
  }

  @Test("The last second that a file can record")
  func lastSourceDate() throws {
    let folder = try Inputs().folder
    try folder.succeed(.mergeMasks, "scores.h5 --sparsity 0.5 -o out.h5", epoch: 253_402_300_799)
    let created: String = try folder.open("out.h5").attribute("created_at")
    #expect(created == "9999-12-31T23:59:59Z")
  }
}
