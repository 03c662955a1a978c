// Many processes for one run: the same results as of one, and what happens when one of them fails.

import Foundation
import HDF5
import TestSupport
import Testing

extension Folder {
  fileprivate func succeed(
    _ processes: Int, _ tool: Tool, _ arguments: String,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws -> Outcome {
    let outcome = try run(processes, tool, arguments)
    try #require(outcome.status == 0, "\(outcome.stderr)", sourceLocation: sourceLocation)
    return outcome
  }
}

extension Group {
  /// The largest difference of the datasets in a group from another's, over the largest value of all.
  fileprivate func relativeDifference(_ path: String, _ other: Group) throws -> Double {
    let (mine, others) = (try group(path), try other.group(path))
    let names = try mine.datasetNames()
    #expect(try others.datasetNames() == names && !names.isEmpty)
    var (largest, difference) = (0.0, 0.0)
    for name in names {
      let (a, b) = (try mine.doubles(name), try others.doubles(name))
      guard a.count == b.count else { return .infinity }
      // What is not known is NaN in both.
      for (a, b) in zip(a, b) where !(a.isNaN && b.isNaN) {
        largest = max(largest, abs(b))
        difference = abs(a - b).isNaN ? .infinity : max(difference, abs(a - b))
      }
    }
    return difference / largest
  }
}

@Suite(.serialized, .enabled(if: Launcher.isThere, "needs mpirun"))
struct ProcessesTests {
  @Test("Scores of two and three processes are those of one, and the same again")
  func scores() throws {
    let folder = try Launcher.makeFolder()
    let scoring =
      "--data dataset.h5 --model initial.h5 --batches 5 --batch-size 3 --seed 7 --dropout 0.3 --threads 1"
    for processes in 1...3 {
      let outcome = try folder.succeed(
        processes, .scoreImportance, "\(scoring) -o scores-\(processes).h5")
      #expect(outcome.stdout.components(separatedBy: "\n").count == 2, "one line of rank 0 alone")
    }
    let alone = try folder.open("scores-1.h5")
    for processes in 2...3 {
      let several = try folder.open("scores-\(processes).h5")
      for task in Experiment.tasks {
        #expect(try several.relativeDifference("scores/\(task)", alone) < 1e-5)
        let (loss, expected): (Double, Double) = (
          try several.group("scores/\(task)").attribute("loss"),
          try alone.group("scores/\(task)").attribute("loss")
        )
        #expect(relativeDifference(loss, expected) < 1e-5)
      }
    }
    _ = try folder.succeed(2, .scoreImportance, "\(scoring) -o scores-2.again.h5")
    let digests = try ["scores-2.h5", "scores-2.again.h5"].map {
      try folder.open($0).attribute("content_sha256") as String
    }
    #expect(digests[0] == digests[1])
    // More processes than batches.
    _ = try folder.succeed(
      3, .scoreImportance, scoring.replacing("--batches 5", with: "--batches 2") + " -o few.h5")
  }

  /// A rate at which the second step cannot have a finite loss: what remains is the checkpoint of the
  /// first, whose first moments are a tenth of the gradients.
  private static let firstStep =
    "--data dataset.h5 --model initial.h5 --steps 2 --checkpoint-every 1 --learning-rate 1e37 "
    + "--weight-decay 0 --batch-size 4 --seed 7 --dropout 0.3 --precision float32 --threads 1 --log-every 1"

  @Test(
    "Losses and gradients of two and three processes are those of one",
    arguments: [
      "", "--masks masks.h5 --engine dense", "--masks masks.h5 --engine sparse",
      "--masks masks.h5 --mode dynamic --update-every 1 --update-until 2 --engine sparse",
    ])
  func firstStep(_ mode: String) throws {
    let folder = try Launcher.makeFolder()
    var lines: [String] = []
    for processes in 1...3 {
      let outcome = try folder.run(
        processes, .sparseTrain, "\(Self.firstStep) \(mode) -o out-\(processes).h5")
      #expect(outcome.status == 1)
      #expect(outcome.stderr.contains("the last good checkpoint is"), "\(outcome.stderr)")
      lines.append(String(outcome.stderr.prefix { $0 != "\n" }))
    }
    let alone = try folder.open("out-1-checkpoint.h5")
    for processes in 2...3 {
      let several = try folder.open("out-\(processes)-checkpoint.h5")
      for moment in ["first_moment", "second_moment"] {
        #expect(try several.relativeDifference("optimizer/\(moment)", alone) < 1e-5)
      }
      #expect(try several.relativeDifference("buffers", alone) < 1e-5)
      for loss in ["loss"] + Experiment.tasks.map({ "loss_" + $0 }) {
        let values = try [several, alone].map { try $0.doubles("history/" + loss)[0] }
        #expect(relativeDifference(values[0], values[1]) < 1e-5)
      }
      if !mode.isEmpty { #expect(try several.relativeDifference("masks", alone) == 0) }
    }
    #expect(!lines[0].contains("exchanged") && lines[1].contains(" MB exchanged"), "\(lines)")
  }

  @Test("Gradients that are summed where they lie are those of one process")
  func largeGradients() throws {
    let folder = try Launcher.makeFolder()
    // The head's 3×3 convolutions have 2.4 million weights each.
    _ = try folder.succeed(
      1, .prepareData,
      "scenes --train 4 --validation 1 --test 1 --height 32 --width 48 --seed 7 --tasks edge -o dataset.h5"
    )
    _ = try folder.succeed(
      1, .sparseTrain,
      "--data dataset.h5 --stages 1,1,1,1 --width 16 --head-width 2048 --steps 0 --seed 7 -o initial.h5"
    )
    for processes in 1...2 {
      let outcome = try folder.run(
        processes, .sparseTrain, "\(Self.firstStep) -o out-\(processes).h5")
      #expect(outcome.stderr.contains("the last good checkpoint is"), "\(outcome.stderr)")
    }
    let (one, two) = (
      try folder.open("out-1-checkpoint.h5"), try folder.open("out-2-checkpoint.h5")
    )
    #expect(try two.relativeDifference("optimizer/first_moment", one) < 1e-5)
  }

  @Test("With a batch-norm of its own each process sees other statistics")
  func localBatchNorm() throws {
    let folder = try Launcher.makeFolder()
    let training = Self.firstStep.replacing("1e37", with: "1e-3") + " --validate-every 1"
    for (name, option) in [("whole", ""), ("local", "--local-batch-norm")] {
      _ = try folder.succeed(2, .sparseTrain, "\(training) \(option) -o \(name).h5")
    }
    let (whole, local) = (try folder.open("whole.h5"), try folder.open("local.h5"))
    #expect(try local.relativeDifference("buffers", whole) > 1e-4)
  }

  @Test("At 90 % little more than a tenth of the dense gradients crosses the network")
  func exchanged() throws {
    let folder = try Launcher.makeFolder()
    // Wide enough for weights to be most of the parameters.
    let network = "--data dataset.h5 --stages 1,1,1,1 --width 24 --head-width 96 --threads 1"
    _ = try folder.succeed(1, .sparseTrain, "\(network) --steps 0 -o wide.h5")
    _ = try folder.succeed(
      1, .scoreImportance, "--data dataset.h5 --model wide.h5 --criterion magnitude -o scores.h5")
    _ = try folder.succeed(1, .mergeMasks, "scores.h5 --sparsity 0.9 -o masks.h5")
    let megabytes = try ["", "--masks masks.h5 --engine dense", "--masks masks.h5 --engine sparse"]
      .map { masks in
        let text = try folder.succeed(
          2, .sparseTrain,
          "--data dataset.h5 --model wide.h5 --steps 1 --batch-size 2 --threads 1 --log-every 1 \(masks) -o out.h5"
        ).stderr
        let match = try #require(text.firstMatch(of: #/([\d.]+) MB exchanged/#))
        return try #require(Double(match.1))
      }
    #expect(megabytes[1] <= 0.12 * megabytes[0] && megabytes[2] <= 0.12 * megabytes[0])
  }

  @Test("Metrics of two and three processes are those of one")
  func evaluation() throws {
    let folder = try Launcher.makeFolder()
    let evaluation =
      "--data dataset.h5 --model initial.h5 --split train --batch-size 3 --samples 5 --threads 1"
    for processes in 1...3 {
      _ = try folder.succeed(processes, .evaluate, "\(evaluation) -o metrics-\(processes).h5")
    }
    let alone = try folder.open("metrics-1.h5")
    for processes in 2...3 {
      let several = try folder.open("metrics-\(processes).h5")
      for task in Experiment.tasks {
        // Other images go through the network together, which changes how it rounds.
        #expect(try several.relativeDifference("metrics/\(task)", alone) < 1e-4)
      }
      #expect(try several.relativeDifference("confusion", alone) < 1e-3)
      #expect(try several.relativeDifference("samples/target", alone) == 0)
      #expect(try several.relativeDifference("samples/prediction", alone) < 1e-4)
    }
    // Of the two validation batches the third process has none.
    _ = try folder.succeed(
      3, .evaluate, "--data dataset.h5 --model initial.h5 --batch-size 2 --threads 1 -o few.h5")
  }

  @Test("Shards are shared out, and the last thing to appear is the file that shows them all")
  func shards() throws {
    let folder = try foreignInputs()
    let tool = "nyuv2 --input in --layout mtan --tasks seg,depth --threads 1 --shard-size 4"
    let several = try folder.succeed(2, .prepareData, "\(tool) -o several.h5").stdout
    #expect(several.hasPrefix("several.h5: /train 7, /validation 3 images of 2×3, seg,depth"))
    #expect(several.hasSuffix("several.h5: shows 3 shards as one data set\n"))
    try folder.succeed(.prepareData, "\(tool) -o alone.h5")
    #expect(
      try h5dumped("/train/depth", of: folder.path("several.h5"))
        == h5dumped("/train/depth", of: folder.path("alone.h5")))
    let outcome = try folder.run(
      2, .prepareData, tool.replacing(" --shard-size 4", with: "") + " -o d.h5")
    #expect(outcome.status == 1)
    #expect(
      outcome.stderr.contains(
        "prepare-data: --shard-size: 2 processes need it, since each writes shards of its own\n"))
  }
}

@Suite(.serialized, .enabled(if: Launcher.isThere, "needs mpirun"))
struct ProcessFaultTests {
  private static func training(steps: Int) -> String {
    "--data dataset.h5 --model initial.h5 --mode dynamic --sparsity 0.8 --update-every 3 "
      + "--update-until 15 --steps \(steps) --batch-size 3 --dropout 0.3 --threads 1 "
      + "--checkpoint-every 4 --validate-every 10 --keep-best --quiet"
  }

  /// Starts two processes; what they print comes through a pipe.
  private func start(_ arguments: String, in folder: Folder, _ more: [String] = []) throws -> (
    child: Child, errors: FileHandle
  ) {
    let errors = Pipe()
    let child = try Child(
      try #require(Launcher.path),
      Launcher.words(2) + more + [Tool.sparseTrain.path]
        + arguments.split(separator: " ").map(String.init), in: folder.path,
      environment: Launcher.environment, errors: errors.fileHandleForWriting.fileDescriptor)
    try errors.fileHandleForWriting.close()
    return (child, errors.fileHandleForReading)
  }

  private func text(_ errors: FileHandle) throws -> String {
    String(decoding: try errors.readToEnd() ?? Data(), as: UTF8.self)
  }

  private func waitForCheckpoint(in folder: Folder) throws {
    let start = ContinuousClock.now
    while try !folder.contents().contains("out-checkpoint.h5") {
      try #require(ContinuousClock.now - start < .seconds(60))
      usleep(10_000)
    }
  }

  @Test("20 times one of two processes is killed: resumed, training ends with the same bytes")
  func killed() throws {
    let training = Self.training(steps: 40)
    let whole = try Launcher.makeFolder()
    let start = ContinuousClock.now
    _ = try whole.succeed(2, .sparseTrain, "\(training) -o out.h5")
    let duration = (ContinuousClock.now - start) / .seconds(1)

    let folder = try Launcher.makeFolder()
    var random = SeededRandom(23)
    var kills = 0
    while kills < 20 {
      let (child, errors) = try self.start("\(training) --resume -o out.h5", in: folder)
      Thread.sleep(forTimeInterval: .random(in: 0...min(duration, 2), using: &random))
      let processes = try Child.processes(of: .sparseTrain, in: folder)
      if let victim = processes.randomElement(using: &random) { kill(victim, SIGKILL) }
      let said = try text(errors)
      let status = child.wait()
      if status == 0 {
        // It was faster: from the start again.
        try FileManager.default.removeItem(atPath: folder.path("out.h5"))
        continue
      }
      kills += 1
      if !processes.isEmpty { #expect(said.contains("on signal 9 (Killed)"), "\(said)") }
      // What is there is whole.
      if try folder.contents().contains("out-checkpoint.h5") {
        #expect(try folder.open("out-checkpoint.h5").contains("state"))
      }
    }
    _ = try folder.succeed(2, .sparseTrain, "\(training) --resume -o out.h5")
    for name in ["out.h5", "out-best.h5"] {
      #expect(try folder.bytes(name) == whole.bytes(name))
    }
  }

  @Test("SIGTERM to mpirun leaves a checkpoint, from which one process and three go on alike")
  func interrupted() throws {
    let folder = try Launcher.makeFolder()
    let training =
      "--data dataset.h5 --model initial.h5 --masks masks.h5 --batch-size 3 --threads 1"
    let endless = "\(training) --steps 1000000 --checkpoint-every 4 -o out.h5"
    let (child, errors) = try start(
      endless, in: folder, ["--mca", "odls_base_sigkill_timeout", "5"])
    try waitForCheckpoint(in: folder)
    kill(child.pid, SIGTERM)
    let said = try text(errors)
    #expect(child.wait() != 0)
    let line =
      #/sparse-train: warning: interrupted after step (\d+); --resume goes on from out-checkpoint.h5\n/#
    let match = try #require(said.firstMatch(of: line), "\(said)")
    let step = try #require(Int(match.1))
    let state = try folder.open("out-checkpoint.h5").group("state")
    #expect(try state.attribute("step") as Int == step)
    let checkpoint = try folder.bytes("out-checkpoint.h5")
    var files: [Group] = []
    for processes in [1, 3] {
      try folder.write(checkpoint, to: "to-\(processes)-checkpoint.h5")
      _ = try folder.succeed(
        processes, .sparseTrain,
        "\(training) --steps \(step + 2) --resume -o to-\(processes).h5")
      files.append(try folder.open("to-\(processes).h5"))
    }
    #expect(try files[1].relativeDifference("parameters", files[0]) < 1e-4)
    let losses = try files.map { try $0.doubles("history/loss") }
    #expect(losses[0].count == step + 2)
    #expect(relativeDifference(losses[1][step + 1], losses[0][step + 1]) < 1e-4)
  }

  @Test("A process that stops answering is named, and all end")
  func stopped() throws {
    let folder = try Launcher.makeFolder()
    let (child, errors) = try start(
      Self.training(steps: 1_000_000) + " --process-timeout 2 -o out.h5", in: folder)
    try waitForCheckpoint(in: folder)
    let victim = try #require(try Child.processes(of: .sparseTrain, in: folder).last)
    kill(victim, SIGSTOP)
    let said = try text(errors)
    #expect(child.wait() == 1)
    let line = #/sparse-train: process [01] on \S+: has not answered for 2 s\n/#
    #expect(said.matches(of: line).count == 1, "\(said)")
    #expect(try Child.processes(of: .sparseTrain, in: folder).isEmpty)
    #expect(try folder.open("out-checkpoint.h5").contains("state"))
  }

  @Test("A file that one process does not see, or sees another of, is an error that names it")
  func missingFile() throws {
    let folder = try Launcher.makeFolder()
    try folder.makeFolder("other")
    try folder.add(folder.path("dataset.h5"), as: "other/dataset.h5")
    try FileManager.default.createSymbolicLink(
      atPath: folder.path("other/initial.h5"), withDestinationPath: folder.path("masks.h5"))
    let arguments = "--data dataset.h5 --model initial.h5 --batches 1 --batch-size 2 --threads 1"
    // Both processes run the same command, in different folders.
    func run(_ arguments: String) throws -> Outcome {
      let tool = [Tool.scoreImportance.path] + arguments.split(separator: " ").map(String.init)
      return try TestSupport.run(
        try #require(Launcher.path),
        Launcher.words(1) + ["--wdir", folder.path] + tool
          + [":", "-n", "1", "--wdir", folder.path("other")] + tool, in: folder.path,
        environment: Launcher.environment)
    }
    let wrong = try run(arguments + " -o out.h5")
    #expect(wrong.status == 1)
    let line = #/score-importance: process 1 on \S+: initial.h5: .+\n/#
    #expect(wrong.stderr.firstMatch(of: line) != nil, "\(wrong.stderr)")
    // A model that both can read, but not the same one.
    try FileManager.default.removeItem(atPath: folder.path("other/initial.h5"))
    _ = try folder.succeed(
      1, .sparseTrain,
      "--data dataset.h5 --stages 1,1,1,1 --width 4 --head-width 8 --steps 0 -o other/initial.h5")
    let other = try run(arguments + " -o out.h5")
    #expect(other.status == 1)
    #expect(
      other.stderr.contains(": its input files are not those of process 0\n"), "\(other.stderr)")
    #expect(try !folder.contents().contains("out.h5"))
  }

  @Test("A process that would calculate in another precision is an error that names it")
  func otherPrecision() throws {
    let folder = try Launcher.makeFolder()
    func words(_ precision: String) -> [String] {
      [Tool.sparseTrain.path]
        + "--data dataset.h5 --model initial.h5 --batch-size 4 --steps 1 --threads 1 -o out.h5"
        .split(separator: " ").map(String.init) + ["--precision", precision]
    }
    let outcome = try TestSupport.run(
      try #require(Launcher.path),
      Launcher.words(1) + words("float32") + [":", "-n", "1"] + words("bfloat16"), in: folder.path,
      environment: Launcher.environment)
    #expect(outcome.status == 1)
    let line =
      #/sparse-train: process 1 on \S+: calculates otherwise than process 0: say which --device and --precision\n/#
    #expect(outcome.stderr.firstMatch(of: line) != nil, "\(outcome.stderr)")
    #expect(try !folder.contents().contains("out.h5"))
  }

  @Test("An error of all is told once, and so is wrong usage")
  func told() throws {
    let folder = try Launcher.makeFolder()
    let outcome = try folder.run(
      2, .evaluate, "--data nothing.h5 --model initial.h5 -o out.h5")
    #expect(outcome.status == 1)
    #expect(outcome.stderr.components(separatedBy: "evaluate: nothing.h5: no such file").count == 2)
    let usage = try folder.run(2, .evaluate, "--data dataset.h5 --model initial.h5 --nonsense")
    #expect(usage.status == 64)
    #expect(usage.stderr.components(separatedBy: "Error: ").count == 2)
    let tooMany = try folder.run(
      2, .sparseTrain, "--data dataset.h5 --model initial.h5 --steps 1 --batch-size 1 -o out.h5")
    #expect(
      tooMany.stderr.contains(
        "sparse-train: --batch-size 1: 2 processes take at least an image each\n"))
  }
}
