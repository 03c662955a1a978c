// score-importance: a data set and a network in; how much each weight matters to each task out.

import ArgumentParser
import Artifacts
import CommandLine
import Datasets
import Formatting
import NetworkOptions
import Networks
import Sparsity
import Torch
import Training

let toolName = "score-importance"

@main
enum Main {
  static func main() { run(ScoreImportance.self, cleanUp: PartialFiles.removeAll) }
}

extension Criterion: ExpressibleByArgument {}

enum Reinitialization: String, ExpressibleByArgument, CaseIterable {
  case xavier
}

struct ScoreImportance: SharedCommand {
  static let configuration = CommandConfiguration(
    commandName: toolName,
    abstract: "Score every weight of a multi-task network for each task alone.",
    usage: """
      score-importance --data dataset.h5 --model initial.h5 --batches 50 -o scores.h5
             score-importance --data dataset.h5 --stages 3,4,6,3 --width 16 --head-width 64 -o scores.h5
      """,
    discussion: """
      Each batch runs through the network once; then every task's own loss is differentiated \
      alone. Without --model, the network is built with initial weights drawn from --seed; \
      sparse-train draws the same ones again.

      Several processes (mpirun -n N score-importance ..., or srun) take turns at the batches.
      """,
    version: version)

  @Option(help: "The data set; its training images are used.") var data: String?
  @Option(help: "The model to score (default: a new network).") var model: String?
  @OptionGroup var architecture: ArchitectureOptions
  @Option(
    help: """
      What a weight's score is: static is Σ|w·∂L/∂w| over the batches, taylor Σ|∂L/∂w|·w², \
      magnitude |w|, random uniform.
      """)
  var criterion = Criterion.static
  @Flag(help: "One score from the weighted sum of all losses instead of one per task.")
  var joint = false
  @Option(help: "Score a copy whose prunable weights are drawn anew: xavier (Xavier-normal).")
  var reinitialize: Reinitialization?
  @Option(help: "Batches to sum over.") var batches = 50
  @OptionGroup var batch: BatchOptions
  @OptionGroup var machine: MachineOptions
  @OptionGroup var processes: ProcessOptions
  @OptionGroup var common: CommonOptions
  @OptionGroup var output: OutputOptions

  func validate() throws {
    guard (1...1_000_000).contains(batches) else {
      throw ValidationError("--batches \(batches): must be in 1...1000000")
    }
    if data == nil, criterion.needsGradients || model == nil {
      throw ValidationError("--data is needed for this criterion, and to build a new network")
    }
  }

  func run() throws {
    let group = try processes.join(toolName)
    func checkOutput(against inputs: [String]) throws {
      guard group.isFirst else { return }
      try OutputFile.check(output.output, .artifact(.scores), inputs: inputs)
    }
    try checkOutput(against: [data, model].compactMap { $0 })
    let machine = try machine.prepare(common, toolName)
    let dataset = try data.map(DatasetFile.init(opening:))
    try checkOutput(against: dataset?.shards ?? [])
    var provenance = Provenance(
      createdBy: "\(toolName) \(version)", command: commandLine, seed: common.seed)
    if let dataset { try provenance.add(dataset.reader) }
    let start = try startingPoint(dataset, machine, &provenance)
    if let dataset {
      try start.network.architecture.check(fits: dataset, network: model ?? "the network")
    }
    try group.check(provenance)
    try group.check(.dense, on: machine)
    // The files name the weights that will be trained, not a copy that was only scored.
    if reinitialize == .xavier { try start.network.reinitializeXavier(seed: common.seed) }

    let usesData = criterion.needsGradients
    let settings = ScoringSettings(
      criterion: criterion, joint: joint, batches: usesData ? batches : 0, machine: machine,
      seed: common.seed)
    let header = ScoresHeader(
      criterion: criterion.rawValue, joint: joint, batches: settings.batches,
      batchSize: batch.batchSize, architecture: start.architecture,
      modelDigest: start.modelDigest, seed: common.seed)
    let writer =
      group.isFirst ? try ScoresWriter(output.output, header, provenance: provenance) : nil
    let progress = Progress("score", total: settings.batches, quiet: common.quiet)
    let scores: [TaskScores]
    if usesData, let dataset {
      let (found, empty) = try scoreImportance(
        with: DenseEngine(start.network), tasks: TaskSet(dataset.tasks),
        on: batch.source(of: dataset, seed: common.seed), settings: settings
      ) { progress.update($0) }
      for line in empty.warnings(of: batches) { common.warn(toolName, line) }
      scores = found
    } else {
      scores = try scoreImportance(of: start.network, settings: settings)
    }
    progress.finish()
    guard let writer else { return }
    for task in scores { try writer.write(task: task.task, loss: task.loss, task.scores) }
    try writer.finish()
    common.say(summary(scores, batches: settings.batches, seconds: progress.seconds))
  }

  private func startingPoint(
    _ dataset: DatasetFile?, _ machine: Machine, _ provenance: inout Provenance
  ) throws -> StartingPoint {
    if let model {
      let file = try ModelFile(opening: model)
      try provenance.add(file.reader)
      return try .loading(file, dropout: batch.dropout, on: machine.device)
    }
    return try .drawing(
      try architecture.architecture(for: dataset?.tasks ?? [], dropout: batch.dropout),
      seed: common.seed, on: machine.device)
  }

  private func summary(_ scores: [TaskScores], batches: Int, seconds: Double) -> String {
    let whose = joint ? "joint \(criterion.rawValue)" : criterion.rawValue
    let subject = joint ? "all tasks" : "\(scores.count) tasks"
    let losses = scores.compactMap { task in
      task.loss.map { "\(task.task) \(Format.number($0))" }
    }
    return "\(output.output): \(whose) scores of \(subject)"
      + (losses.isEmpty
        ? ""
        : " over \(batches) batches in \(Format.fixed(seconds, 1)) s; losses "
          + losses.joined(separator: ", "))
  }
}
