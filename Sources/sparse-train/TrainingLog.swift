// What sparse-train tells as it goes: on the terminal, and to TensorBoard.

import Collectives
import CommandLine
import Formatting
import Networks
import Training

final class TrainingLog {
  private let progress: Progress
  private let events: EventLog?
  private let batchSize: Int
  private let first: Int
  private let group: ProcessGroup
  private let logEvery: Int?
  private var last: Int
  /// What this process had given into sums before the last step, and after it.
  private var bytes = (before: 0, after: 0)
  private var eventsFail = false

  /// - Parameter first: steps done before.
  init(
    first: Int, steps: Int, batchSize: Int, _ engine: EngineKind, _ options: RunOptions,
    _ group: ProcessGroup, quiet: Bool
  ) throws {
    self.first = first
    self.group = group
    self.batchSize = batchSize
    logEvery = options.logEvery
    last = first
    progress = Progress(
      "train (\(engine.rawValue) engine)", total: steps, startingAt: first, quiet: quiet)
    let folder = group.isFirst ? options.tensorboard : nil
    events = try folder.map { try EventLog(folder: $0, firstStep: first + 1) }
  }

  var seconds: Double { progress.seconds }
  var imagesPerSecond: Double { Double((last - first) * batchSize) / seconds }

  func tell(_ event: TrainingEvent) {
    switch event {
    case .step(let step):
      last = step.step
      bytes = (bytes.after, group.bytes)
      if let logEvery {
        if step.step % logEvery == 0 { progress.line(step.step, describe(step)) }
      } else {
        progress.update(step.step, describe(step))
      }
      add(
        [("learning_rate", step.learningRate), ("loss/total", step.loss)]
          + step.taskLosses.map { ("loss/\($0.task)", $0.loss) }, step: step.step)
    case .update(let update):
      add(
        [
          ("masks/density", update.densityAfter), ("masks/drop_rate", update.dropRate),
          ("masks/dropped", Double(update.dropped)), ("masks/grown", Double(update.grown)),
        ] + (update.agreement.isNaN ? [] : [("masks/agreement", update.agreement)]),
        step: update.step)
    case .thresholds(let row, let components):
      add(
        [("masks/density", 1 - row.sparsity)]
          + zip(components, row.values).map { ("thresholds/\($0)", $1) }, step: row.step)
    case .validation(let validation, let isBest):
      progress.line(
        validation.step,
        "validation loss \(Format.number(validation.loss))" + (isBest ? ", the best so far" : ""))
      add([("loss/validation", validation.loss)], step: validation.step)
    case .warning(let text):
      warn(text)
    }
  }

  /// An event file that cannot be written ends no training; its values wait for better times.
  private func add(_ scalars: [(tag: String, value: Double)], step: Int) {
    do {
      try events?.add(scalars, step: step)
      eventsFail = false
    } catch {
      // Once, until it works again.
      if !eventsFail { warn("\(error); the run goes on, and tries again") }
      eventsFail = true
    }
  }

  private func warn(_ text: String) { writeError("\(toolName): warning: \(text)\n") }

  func finish() { progress.finish() }

  private func describe(_ step: TrainingStep) -> String {
    let tasks = step.taskLosses.map { "\($0.task) \(Format.number($0.loss))" }
    return "loss \(Format.number(step.loss)) (\(tasks.joined(separator: ", ")))  "
      + "\(Format.fixed(imagesPerSecond, 1)) images/s\(exchanged)"
  }
  /// What this process, like each of several, has given into sums in the last step.
  private var exchanged: String {
    guard group.size > 1 else { return "" }
    return ", \(Format.fixed(Double(bytes.after - bytes.before) / 1e6, 3)) MB exchanged"
  }
}
