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
             evaluate compare --runs seed-*/dense-metrics.h5 seed-*/disparse-metrics.h5 --report methods.html
      """,
    discussion: """
      Changes are relative, and positive when the number is better. ΔT is the mean over the tasks \
      of the mean change of each one's metrics, but for miou_published, which rises as a network \
      gives up rare classes, and metrics that are 0 for the first model. With --runs, files of the \
      same name are runs of one method: the table has means ± standard deviations, and changes \
      against the first method's mean.

      The page of --runs is about the methods: changes with their spread task by task, accuracy \
      against weights, operations and time, what is left of the shared layers and of each head, \
      training curves, and agreement. Otherwise it shows at most four models in pictures and curves, and all in tables. Names that \
      differ only in a number at their end, as disparse-0.5-metrics.h5 and \
      disparse-0.9-metrics.h5, are one method at several sparsities: a page with such files shows \
      accuracy against sparsity, with one line per method. Charts need gnuplot.

      --csv and --json have a row for every number of every method: method, runs, task, metric, \
      better (higher or lower), mean and deviation over the runs, change against the first method \
      as a fraction with its deviation, and what the best constant prediction achieves. The task \
      "all" has sizes, seconds per image and delta_t.
      """,
    version: version)

  @Argument(help: "Two or more metrics files.") var metrics: [String]
  @Flag(help: "Take files of the same name as runs of one method.") var runs = false
  @Option(help: "Also write an HTML page.") var report: String?
  @Option(help: "Also write all numbers as CSV.") var csv: String?
  @Option(help: "Also write all numbers as JSON.") var json: String?
  @Option(help: "Also write the tables for LaTeX.") var latex: String?
  @OptionGroup var common: CommonOptions

  /// What is to be written besides the table on the terminal.
  private var outputs: [(option: String, kind: OutputKind, path: String)] {
    [
      ("--report", .page, report), ("--csv", .csv, csv), ("--json", .json, json),
      ("--latex", .latex, latex),
    ].compactMap { option, kind, path in path.map { (option, kind, $0) } }
  }

  func validate() throws {
    guard metrics.count >= 2 else { throw ValidationError("give at least two metrics files") }
    for (index, output) in outputs.enumerated() {
      let others = outputs[..<index].map(\.path)
      if metrics.contains(where: { OutputFile.isSame($0, output.path) }) {
        throw ValidationError("\(output.option) \(output.path): is one of the metrics files")
      }
      if others.contains(where: { OutputFile.isSame($0, output.path) }) {
        throw ValidationError("\(output.option) \(output.path): is another file of this run")
      }
    }
  }

  func run() throws {
    for output in outputs { try OutputFile.check(output.path, output.kind, inputs: metrics) }
    let models = try EvaluatedModel.opening(metrics)
    let comparison = try Comparison(models)
    let methods = runs ? try MethodComparison(models) : MethodComparison(comparison)
    if let report, runs {
      try write(try MethodReport(methods, command: commandLine).page(), to: report, common)
    } else if let report {
      try write(try Report(comparison, command: commandLine).page(), to: report, common)
    }
    if let csv { try OutputFile.write(methods.csv, .csv, to: csv) }
    if let json { try OutputFile.write(methods.json(), .json, to: json) }
    if let latex { try OutputFile.write(methods.latex, .latex, to: latex) }
    common.say(
      runs
        ? methods.text(inColour: Terminal.showsColour)
        : comparison.text(inColour: Terminal.showsColour))
  }
}
