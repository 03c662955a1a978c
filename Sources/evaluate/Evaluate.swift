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
    discussion: "Of the first form, which is short for 'evaluate model':\n\n" + options,
    version: version,
    subcommands: [ModelCommand.self, CompareCommand.self, PredictCommand.self],
    defaultSubcommand: ModelCommand.self)

  /// The options of the form without a subcommand, which the parser itself lists for that subcommand
  /// alone.
  private static var options: String {
    let help = ModelCommand.helpMessage(columns: 79)
    return help.range(of: "OPTIONS:").map { String(help[$0.lowerBound...]) } ?? help
  }
}

/// Writes a page, and warns of charts that it lacks.
func write(_ page: (html: String, chartsMissing: String?), to path: String, _ common: CommonOptions)
  throws
{
  try OutputFile.write(page.html, .page, to: path)
  if let missing = page.chartsMissing { common.warn(toolName, "\(path) lacks charts: \(missing)") }
}
