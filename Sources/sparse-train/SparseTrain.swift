// sparse-train: a data set, weights and masks in; a trained model out.

import ArgumentParser
import Artifacts
import Collectives
import CommandLine
import Datasets
import Formatting
import Foundation
import Graphs
import NetworkOptions
import Networks
import Sparsity
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
  case dynamic
  case adaptive
}

struct SparseTrain: SharedCommand {
  static let configuration = CommandConfiguration(
    commandName: toolName,
    abstract: """
      Train a multi-task network: dense, with fixed masks, with masks that change, or with thresholds.
      """,
    usage: """
      sparse-train --data dataset.h5 --model initial.h5 --masks masks.h5 --steps 1000 -o model.h5
             sparse-train --data dataset.h5 --model initial.h5 --mode dynamic --sparsity 0.9 \
      --steps 1000 -o model.h5
             sparse-train --data dataset.h5 --width 16 --head-width 64 --steps 0 -o initial.h5
      """,
    discussion: """
      Adam on the weighted sum of the tasks' losses. Weights that the masks prune stay exactly 0. \
      --steps 0 writes the weights that training would start from. Without --model the initial \
      weights are drawn from --seed, or again as the masks record.

      --mode dynamic drops the smallest weights every --update-every steps and grows those that \
      the tasks' gradients ask for. It starts from --masks, or from random masks of --sparsity.

      --mode adaptive learns a threshold for the weights that all tasks own, for those of each set \
      of fewer tasks, and for those of each task alone (AdapMTL); weights below theirs count as 0. \
      Thresholds that prune --sparsity stay as they are; --weight-decay, which shrinks weights \
      towards them, and --threshold-start decide when. After --threshold-until exactly that share \
      is pruned, and training goes on with fixed masks.

      SIGINT, SIGTERM and SIGHUP finish the step and write a checkpoint beside the output \
      (model-checkpoint.h5); --resume goes on from there as if training had never stopped. A run that \
      finds a checkpoint wants to be told what to do with it: --resume or --fresh.

      Several processes (mpirun -n N sparse-train ..., or srun) divide every batch among them, and \
      train as one process does, but for rounding.
      """,
    version: version)

  @Option(help: "The data set; its training images are used.") var data: String
  @Option(help: "The model to start from (default: a new network).") var model: String?
  @Option(help: "Masks of the weights that stay, or that dynamic training starts with.")
  var masks: String?
  @Option(
    help:
      "dense, static (fixed masks), dynamic or adaptive; the default is static where there are masks."
  )
  var mode: Mode?
  @Option(
    help: """
      Share of the prunable weights that random masks for dynamic training leave out, or that \
      adaptive training prunes.
      """)
  var sparsity: Double?
  @Flag(help: "Accept masks that were made for other weights of the same architecture.")
  var allowOtherWeights = false
  @OptionGroup var architecture: ArchitectureOptions
  @Option(parsing: .unconditional, help: "Training steps.") var steps: Int
  @Option(help: "Adam's learning rate.") var learningRate = 1e-3
  @Option(help: "Factor of the L2 term.") var weightDecay = 5e-4
  @Option(help: "Steps between two decays of the learning rate (default: never).")
  var decayEvery: Int?
  @Option(help: "Factor of each decay.") var decay = 0.5
  @OptionGroup(title: "Dynamic training") var dynamic: DynamicOptions
  @OptionGroup(title: "Adaptive training") var adaptive: AdaptiveOptions
  @OptionGroup(title: "Checkpoints and logs") var keeping: RunOptions
  @OptionGroup var batch: BatchOptions
  @OptionGroup var machine: MachineOptions
  @OptionGroup var processes: ProcessOptions
  @Flag(help: "Of several processes: batch-norm over each one's images instead of the whole batch.")
  var localBatchNorm = false
  @OptionGroup var engine: EngineOptions
  @OptionGroup var common: CommonOptions
  @OptionGroup var output: OutputOptions

  /// A bound within which nothing that steps are multiplied with overflows.
  private static let mostSteps = 1_000_000_000_000

  func validate() throws {
    guard (0...Self.mostSteps).contains(steps) else {
      throw ValidationError("--steps \(steps): must be in 0...\(Self.mostSteps)")
    }
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
    if let sparsity {
      guard mode == .dynamic || mode == .adaptive else {
        throw ValidationError("--sparsity goes with --mode dynamic or adaptive")
      }
      guard (0..<1).contains(sparsity) else {
        throw ValidationError("--sparsity \(sparsity): must lie in [0, 1)")
      }
      if mode == .dynamic, masks != nil {
        throw ValidationError("--sparsity goes with no --masks: they have their own")
      }
    }
    if mode == .dynamic {
      try dynamic.check(steps: steps)
    } else if let option = dynamic.given.first {
      throw ValidationError("\(option) goes with --mode dynamic")
    }
    if mode == .adaptive {
      if masks != nil { throw ValidationError("--mode adaptive takes no --masks") }
      if sparsity == nil { throw ValidationError("--mode adaptive needs --sparsity") }
      try adaptive.check(steps: steps)
    } else if let option = adaptive.given.first {
      throw ValidationError("\(option) goes with --mode adaptive")
    }
  }

  func run() throws {
    let group = try processes.join(toolName)
    if group.isFirst { try checkFiles() }
    // From here on no other run writes these files.
    let claim = group.isFirst ? try PartialFile(output.output) : nil
    defer { claim?.giveUp() }
    let anyMachine = try machine.prepare(common, toolName)
    let dataset = try DatasetFile(opening: data)
    if group.isFirst { try checkOutputs(against: dataset.shards) }
    // Resuming changes nothing in the result, so it is no part of its record.
    var provenance = Provenance(
      createdBy: "\(toolName) \(version)",
      command: recordedCommandLine(
        without: ["--resume", "--fresh"], options: ["--checkpoint-minutes", "--process-timeout"]),
      seed: common.seed)
    try provenance.add(dataset.reader)
    if keeping.validateEvery != nil { _ = try dataset.info(.validation) }
    let masksFile = try masks.map(MasksFile.init(opening:))
    let start = try startingPoint(dataset, masksFile, anyMachine, &provenance)
    try start.network.architecture.check(
      fits: dataset, network: masks ?? model ?? "the network")
    let (startingMasks, layers) = try startingMasks(start, masksFile, &provenance)

    try group.check(provenance)
    let source = try batch.source(of: dataset, seed: common.seed, dividedAmong: group)
    let kind = try engineKind(
      for: start.network.graph, masks: startingMasks,
      image: Extent(source.size.height, source.size.width), on: anyMachine)
    let machine = anyMachine.running(kind)
    try group.check(kind, on: machine)
    let trainer = try Trainer(
      start.network, engine: kind, tasks: TaskSet(dataset.tasks), on: source, masks: startingMasks,
      settings: TrainingSettings(
        steps: steps, learningRate: learningRate, weightDecay: weightDecay, decayEvery: decayEvery,
        decay: decay, machine: machine, seed: common.seed,
        dynamic: mode == .dynamic ? dynamic.settings(steps: steps) : nil,
        adaptive: adaptiveSettings, localBatchNorm: localBatchNorm))
    let training = TrainingRun(
      trainer,
      RunPlan(
        output: output.output, architecture: start.architecture, stepsBefore: start.step,
        provenance: provenance, settings: settings(machine),
        checkpointEvery: keeping.checkpointEvery,
        checkpointInterval: keeping.checkpointMinutes.map { .seconds(60 * $0) },
        validateEvery: keeping.validateEvery, keepsBest: keeping.keepBest, layers: layers))
    let (first, notice) = try training.begin(keeping.beginning ?? .fresh)
    if let notice { common.warn(toolName, notice) }
    if let first { common.say("going on after step \(first) from \(training.plan.checkpoint)") }
    if engine.plan { writeLine(trainer.engine.planTable) }
    let log = try TrainingLog(
      first: first ?? 0, steps: steps, batchSize: batch.batchSize, trainer.engineKind, keeping,
      group, quiet: common.quiet)
    let isDone = try Interruption.deferring {
      try training.run(until: { Interruption.signal != nil }) { log.tell($0) }
    }
    log.finish()
    for line in trainer.empty.warnings(of: steps - (first ?? 0)) { common.warn(toolName, line) }
    guard isDone else {
      common.warn(
        toolName,
        "interrupted after step \(trainer.step); --resume goes on from \(training.plan.checkpoint)")
      // The signal may have reached other processes alone.
      throw ExitCode(128 + (Interruption.signal ?? SIGTERM))
    }
    if let table = lossTable(trainer.history) { common.say(table) }
    if let table = try componentTable(trainer) { common.say(table) }
    common.say(summary(trainer, log))
  }

  private var adaptiveSettings: AdaptiveSettings? {
    guard mode == .adaptive, let sparsity else { return nil }
    return adaptive.settings(sparsity: sparsity, steps: steps, engine: engine.engine)
  }

  /// The engine to begin with: under thresholds the dense one.
  private func engineKind(
    for graph: Graph, masks: [Mask], image: Extent, on machine: Machine
  ) throws -> EngineKind {
    guard mode == .adaptive else {
      return try engine.engine.kind(for: graph, masks: masks, image: image, on: machine)
    }
    // An engine that cannot run later is refused now.
    _ = try engine.engine.kind(
      for: graph,
      kept: Dictionary(uniqueKeysWithValues: graph.prunable.map { ($0.name, $0.count) }),
      image: image, on: machine.device, machine.precision)
    return .dense
  }

  /// Refuses outputs that would destroy something, and a checkpoint that nobody spoke of.
  private func checkFiles() throws {
    try checkOutputs(against: [data, model, masks].compactMap { $0 })
    let checkpoint = RunPlan.checkpoint(of: output.output)
    if keeping.beginning == nil, FileManager.default.fileExists(atPath: checkpoint) {
      throw ValidationError(
        "\(checkpoint): is there from a run that did not end; --resume goes on from it, --fresh "
          + "begins anew")
    }
  }

  private func checkOutputs(against inputs: [String]) throws {
    for path in [
      output.output, RunPlan.checkpoint(of: output.output), RunPlan.best(of: output.output),
    ] {
      try OutputFile.check(path, .artifact(.model), inputs: inputs)
    }
  }

  /// What shapes the result besides the inputs, by option. More steps than before are allowed.
  private func settings(_ machine: Machine) -> [String: String] {
    var settings = [
      "learning-rate": "\(learningRate)", "weight-decay": "\(weightDecay)", "decay": "\(decay)",
      "decay-every": decayEvery.map(String.init) ?? "never", "seed": "\(common.seed)",
      "precision": machine.precision.rawValue, "batch-size": "\(batch.batchSize)",
      "order": batch.order.rawValue, "augment": "\(batch.augment)",
      "mode": mode?.rawValue ?? "default",
    ]
    if localBatchNorm { settings["local-batch-norm"] = "true" }
    settings["crop"] = batch.crop.map { "\($0)" }
    settings["dropout"] = batch.dropout.map { "\($0)" }
    settings["validate-every"] = keeping.validateEvery.map(String.init)
    settings["sparsity"] = sparsity.map { "\($0)" }
    if mode == .dynamic {
      settings.merge(dynamic.description(steps: steps)) { $1 }
    }
    if let adaptiveSettings {
      settings.merge(adaptive.description(adaptiveSettings)) { $1 }
    }
    return settings
  }

  private func startingPoint(
    _ dataset: DatasetFile, _ masks: MasksFile?, _ machine: Machine, _ provenance: inout Provenance
  ) throws -> StartingPoint {
    if let model {
      let file = try ModelFile(opening: model)
      try provenance.add(file.reader)
      let start = try StartingPoint.loading(file, dropout: batch.dropout, on: machine.device)
      return try masks.map(start.split(for:)) ?? start
    }
    if let masks { return try .redrawing(for: masks, dropout: batch.dropout, on: machine.device) }
    return try .drawing(
      try architecture.architecture(for: dataset.tasks, dropout: batch.dropout), seed: common.seed,
      on: machine.device)
  }

  /// The masks to train with: the file's, those that the model has, or random ones; and how the
  /// tasks chose them, where a file tells.
  private func startingMasks(
    _ start: StartingPoint, _ file: MasksFile?, _ provenance: inout Provenance
  ) throws -> (masks: [Mask], layers: LayerTable?) {
    if let file {
      try start.check(file, allowingOtherWeights: allowOtherWeights)
      try provenance.add(file.reader)
      return (file.masks, try file.reader.readLayersIfAny())
    }
    if mode == .dense || mode == .adaptive { return ([], nil) }
    if let sparsity {
      return (try randomMasks(of: start.network, sparsity: sparsity, seed: common.seed), nil)
    }
    if mode == .static || mode == .dynamic, start.masks.isEmpty {
      throw OptionError(
        "--mode \(mode?.rawValue ?? "")",
        "\(model ?? "the network") has no masks; give --masks"
          + (mode == .dynamic ? " or --sparsity" : ""))
    }
    return (start.masks, start.masks.isEmpty ? nil : start.layers)
  }

  /// Every task's loss at the first and the last step, and over the validation images; nil where
  /// there were no steps.
  private func lossTable(_ history: TrainingHistory) -> String? {
    guard history.losses.count > 1 else { return nil }
    var losses: [(name: String, values: [Double])] = history.taskLosses.map { ($0.task, $0.values) }
    losses.append(("all, weighted", history.losses))
    let validation = history.validations.last
    let validated = validation.map { $0.taskLosses + [$0.loss] } ?? []
    var rows = [["loss", "first step", "last step", "change"]]
    if validation != nil { rows[0].append("validation") }
    var changes: [Double?] = [nil]
    for (index, (name, values)) in losses.enumerated() {
      let (first, last) = (values.first ?? .nan, values.last ?? .nan)
      let change = (last - first) / abs(first)
      // Less is better.
      changes.append(-change)
      var row = [name, Format.number(first), Format.number(last), Format.change(change)]
      if validated.indices.contains(index) { row.append(Format.number(validated[index])) }
      rows.append(row)
    }
    func style(_ row: Int, _ column: Int) -> TextStyle? {
      if row == 0 { return .header }
      return column == 1 ? .faint : column == 3 ? .ofChange(changes[row]) : nil
    }
    return Format.table(rows, style: Terminal.showsColour ? { style($0, $1) } : nil)
  }

  /// What thresholds and masks left of each component; nil where there were no thresholds.
  private func componentTable(_ trainer: Trainer) throws -> String? {
    guard let last = trainer.history.thresholds?.rows.last else { return nil }
    let rows = try trainer.network.componentSizes().map {
      [
        $0.owners, Format.count($0.weights), Format.count($0.kept), Format.percent($0.density),
      ]
    }
    return Format.table(
      [["owners", "weights", "kept", "density"]] + rows,
      style: Terminal.showsColour ? { row, _ in row == 0 ? .header : nil } : nil)
      + "\nthe thresholds pruned \(Format.percent(last.sparsity)) by step \(last.step), where the "
      + "masks took their place"
  }

  private func summary(_ trainer: Trainer, _ log: TrainingLog) -> String {
    let history = trainer.history
    guard let loss = history.losses.last, let first = history.losses.first else {
      return "\(output.output): initial weights"
    }
    var text =
      "\(output.output): \(Format.count(steps)) steps in \(Format.fixed(log.seconds, 1)) s "
      + "(\(Format.fixed(log.imagesPerSecond, 1)) images/s, \(trainer.engineKind.rawValue) engine), loss \(Format.number(first)) → "
      + Format.number(loss)
    if let best = history.validations.min(by: { $0.loss < $1.loss }) {
      text += ", best validation loss \(Format.number(best.loss)) at step \(best.step)"
    }
    return text
  }
}
