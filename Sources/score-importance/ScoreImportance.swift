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

struct ScoreImportance: ParsableCommand {
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
      """,
    version: version)

  @Option(help: "The data set; its training images are used.") var data: String
  @Option(help: "The model to score (default: a new network).") var model: String?
  @OptionGroup var architecture: ArchitectureOptions
  @Option(help: "What a weight's score is: static is Σ|w·∂L/∂w| over the batches.")
  var criterion = Criterion.static
  @Option(help: "Batches to sum over.") var batches = 50
  @OptionGroup var batch: BatchOptions
  @OptionGroup var machine: MachineOptions
  @OptionGroup var common: CommonOptions
  @OptionGroup var output: OutputOptions

  func validate() throws {
    guard (1...1_000_000).contains(batches) else {
      throw ValidationError("--batches \(batches): must be in 1...1000000")
    }
  }

  func run() throws {
    let machine = try machine.prepare(common)
    let dataset = try DatasetFile(opening: data)
    var provenance = Provenance(
      createdBy: "\(toolName) \(version)", command: commandLine, seed: common.seed)
    try provenance.add(dataset.reader)
    let start: StartingPoint
    if let model {
      let file = try ModelFile(opening: model)
      try provenance.add(file.reader)
      start = try .loading(file, dropout: batch.dropout, on: machine.device)
    } else {
      start = try .drawing(
        architecture.architecture(for: dataset.tasks, dropout: batch.dropout), seed: common.seed,
        on: machine.device)
    }
    try start.network.architecture.check(
      fits: dataset.reader, tasks: dataset.tasks, network: model ?? "the network")

    let writer = try ScoresWriter(
      output.output,
      ScoresHeader(
        criterion: criterion.rawValue, joint: false, batches: batches, batchSize: batch.batchSize,
        architecture: start.architecture, modelDigest: start.modelDigest, seed: common.seed),
      provenance: provenance)
    let progress = Progress("score", total: batches, quiet: common.quiet)
    let (scores, empty) = try scoreImportance(
      of: start.network, tasks: TaskSet(dataset.tasks),
      on: batch.source(of: dataset, seed: common.seed), batches: batches, criterion: criterion,
      machine: machine, seed: common.seed
    ) { progress.update($0) }
    progress.finish()
    for line in empty.warnings(of: batches) { common.warn(toolName, line) }
    for task in scores { try writer.write(task: task.task, loss: task.loss, task.scores) }
    try writer.finish()
    let losses = scores.map { "\($0.task) \(Format.number($0.loss))" }.joined(separator: ", ")
    common.say(
      "\(output.output): \(criterion.rawValue) scores of \(scores.count) tasks over \(batches) "
        + "batches in \(Format.fixed(progress.seconds, 1)) s; losses \(losses)")
  }
}
