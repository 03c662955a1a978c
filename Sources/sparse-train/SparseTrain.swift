// sparse-train: a data set, weights and masks in; a trained model out.

import ArgumentParser
import Artifacts
import CommandLine
import Datasets
import Formatting
import NetworkOptions
import Networks
import Torch
import Training

let toolName = "sparse-train"

@main
enum Main {
  static func main() { run(SparseTrain.self, cleanUp: PartialFiles.removeAll) }
}

enum Mode: String, ExpressibleByArgument, CaseIterable {
  case dense
  case `static`
}

struct SparseTrain: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: toolName,
    abstract: "Train a multi-task network, dense or with fixed masks.",
    usage: """
      sparse-train --data dataset.h5 --model initial.h5 --masks masks.h5 --steps 1000 -o model.h5
             sparse-train --data dataset.h5 --width 16 --head-width 64 --steps 0 -o initial.h5
      """,
    discussion: """
      Adam on the weighted sum of the tasks' losses. Weights that the masks prune stay exactly 0. \
      --steps 0 writes the weights that training would start from. Without --model the initial \
      weights are drawn from --seed, or again as the masks record.
      """,
    version: version)

  @Option(help: "The data set; its training images are used.") var data: String
  @Option(help: "The model to start from (default: a new network).") var model: String?
  @Option(help: "Masks of the weights that stay.") var masks: String?
  @Option(help: "dense or static (fixed masks); the default is static where there are masks.")
  var mode: Mode?
  @Flag(help: "Accept masks that were made for other weights of the same architecture.")
  var allowOtherWeights = false
  @OptionGroup var architecture: ArchitectureOptions
  @Option(parsing: .unconditional, help: "Training steps.") var steps: Int
  @Option(help: "Adam's learning rate.") var learningRate = 1e-3
  @Option(help: "Factor of the L2 term.") var weightDecay = 5e-4
  @Option(help: "Steps between two decays of the learning rate (default: never).")
  var decayEvery: Int?
  @Option(help: "Factor of each decay.") var decay = 0.5
  @OptionGroup var batch: BatchOptions
  @OptionGroup var machine: MachineOptions
  @OptionGroup var common: CommonOptions
  @OptionGroup var output: OutputOptions

  func validate() throws {
    guard steps >= 0 else { throw ValidationError("--steps \(steps): must be at least 0") }
    guard learningRate > 0, learningRate.isFinite, weightDecay >= 0, weightDecay.isFinite else {
      throw ValidationError("--learning-rate must be above 0, --weight-decay at least 0")
    }
    guard decay > 0, decay <= 1 else {
      throw ValidationError("--decay \(decay): must lie in (0, 1]")
    }
    if let decayEvery, decayEvery < 1 {
      throw ValidationError("--decay-every \(decayEvery): must be at least 1")
    }
    if mode == .dense, masks != nil { throw ValidationError("--mode dense takes no --masks") }
    if mode == .static, masks == nil, model == nil {
      throw ValidationError("--mode static needs --masks, or a --model that has masks")
    }
  }

  func run() throws {
    try OutputFile.check(output.output)
    let machine = try machine.prepare(common)
    let dataset = try DatasetFile(opening: data)
    var provenance = Provenance(
      createdBy: "\(toolName) \(version)", command: commandLine, seed: common.seed)
    try provenance.add(dataset.reader)
    let masksFile = try masks.map(MasksFile.init(opening:))
    let start = try startingPoint(dataset, masksFile, machine, &provenance)
    try start.network.architecture.check(
      fits: dataset.reader, tasks: dataset.tasks, network: masks ?? model ?? "the network")
    let fixedMasks = try fixedMasks(start, masksFile, &provenance)

    let tasks = TaskSet(dataset.tasks)
    let progress = Progress("train", total: steps, quiet: common.quiet)
    let (history, empty) = try train(
      start.network, tasks: tasks, on: batch.source(of: dataset, seed: common.seed),
      masks: fixedMasks,
      settings: TrainingSettings(
        steps: steps, learningRate: learningRate, weightDecay: weightDecay, decayEvery: decayEvery,
        decay: decay, machine: machine, seed: common.seed)
    ) { step in
      progress.update(step.step, describe(step, seconds: progress.seconds))
    }
    progress.finish()
    for line in empty.warnings(of: steps) { common.warn(toolName, line) }
    let (parameters, buffers) = try start.network.snapshot()
    try ModelFile.write(
      output.output,
      Model(
        architecture: start.architecture, step: start.step + steps, parameters: parameters,
        buffers: buffers, masks: fixedMasks, history: steps > 0 ? history : nil),
      provenance: provenance)
    common.say(summary(history, seconds: progress.seconds))
  }

  private func startingPoint(
    _ dataset: DatasetFile, _ masks: MasksFile?, _ machine: Machine, _ provenance: inout Provenance
  ) throws -> StartingPoint {
    if let model {
      let file = try ModelFile(opening: model)
      try provenance.add(file.reader)
      return try .loading(file, dropout: batch.dropout, on: machine.device)
    }
    if let masks { return try .redrawing(for: masks, dropout: batch.dropout, on: machine.device) }
    return try .drawing(
      architecture.architecture(for: dataset.tasks, dropout: batch.dropout), seed: common.seed,
      on: machine.device)
  }

  /// The masks to train with: the file's, or those that the model has.
  private func fixedMasks(
    _ start: StartingPoint, _ file: MasksFile?, _ provenance: inout Provenance
  ) throws -> [Mask] {
    if let file {
      try start.check(file, allowingOtherWeights: allowOtherWeights)
      try provenance.add(file.reader)
      return file.masks
    }
    if mode == .dense { return [] }
    if mode == .static, start.masks.isEmpty {
      throw OptionError("--mode static", "\(model ?? "the model") has no masks; give --masks")
    }
    return start.masks
  }

  private func describe(_ step: TrainingStep, seconds: Double) -> String {
    let tasks = step.taskLosses.map { "\($0.task) \(Format.number($0.loss))" }
    let rate = Double(step.step * batch.batchSize) / seconds
    return "loss \(Format.number(step.loss)) (\(tasks.joined(separator: ", ")))  "
      + "\(Format.fixed(rate, 1)) images/s"
  }

  private func summary(_ history: TrainingHistory, seconds: Double) -> String {
    guard let loss = history.losses.last, let first = history.losses.first else {
      return "\(output.output): initial weights"
    }
    let rate = Double(steps * batch.batchSize) / seconds
    return "\(output.output): \(Format.count(steps)) steps in \(Format.fixed(seconds, 1)) s "
      + "(\(Format.fixed(rate, 1)) images/s), loss \(Format.number(first)) → \(Format.number(loss))"
  }
}
