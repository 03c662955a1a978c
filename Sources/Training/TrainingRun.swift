// A run of training from its start, or from its checkpoint, to its files.

import Artifacts
import Foundation

/// What a run writes, and when.
public struct RunPlan: Sendable {
  /// The trained model. Beside it the run keeps its checkpoint and its best model.
  public var output: String
  /// JSON of the network.
  public var architecture: String
  /// Steps that the network had been trained before.
  public var stepsBefore: Int
  public var provenance: Provenance
  /// The settings that shape the result, by option; a checkpoint made with others is refused.
  public var settings: [String: String]
  /// Steps between two checkpoints, and the time between two; nil for none by that measure.
  public var checkpointEvery: Int?
  public var checkpointInterval: Duration?
  public var validateEvery: Int?
  /// Whether to keep the model with the smallest validation loss; from the step on at which masks
  /// change for the last time.
  public var keepsBest: Bool
  /// How the tasks chose the masks that the run begins with.
  public var layers: LayerTable?

  public init(
    output: String, architecture: String, stepsBefore: Int, provenance: Provenance,
    settings: [String: String], checkpointEvery: Int? = nil, checkpointInterval: Duration? = nil,
    validateEvery: Int? = nil, keepsBest: Bool = false, layers: LayerTable? = nil
  ) {
    self.output = output
    self.architecture = architecture
    self.stepsBefore = stepsBefore
    self.provenance = provenance
    self.settings = settings
    self.checkpointEvery = checkpointEvery
    self.checkpointInterval = checkpointInterval
    self.validateEvery = validateEvery
    self.keepsBest = keepsBest
    self.layers = layers
  }

  public var checkpoint: String { Self.checkpoint(of: output) }
  public var best: String { Self.best(of: output) }

  /// The files that a run keeps beside its output.
  public static func checkpoint(of output: String) -> String {
    OutputFile.path(beside: output, "-checkpoint")
  }
  public static func best(of output: String) -> String { OutputFile.path(beside: output, "-best") }
}

/// What a run does with the checkpoint that an earlier one left.
public enum Beginning: Sendable {
  /// Goes on from it; fails when it is of another run.
  case resuming
  /// Removes it.
  case fresh
  /// Goes on from it where it is of this run; else it stays until the next one replaces it, or the
  /// run is done.
  case resumingOrFresh
}

/// What a run reports while it trains.
public enum TrainingEvent: Sendable {
  case step(TrainingStep)
  /// A change of the masks; reported before the `step` in which it happened.
  case update(TrainingHistory.MaskUpdate)
  /// The thresholds of adaptive training after a step; reported before its `step`.
  case thresholds(TrainingHistory.Thresholds.Row, components: [String])
  /// - Parameter isBest: whether this model was kept as the best so far.
  case validation(TrainingHistory.Validation, isBest: Bool)
  /// Something could not be written now; the run goes on.
  case warning(String)
}

/// Runs a trainer, and reads and writes the run's files.
public final class TrainingRun {
  public let trainer: Trainer
  public let plan: RunPlan
  /// The validation loss of the best model that was kept.
  private var bestLoss: Double?
  /// Steps behind the checkpoint that is there.
  private var checkpointStep: Int?
  private var lastCheckpoint = ContinuousClock.now

  public init(_ trainer: Trainer, _ plan: RunPlan) {
    self.trainer = trainer
    self.plan = plan
  }

  /// Goes on from the run's checkpoint, where there is one, or begins afresh.
  ///
  /// - Returns: the step to go on from, nil for the first one; and why a checkpoint was left alone.
  /// - Throws: ``ArtifactError`` when the checkpoint is of another run and that is to be told.
  public func begin(_ beginning: Beginning) throws -> (step: Int?, notice: String?) {
    // What the first process finds, all do: each reads the checkpoint, and only the first looks for it.
    guard trainer.group.isFirst else {
      let step = trainer.group.fromFirst(0)
      return (step > 0 ? try resume() : nil, nil)
    }
    let begun = try beginFirst(beginning)
    _ = trainer.group.fromFirst(begun.step ?? 0)
    return begun
  }

  private func beginFirst(_ beginning: Beginning) throws -> (step: Int?, notice: String?) {
    guard FileManager.default.fileExists(atPath: plan.checkpoint) else { return (nil, nil) }
    switch beginning {
    case .fresh:
      try OutputFile.remove(plan.checkpoint, .artifact(.model))
      return (nil, nil)
    case .resuming:
      return (try resume(), nil)
    case .resumingOrFresh:
      do {
        return (try resume(), nil)
      } catch let error as ArtifactError {
        return (nil, "\(error.description); starting afresh")
      }
    }
  }

  private func resume() throws -> Int {
    let file = try ModelFile(opening: plan.checkpoint)
    let state = try file.state()
    try check(file, state)
    try trainer.restore(file, state)
    // The best model may have gone, or never been kept.
    bestLoss = FileManager.default.fileExists(atPath: plan.best) ? state.bestLoss : nil
    checkpointStep = state.step
    return state.step
  }

  private func check(_ file: ModelFile, _ state: TrainingState) throws {
    let reader = file.reader
    func other(_ reason: String) -> ArtifactError { reader.error("", reason) }
    guard file.model.architecture == plan.architecture else {
      throw other("made for another network")
    }
    let recorded =
      (try? JSONDecoder().decode([String: String].self, from: Data(state.settings.utf8))) ?? [:]
    for option in Set(recorded.keys).union(plan.settings.keys).sorted()
    where recorded[option] != plan.settings[option] {
      let (then, now) = (recorded[option] ?? "not set", plan.settings[option] ?? "not set")
      throw other("made with --\(option) \(then), now \(now)")
    }
    let (then, now) = (reader.provenance.inputs, plan.provenance.inputs)
    if let input = now.first(where: { input in !then.contains { $0.sha256 == input.sha256 } }) {
      throw other("made without \(input.name) as it is now")
    }
    if let input = then.first(where: { input in !now.contains { $0.sha256 == input.sha256 } }) {
      throw other("made with \(input.name), which is missing now")
    }
    let steps = trainer.settings.steps
    guard state.step <= steps else {
      throw other("made after step \(state.step), beyond --steps \(steps)")
    }
  }

  /// Trains to the last step and writes the model, or stops after a step when told to, with a
  /// checkpoint.
  ///
  /// - Parameter isInterrupted: asked after every step.
  /// - Returns: whether the last step was reached.
  /// - Throws: ``TrainingError`` with the step, the task and the last good checkpoint, when a loss is
  ///   not finite.
  public func run(
    until isInterrupted: () -> Bool = { false }, report: (TrainingEvent) throws -> Void
  ) throws -> Bool {
    do {
      while trainer.step < trainer.settings.steps {
        let updates = trainer.history.updates.count
        let step = try trainer.advance()
        for update in trainer.history.updates.dropFirst(updates) { try report(.update(update)) }
        if let thresholds = trainer.history.thresholds, let row = thresholds.rows.last,
          row.step == trainer.step
        {
          try report(.thresholds(row, components: thresholds.components))
        }
        try report(.step(step))
        if isDue(plan.validateEvery) { try validate(report) }
        let isDone = trainer.step == trainer.settings.steps
        // A signal reaches the processes one after the other, and their clocks differ.
        let events = trainer.group.sum([
          isInterrupted() ? 1 : 0, trainer.group.isFirst && isCheckpointTime ? 1 : 0,
        ])
        if events[0] > 0 {
          try writeCheckpoint()
          return false
        }
        if !isDone, isDue(plan.checkpointEvery) || events[1] > 0 {
          do {
            try writeCheckpoint()
          } catch let error as ArtifactError {
            lastCheckpoint = .now
            try report(.warning("\(error.description); the run goes on, and tries again"))
          }
        }
      }
      try trainer.checkAgreement()
      try write(model(), to: plan.output)
    } catch let error as TrainingError {
      let last = checkpointStep.map {
        "the last good checkpoint is \(plan.checkpoint) (step \($0))"
      }
      throw TrainingError(
        step: error.step, "\(error.reason); \(last ?? "there is no checkpoint to go back to")")
    }
    if trainer.group.isFirst { unlink(plan.checkpoint) }
    return true
  }

  private var isCheckpointTime: Bool {
    plan.checkpointInterval.map { ContinuousClock.now - lastCheckpoint >= $0 } ?? false
  }

  private func isDue(_ every: Int?) -> Bool {
    guard let every else { return false }
    return trainer.step % every == 0 || trainer.step == trainer.settings.steps
  }

  private func validate(_ report: (TrainingEvent) throws -> Void) throws {
    let validation = try trainer.validate()
    trainer.history.validations.append(validation)
    let isFinal = trainer.step >= trainer.settings.lastChangeOfMasks
    var isBest = plan.keepsBest && isFinal && validation.loss < bestLoss ?? .infinity
    if isBest {
      do {
        try write(model(), to: plan.best)
        bestLoss = validation.loss
      } catch let error as ArtifactError {
        isBest = false
        try report(.warning("\(error.description); this best model is not kept"))
      }
    }
    try report(.validation(validation, isBest: isBest))
  }

  private func model(_ state: TrainingState? = nil) throws -> Model {
    var model = try trainer.model(
      architecture: plan.architecture, base: plan.stepsBefore, state: state)
    model.layers = plan.layers
    model.taskKinds = Dictionary(
      uniqueKeysWithValues: trainer.tasks.descriptions.map { ($0.name, $0.kind.rawValue) })
    return model
  }

  /// Only the first process writes.
  private func write(_ model: @autoclosure () throws -> Model, to path: String) throws {
    guard trainer.group.isFirst else { return }
    try ModelFile.write(
      path, model(), parameters: trainer.network.weights.count, provenance: plan.provenance,
      trainer.parameter)
  }

  private func writeCheckpoint() throws {
    try trainer.checkAgreement()
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    let settings = String(decoding: try encoder.encode(plan.settings), as: UTF8.self)
    try write(
      model(trainer.state(settings: settings, bestLoss: bestLoss)), to: plan.checkpoint)
    checkpointStep = trainer.step
    lastCheckpoint = .now
  }
}
