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
  public var checkpointEvery: Int?
  public var validateEvery: Int?
  /// Whether to keep the model with the smallest validation loss; in dynamic training, from the last
  /// drop on.
  public var keepsBest: Bool
  /// How the tasks chose the masks that the run begins with.
  public var layers: LayerTable?

  public init(
    output: String, architecture: String, stepsBefore: Int, provenance: Provenance,
    settings: [String: String], checkpointEvery: Int? = nil, validateEvery: Int? = nil,
    keepsBest: Bool = false, layers: LayerTable? = nil
  ) {
    self.output = output
    self.architecture = architecture
    self.stepsBefore = stepsBefore
    self.provenance = provenance
    self.settings = settings
    self.checkpointEvery = checkpointEvery
    self.validateEvery = validateEvery
    self.keepsBest = keepsBest
    self.layers = layers
  }

  public var checkpoint: String { OutputFile.path(beside: output, "-checkpoint") }
  public var best: String { OutputFile.path(beside: output, "-best") }
}

/// What a run tells as it goes.
public enum TrainingEvent: Sendable {
  case step(TrainingStep)
  /// Before the step that it belongs to.
  case update(TrainingHistory.MaskUpdate)
  case validation(TrainingHistory.Validation, isBest: Bool)
}

/// A trainer with its files.
public final class TrainingRun {
  public let trainer: Trainer
  public let plan: RunPlan
  private var bestLoss: Double?
  /// Steps behind the checkpoint that is there.
  private var checkpointStep: Int?

  public init(_ trainer: Trainer, _ plan: RunPlan) {
    self.trainer = trainer
    self.plan = plan
  }

  /// Goes on from the run's checkpoint, where there is one.
  ///
  /// - Returns: the step to go on from; nil without a checkpoint.
  /// - Throws: ``ArtifactError`` when the checkpoint is of another run.
  public func resume() throws -> Int? {
    guard FileManager.default.fileExists(atPath: plan.checkpoint) else { return nil }
    let file = try ModelFile(opening: plan.checkpoint)
    let state = try file.state()
    try check(file.reader, state)
    try trainer.restore(file, state)
    bestLoss = state.bestLoss
    checkpointStep = state.step
    return state.step
  }

  private func check(_ reader: ArtifactReader, _ state: TrainingState) throws {
    let advice = "; go on with the same settings, or without --resume"
    let recorded =
      (try? JSONDecoder().decode([String: String].self, from: Data(state.settings.utf8))) ?? [:]
    for option in Set(recorded.keys).union(plan.settings.keys).sorted()
    where recorded[option] != plan.settings[option] {
      let (then, now) = (recorded[option] ?? "not set", plan.settings[option] ?? "not set")
      throw reader.error("", "made with --\(option) \(then), now \(now)\(advice)")
    }
    for input in plan.provenance.inputs
    where !reader.provenance.inputs.contains(where: { $0.sha256 == input.sha256 }) {
      throw reader.error("", "made from another \(input.name)\(advice)")
    }
    let steps = trainer.settings.steps
    guard state.step <= steps else {
      throw reader.error("", "made after step \(state.step), beyond --steps \(steps)\(advice)")
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
        try report(.step(step))
        if isDue(plan.validateEvery) { try validate(report) }
        let isDone = trainer.step == trainer.settings.steps
        let stops = isInterrupted()
        if stops || (isDue(plan.checkpointEvery) && !isDone) { try writeCheckpoint() }
        if stops { return false }
      }
      try ModelFile.write(plan.output, model(), provenance: plan.provenance)
    } catch let error as TrainingError {
      let last = checkpointStep.map {
        "the last good checkpoint is \(plan.checkpoint) (step \($0))"
      }
      throw TrainingError(
        step: error.step, "\(error.reason); \(last ?? "there is no checkpoint to go back to")")
    }
    unlink(plan.checkpoint)
    return true
  }

  private func isDue(_ every: Int?) -> Bool {
    guard let every else { return false }
    return trainer.step % every == 0 || trainer.step == trainer.settings.steps
  }

  private func validate(_ report: (TrainingEvent) throws -> Void) throws {
    let validation = try trainer.validate()
    trainer.history.validations.append(validation)
    let isFinal = trainer.step >= trainer.settings.dynamic?.schedule.until ?? 0
    let isBest = isFinal && validation.loss < bestLoss ?? .infinity
    if isBest {
      bestLoss = validation.loss
      if plan.keepsBest {
        try ModelFile.write(plan.best, model(), provenance: plan.provenance)
      }
    }
    try report(.validation(validation, isBest: isBest))
  }

  private func model(_ state: TrainingState? = nil) throws -> Model {
    var model = try trainer.model(
      architecture: plan.architecture, base: plan.stepsBefore, state: state)
    model.layers = plan.layers
    return model
  }

  private func writeCheckpoint() throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    let settings = String(decoding: try encoder.encode(plan.settings), as: UTF8.self)
    let state = try trainer.state(settings: settings, bestLoss: bestLoss)
    try ModelFile.write(plan.checkpoint, model(state), provenance: plan.provenance)
    checkpointStep = trainer.step
  }
}
