// evaluate: a data set and a model in; metrics and a report out.

import ArgumentParser
import Artifacts
import CommandLine
import Datasets
import Foundation
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
      """,
    version: version,
    subcommands: [ModelCommand.self, CompareCommand.self],
    defaultSubcommand: ModelCommand.self)
}

/// Writes a page beside its final name and renames it, like the other files.
func writeReport(_ comparison: Comparison, to path: String) throws {
  let html = try Report(comparison, command: commandLine).html()
  do {
    try Data(html.utf8).write(to: URL(fileURLWithPath: path), options: .atomic)
  } catch {
    throw ArtifactError(
      file: path, path: "", reason: "cannot be written: \(error.localizedDescription)")
  }
}

/// The table of a comparison for the terminal.
func terminalTable(_ comparison: Comparison) -> String {
  let header = ["task", "metric"] + comparison.models.map(\.label)
  func change(_ value: Double?) -> String {
    value.map { " (\($0 < 0 ? "" : "+")\(Format.fixed(100 * $0, 1)) %)" } ?? ""
  }
  var rows = comparison.rows.map { row in
    [row.task, "\(row.metric) \(row.direction)"]
      + zip(row.values, row.changes).map { Format.short($0) + change($1) }
  }
  let sizes = comparison.models.map(\.metrics.size)
  rows.append(["all", "sparsity"] + sizes.map { Format.percent($0.sparsity) })
  rows.append(["all", "GFLOPs"] + sizes.map { Format.fixed($0.flopsSparse / 1e9, 3) })
  rows.append(["all", "MB on disk"] + sizes.map { Format.fixed(Double($0.bytesSparse) / 1e6, 2) })
  if comparison.models.count > 1 {
    rows.append(
      ["all", "mean change"]
        + comparison.models.indices.map { model in
          comparison.meanChange(ofModel: model).map {
            "\($0 < 0 ? "" : "+")\(Format.fixed(100 * $0, 1)) %"
          } ?? ""
        })
  }
  return Format.table([header] + rows)
}
