// Training that is killed or interrupted and goes on: it ends as if nothing had happened.

import Foundation
import HDF5
import TestSupport
import Testing

@Suite(.serialized) struct ResumeTests {
  /// Dynamic training with everything that a checkpoint has to keep: dropout, augmentation, changing
  /// masks, a best model.
  private static func training(
    steps: Int, _ mode: String = "dynamic --update-every 3 --update-until"
  ) -> String {
    // The masks' last change is early, so that some runs resume after it and some before.
    "--data dataset.h5 --model model.h5 --sparsity 0.8 --mode \(mode) \(steps / 2) --steps \(steps) --batch-size 2 --dropout 0.3 --threads 1 --checkpoint-every 4 --validate-every 10 "
      + "--keep-best --quiet -o out.h5"
  }

  private static let results = ["out.h5", "out-best.h5"]

  /// Inputs with a validation split.
  private func makeFolder() throws -> Folder {
    let folder = try Folder()
    let experiment = try Experiment.run().folder
    try folder.add(experiment.path("dataset.h5"), as: "dataset.h5")
    try folder.add(experiment.path("initial.h5"), as: "model.h5")
    return folder
  }

  private func bytes(_ folder: Folder) throws -> [Data] {
    try Self.results.map { try folder.bytes($0) }
  }

  @Test("Killed at 20 random moments and resumed, training ends with the same bytes")
  func killed() throws {
    let training = Self.training(steps: 100)
    let whole = try makeFolder()
    let start = ContinuousClock.now
    try whole.succeed(.sparseTrain, training, epoch: Experiment.epoch)
    let duration = (ContinuousClock.now - start) / .seconds(1)

    let folder = try makeFolder()
    var kills = 0
    var checkpoints = 0
    var random = SeededRandom(17)
    // From the very beginning to a little more than a checkpoint later; longer where the machine has
    // become so busy that no checkpoint is reached.
    var longest = duration / 5
    while kills < 20 {
      let child = try Child(
        Tool.sparseTrain.path, training.split(separator: " ").map(String.init) + ["--resume"],
        in: folder.path, environment: ["SOURCE_DATE_EPOCH": "\(Experiment.epoch)"])
      Thread.sleep(forTimeInterval: .random(in: 0...longest, using: &random))
      kill(child.pid, SIGKILL)
      let status = child.wait()
      if status != 137 {
        // It was faster: from the start again.
        try #require(status == 0)
        #expect(try bytes(folder) == bytes(whole))
        for name in Self.results { try FileManager.default.removeItem(atPath: folder.path(name)) }
        continue
      }
      kills += 1
      // What is there is whole.
      if try folder.contents().contains("out-checkpoint.h5") {
        checkpoints += 1
        #expect(try folder.open("out-checkpoint.h5").contains("state"))
      } else {
        longest *= 1.1
      }
    }
    #expect(checkpoints > 0)
    try folder.succeed(.sparseTrain, training + " --resume", epoch: Experiment.epoch)
    #expect(try bytes(folder) == bytes(whole))
    #expect(
      try !folder.contents().contains { $0.hasSuffix(".partial") || $0.contains("checkpoint") })
  }

  @Test(
    "Interrupted, it says how to go on, and goes on to the same bytes",
    arguments: ["dynamic --update-every 3 --update-until", "adaptive --threshold-until"])
  func interrupted(_ mode: String) throws {
    let training = Self.training(steps: 60, mode)
    let whole = try makeFolder()
    try whole.succeed(.sparseTrain, training, epoch: Experiment.epoch)
    let folder = try makeFolder()
    let errors = Pipe()
    let child = try Child(
      Tool.sparseTrain.path, training.split(separator: " ").map(String.init), in: folder.path,
      environment: ["SOURCE_DATE_EPOCH": "\(Experiment.epoch)"],
      errors: errors.fileHandleForWriting.fileDescriptor)
    try errors.fileHandleForWriting.close()
    while try !folder.contents().contains("out-checkpoint.h5") { usleep(1000) }
    kill(child.pid, SIGINT)
    let text = String(
      decoding: try errors.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
    #expect(child.wait() == 130)
    let line =
      #/sparse-train: warning: interrupted after step (\d+); --resume goes on from out-checkpoint.h5\n/#
    let match = try #require(try line.wholeMatch(in: text), "\(text)")
    let state = try folder.open("out-checkpoint.h5").group("state")
    let step: Int = try state.attribute("step")
    #expect(String(step) == match.1)
    #expect(try folder.contents().contains("out.h5") == false)
    try folder.succeed(.sparseTrain, training + " --resume", epoch: Experiment.epoch)
    #expect(try bytes(folder) == bytes(whole))
  }

  @Test("A checkpoint with other settings or inputs is refused by name")
  func otherSettings() throws {
    let inputs = try Inputs()
    let base = "--data dataset.h5 --model model.h5 --steps 2000 \(ReferenceRun.batches)"
    let running = try RunningTool(.sparseTrain, base + " -o out.h5", in: inputs.folder)
    try running.waitForProgress()
    #expect(running.end(with: SIGTERM) == 143)
    let folder = inputs.folder
    for (arguments, reason) in [
      (
        base + " --learning-rate 0.5",
        "made with --learning-rate 0.001, now 0.5"
      ),
      (
        base.replacing("model.h5", with: "trained.h5"),
        "made without trained.h5 as it is now"
      ),
    ] {
      let outcome = try folder.run(.sparseTrain, arguments + " --resume -o out.h5")
      #expect(outcome.status == 1)
      #expect(outcome.stderr == "sparse-train: out-checkpoint.h5: \(reason)\n")
    }
    let flipped = try folder.bytes("out-checkpoint.h5").prefix(3000)
    try folder.write(flipped, to: "out-checkpoint.h5")
    let outcome = try folder.run(.sparseTrain, base + " --resume -o out.h5")
    #expect(outcome.status == 1 && outcome.stderr.hasPrefix("sparse-train: out-checkpoint.h5: "))
  }
}
