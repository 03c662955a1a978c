// evaluate compare: measured models in one table.

import ArgumentParser
import Artifacts
import CommandLine
import Reporting

struct CompareCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "compare",
    abstract: "Put measured models in one table, with each change against the first.",
    usage: """
      evaluate compare dense-metrics.h5 disparse-metrics.h5 --report report.html
             evaluate compare dense-metrics.h5 {disparse,random}-0.{5,9}-metrics.h5 --report sweep.html
             evaluate compare --runs seed-*/dense-metrics.h5 seed-*/disparse-metrics.h5
      """,
    discussion: """
      Changes are relative, and positive when the number is better. ΔT is the mean over the tasks \
      of the mean change of each one's metrics, but for miou_published, which rises as a network \
      gives up rare classes, and metrics that are 0 for the first model. With --runs, files of the \
      same name are runs of one method: the table has means ± standard deviations, and changes \
      against the first method's mean.

      The page shows at most four models in pictures and curves, and all in tables. Names that \
      differ only in a number at their end, as disparse-0.5-metrics.h5 and \
      disparse-0.9-metrics.h5, are one method at several sparsities: a page with such files shows \
      accuracy against sparsity, with one line per method. Charts need gnuplot.
      """,
    version: version)

  @Argument(help: "Two or more metrics files.") var metrics: [String]
  @Flag(help: "Take files of the same name as runs of one method.") var runs = false
  @Option(help: "Also write an HTML page.") var report: String?
  @OptionGroup var common: CommonOptions

  func validate() throws {
    guard metrics.count >= 2 else { throw ValidationError("give at least two metrics files") }
    if runs, report != nil { throw ValidationError("--report goes without --runs") }
    if let report, metrics.contains(where: { OutputFile.isSame($0, report) }) {
      throw ValidationError("--report \(report): is one of the metrics files")
    }
  }

  func run() throws {
    if let report { try OutputFile.check(report, .page, inputs: metrics) }
    let models = try metrics.map(EvaluatedModel.init(opening:))
    if runs {
      common.say(try MethodComparison(models).text(inColour: Terminal.showsColour))
      return
    }
    let comparison = try Comparison(models)
    if let report { try writeReport(comparison, to: report, common) }
    common.say(comparison.text(inColour: Terminal.showsColour))
  }
}
