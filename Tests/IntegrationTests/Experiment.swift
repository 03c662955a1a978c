// A tiny experiment sent through all tools, for the tests that look at its files.

import Foundation
import Testing

/// Five tasks on rendered scenes of 32×48 with a network of width 4: dataset.h5, initial.h5,
/// scores.h5, masks.h5, dense.h5, disparse.h5, their metrics, and report.html.
final class Experiment: Sendable {
  let folder: Folder

  static func run() throws -> Experiment { try shared.get() }

  private static let shared = Result { try Experiment() }

  static let tasks = ["seg", "sn", "depth", "keypoint", "edge"]
  /// One file of each kind.
  static let files = ["dataset.h5", "scores.h5", "masks.h5", "disparse.h5", "disparse-metrics.h5"]

  private static let training = "--batch-size 4 --no-augment --dropout 0 --threads 1"

  /// The stages in their order, with what each writes.
  static let stages: [(tool: Tool, arguments: String, output: String)] = [
    (
      .prepareData,
      "scenes --train 8 --validation 3 --test 1 --height 32 --width 48 --seed 7 --threads 1",
      "dataset.h5"
    ),
    (
      .sparseTrain,
      "--data dataset.h5 --stages 1,1,1,1 --width 4 --head-width 8 --steps 0 --seed 7 --threads 1",
      "initial.h5"
    ),
    (
      .scoreImportance, "--data dataset.h5 --model initial.h5 --batches 2 --seed 7 \(training)",
      "scores.h5"
    ),
    (.mergeMasks, "scores.h5 --sparsity 0.9", "masks.h5"),
    (
      .sparseTrain, "--data dataset.h5 --model initial.h5 --steps 4 --seed 7 \(training)",
      "dense.h5"
    ),
    (
      .sparseTrain,
      "--data dataset.h5 --model initial.h5 --masks masks.h5 --steps 4 --seed 7 \(training)",
      "disparse.h5"
    ),
    (.evaluate, "--data dataset.h5 --model dense.h5 --threads 1", "dense-metrics.h5"),
    (.evaluate, "--data dataset.h5 --model disparse.h5 --threads 1", "disparse-metrics.h5"),
  ]

  /// SOURCE_DATE_EPOCH of the runs.
  static let epoch = 1_700_000_000

  private init() throws {
    folder = try Folder()
    for (tool, arguments, output) in Experiment.stages {
      try folder.succeed(tool, "\(arguments) -o \(output)", epoch: Experiment.epoch)
    }
    try folder.succeed(
      .evaluate, "compare dense-metrics.h5 disparse-metrics.h5 --report report.html",
      epoch: Experiment.epoch)
  }
}
