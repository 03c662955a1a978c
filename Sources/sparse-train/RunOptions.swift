// Options of sparse-train about masks that change, about thresholds, and about what a run keeps and tells.

import ArgumentParser
import Foundation
import Networks
import Sparsity
import Training

extension Arbiter: ExpressibleByArgument {
  public init?(argument: String) { self.init(argument) }
}

/// How masks change.
struct DynamicOptions: ParsableArguments {
  @Option(help: "Steps between two updates of the masks (default: 50).") var updateEvery: Int?
  @Option(help: "Step of the last drop (default: three quarters of --steps).")
  var updateUntil: Int?
  @Option(help: "Share of the weights that the first update drops (default: 0.5).")
  var dropRate: Double?
  @Option(
    help: """
      Who must want to grow a shared weight: union, intersection, majority or at-least:M \
      (default: union).
      """)
  var arbiter: Arbiter?
  @Flag(help: "Grow by the weighted sum of the losses instead of each task's own (RigL).")
  var joint = false

  /// The options that were given.
  var given: [String] {
    [
      updateEvery.map { _ in "--update-every" }, updateUntil.map { _ in "--update-until" },
      dropRate.map { _ in "--drop-rate" }, arbiter.map { _ in "--arbiter" },
      joint ? "--joint" : nil,
    ].compactMap { $0 }
  }

  func check(steps: Int) throws {
    if let updateEvery, updateEvery < 1 {
      throw ValidationError("--update-every \(updateEvery): must be at least 1")
    }
    if let updateUntil, !(1...max(steps, 1)).contains(updateUntil) {
      throw ValidationError("--update-until \(updateUntil): must be in 1...\(max(steps, 1))")
    }
    if let dropRate, !(0...1).contains(dropRate) {
      throw ValidationError("--drop-rate \(dropRate): must lie in [0, 1]")
    }
    if joint, case .atLeast(let votes) = arbiter, votes > 1 {
      throw ValidationError("--arbiter at-least:\(votes): with --joint there is one vote")
    }
  }

  func settings(steps: Int) -> DynamicSettings {
    DynamicSettings(
      schedule: DropSchedule(
        every: updateEvery ?? 50, until: updateUntil ?? max(1, steps * 3 / 4),
        dropRate: dropRate ?? 0.5),
      arbiter: arbiter ?? .union, joint: joint)
  }

  /// The settings by option.
  func description(steps: Int) -> [String: String] {
    let settings = settings(steps: steps)
    return [
      "update-every": "\(settings.schedule.every)", "update-until": "\(settings.schedule.until)",
      "drop-rate": "\(settings.schedule.dropRate)", "arbiter": "\(settings.arbiter)",
      "joint": "\(settings.joint)",
    ]
  }
}

/// How thresholds are learned.
struct AdaptiveOptions: ParsableArguments {
  @Option(
    help: """
      Share of each component's weights that its threshold prunes at first (default: 0.6 for a \
      --sparsity of 0.9, 0.7 for 0.95).
      """)
  var thresholdStart: Double?
  @Option(
    help: """
      Step after which the thresholds give way to masks of exactly --sparsity (default: three \
      quarters of --steps).
      """)
  var thresholdUntil: Int?
  @Option(
    help: """
      Step from which on each task's loss is multiplied by how fast it changes (default: a quarter \
      of --steps).
      """)
  var taskWeightsFrom: Int?
  @Option(help: "Steps over which that change is averaged (default: a fortieth of --steps).")
  var taskWeightsWindow: Int?

  /// The options that were given.
  var given: [String] {
    [
      thresholdStart.map { _ in "--threshold-start" },
      thresholdUntil.map { _ in "--threshold-until" },
      taskWeightsFrom.map { _ in "--task-weights-from" },
      taskWeightsWindow.map { _ in "--task-weights-window" },
    ].compactMap { $0 }
  }

  func check(steps: Int) throws {
    if let thresholdStart, !(0..<1).contains(thresholdStart) {
      throw ValidationError("--threshold-start \(thresholdStart): must lie in [0, 1)")
    }
    if let thresholdUntil, !(1...max(steps, 1)).contains(thresholdUntil) {
      throw ValidationError("--threshold-until \(thresholdUntil): must be in 1...\(max(steps, 1))")
    }
    if let taskWeightsFrom, taskWeightsFrom < 0 {
      throw ValidationError("--task-weights-from \(taskWeightsFrom): must be at least 0")
    }
    if let taskWeightsWindow, taskWeightsWindow < 1 {
      throw ValidationError("--task-weights-window \(taskWeightsWindow): must be at least 1")
    }
  }

  func settings(sparsity: Double, steps: Int, engine: EngineChoice) -> AdaptiveSettings {
    AdaptiveSettings(
      sparsity: sparsity, start: thresholdStart ?? 1 - pow(1 - sparsity, 0.4),
      until: thresholdUntil ?? max(1, steps * 3 / 4), weighTasksFrom: taskWeightsFrom ?? steps / 4,
      window: taskWeightsWindow ?? max(1, steps / 40), engine: engine)
  }

  /// The settings by option.
  func description(_ settings: AdaptiveSettings) -> [String: String] {
    [
      "threshold-start": "\(settings.start)", "threshold-until": "\(settings.until)",
      "task-weights-from": "\(settings.weighTasksFrom)",
      "task-weights-window": "\(settings.window)",
    ]
  }
}

/// What a run keeps and tells.
struct RunOptions: ParsableArguments {
  @Option(help: "Steps between two checkpoints (default: only when interrupted).")
  var checkpointEvery: Int?
  @Option(help: "Minutes between two checkpoints (default: only when interrupted).")
  var checkpointMinutes: Double?
  @Flag(help: "Go on from the checkpoint beside the output, where there is one.")
  var resume = false
  @Flag(
    help: "Begin anew where there is a checkpoint; with --resume, only where it is of another run.")
  var fresh = false
  @Option(help: "Steps between two looks at the validation images (default: never).")
  var validateEvery: Int?
  @Flag(help: "Keep the model with the smallest validation loss beside the output (model-best.h5).")
  var keepBest = false
  @Option(help: "Print a line every so many steps (default: now and then).") var logEvery: Int?
  @Option(help: "Write TensorBoard event files to this folder.") var tensorboard: String?

  func validate() throws {
    for (option, value) in [
      ("--checkpoint-every", checkpointEvery), ("--validate-every", validateEvery),
      ("--log-every", logEvery),
    ] {
      if let value, value < 1 { throw ValidationError("\(option) \(value): must be at least 1") }
    }
    if let checkpointMinutes, !(0...1e6).contains(checkpointMinutes) {
      throw ValidationError("--checkpoint-minutes \(checkpointMinutes): must be in 0...1000000")
    }
    if keepBest, validateEvery == nil {
      throw ValidationError("--keep-best needs --validate-every")
    }
  }

  /// What to do with a checkpoint; nil where nothing was said.
  var beginning: Beginning? {
    switch (resume, fresh) {
    case (true, true): .resumingOrFresh
    case (true, false): .resuming
    case (false, true): .fresh
    case (false, false): nil
    }
  }
}
