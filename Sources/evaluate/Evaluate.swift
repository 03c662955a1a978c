// evaluate: a data set and a model in; metrics and a report out.

import ArgumentParser
import Artifacts
import CommandLine
import Datasets
import NetworkOptions
import Reporting
import Training

let toolName = "evaluate"

@main
enum Main {
  static func main() { run(Evaluate.self, cleanUp: PartialFiles.removeAll) }
}

struct Evaluate: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: toolName,
    abstract: "Measure a model at each of its tasks, or compare measured ones.",
    usage: """
      evaluate --data dataset.h5 --model model.h5 -o metrics.h5
             evaluate compare dense-metrics.h5 disparse-metrics.h5 --report report.html
             evaluate predict --model model.h5 room.png -o predictions.h5
      """,
    discussion: "'evaluate model --help' lists the options of the first form.",
    version: version,
    subcommands: [ModelCommand.self, CompareCommand.self, PredictCommand.self],
    defaultSubcommand: ModelCommand.self)
}

/// Writes a page beside its final name and renames it, like the other files.
func writeReport(_ comparison: Comparison, to path: String, _ common: CommonOptions) throws {
  let (html, chartsMissing) = try Report(comparison, command: commandLine).page()
  try OutputFile.write(page: html, to: path)
  if let chartsMissing { common.warn(toolName, "\(path) lacks charts: \(chartsMissing)") }
}
