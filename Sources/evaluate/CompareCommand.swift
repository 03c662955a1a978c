// evaluate compare: measured models in one table.

import ArgumentParser
import Artifacts
import CommandLine
import Reporting

struct CompareCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "compare",
    abstract: "Put measured models in one table, with each change against the first.",
    usage: "evaluate compare dense-metrics.h5 disparse-metrics.h5 --report report.html",
    discussion: "Changes are relative, and positive when the number is better.",
    version: version)

  @Argument(help: "Two or more metrics files.") var metrics: [String]
  @Option(help: "Also write an HTML page.") var report: String?
  @OptionGroup var common: CommonOptions

  func validate() throws {
    guard metrics.count >= 2 else { throw ValidationError("give at least two metrics files") }
  }

  func run() throws {
    if let report { try OutputFile.check(report) }
    let comparison = try Comparison(metrics.map(EvaluatedModel.init(opening:)))
    if let report { try writeReport(comparison, to: report) }
    common.say(comparison.text)
  }
}
