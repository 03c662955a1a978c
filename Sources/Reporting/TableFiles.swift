// A comparison for other programs: every number of every method in CSV, JSON and LaTeX.

import Artifacts
import Formatting
import Foundation
import Tasks

/// One number of a method over its runs: a row of the CSV, and an object of the JSON.
private struct TableRow: Encodable {
  let method: String
  let runs: Int
  /// "all" for what concerns the network as a whole.
  let task: String
  let metric: String
  /// "higher", "lower" or, where neither is better, nothing.
  let better: String
  /// Over the runs; a deviation takes two.
  let mean: Double?
  let deviation: Double?
  /// Relative to the first method's mean, positive for better: 0.25 is 25 %.
  let change: Double?
  let changeDeviation: Double?
  /// What the best constant prediction achieves.
  let constant: Double?

  enum CodingKeys: String, CodingKey, CaseIterable {
    case method, runs, task, metric, better, mean, deviation, change
    case changeDeviation = "change_deviation"
    case constant
  }

  init(
    _ method: Method, _ task: String, _ metric: String, better: String = "", _ value: Spread,
    change: Spread? = nil, constant: Double? = nil
  ) {
    func known(_ value: Double?) -> Double? { value.flatMap { $0.isFinite ? $0 : nil } }
    self.method = method.label
    runs = method.runs.count
    self.task = task
    self.metric = metric
    self.better = better
    mean = known(value.mean)
    deviation = known(value.deviation)
    self.change = known(change?.mean)
    changeDeviation = known(change?.deviation)
    self.constant = known(constant)
  }

  var cells: [String] {
    let numbers = [mean, deviation, change, changeDeviation, constant]
    return [method, "\(runs)", task, metric, better] + numbers.map { $0.map { "\($0)" } ?? "" }
  }
}

extension MethodComparison {
  /// The rows of all methods: sizes and times, ΔT, and per task the mean change and every metric.
  private var tableRows: [TableRow] {
    methods.indices.flatMap { index in
      let method = methods[index]
      let sizes: [(String, (NetworkSize) -> Double)] = [
        ("sparsity", \.sparsity), ("parameters", { Double($0.parameters) }),
        ("kept", { Double($0.kept) }), ("flops_dense", \.flopsDense),
        ("flops_sparse", \.flopsSparse), ("bytes_dense", { Double($0.bytesDense) }),
        ("bytes_sparse", { Double($0.bytesSparse) }),
      ]
      var rows = sizes.map { name, size in
        TableRow(method, "all", name, Spread(method.runs.map { size($0.metrics.size) }))
      }
      for engine in Engine.allCases {
        guard let seconds = secondsPerImage(ofMethod: index, engine) else { continue }
        rows.append(
          TableRow(
            method, "all", "seconds_per_image_\(engine.rawValue)", better: "lower", seconds))
      }
      rows.append(
        TableRow(method, "all", "delta_t", better: "higher", deltaT(ofMethod: index)))
      for (task, (name, measures)) in tasks.enumerated() {
        rows.append(
          TableRow(
            method, name, "mean_change", better: "higher", change(ofMethod: index, task: task)))
        rows += measures.map { measure in
          TableRow(
            method, name, measure.name, better: measure.better == .higher ? "higher" : "lower",
            spread(ofMethod: index, task: task, measure),
            change: index == 0 ? nil : change(ofMethod: index, task: task, measure),
            constant: constant(task: task, measure))
        }
      }
      return rows
    }
  }

  /// Every number in a row of its own (RFC 4180), with a header; what was not measured is empty.
  public var csv: String {
    let header = TableRow.CodingKeys.allCases.map(\.rawValue)
    return ([header] + tableRows.map(\.cells)).map { row in
      row.map(Self.csvCell).joined(separator: ",") + "\n"
    }.joined()
  }

  private static func csvCell(_ text: String) -> String {
    guard text.contains(where: { ",\"\r\n".contains($0) || $0 == "\r\n" }) else { return text }
    return "\"" + text.replacing("\"", with: "\"\"") + "\""
  }

  /// The rows of the CSV as objects, behind the names of the methods; what was not measured is absent.
  public func json() throws -> String {
    struct Table: Encodable {
      let methods: [String]
      let rows: [TableRow]
    }
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    let table = Table(methods: methods.map(\.label), rows: tableRows)
    return String(decoding: try encoder.encode(table), as: UTF8.self) + "\n"
  }

  /// A table of changes, then one per task with every metric, as the terminal shows them; they need the
  /// package booktabs.
  public var latex: String {
    let head =
      "% evaluate compare: changes in percent against \(Self.latex(methods[0].label)); "
      + "needs \\usepackage{booktabs}"
    var summary = [
      ["method", "sparsity"] + tasks.map { Self.latex($0.name) } + ["$\\Delta T$"]
    ]
    for (index, method) in methods.enumerated() {
      let sparsity = Spread(method.runs.map(\.metrics.size.sparsity)).mean
      let changes =
        tasks.indices.map { change(ofMethod: index, task: $0) } + [deltaT(ofMethod: index)]
      summary.append(
        [Self.latex(method.label), Format.fixed(100 * sparsity, 1) + "\\,\\%"]
          + changes.map { change in
            Self.latex(
              change.mean.isNaN ? "" : String(format: "%+.1f", 100 * change.mean),
              change.deviation.isNaN ? "" : Format.fixed(100 * change.deviation, 1))
          })
    }
    let metrics = tasks.enumerated().map { task, described in
      [
        [Self.latex(described.name)]
          + described.measures.map {
            "\(Self.latex($0.name)) $\\\($0.better == .higher ? "uparrow" : "downarrow")$"
          }
      ]
        + methods.indices.map { index in
          [Self.latex(methods[index].label)]
            + described.measures.map { measure in
              let value = spread(ofMethod: index, task: task, measure)
              return Self.latex(
                value.mean.isNaN ? "" : Format.number(value.mean),
                value.deviation.isNaN ? "" : Format.number(value.deviation))
            }
        }
    }
    return ([head] + ([summary] + metrics).map(Self.tabular)).joined(separator: "\n\n") + "\n"
  }

  private static func tabular(_ rows: [[String]]) -> String {
    func line(_ row: [String]) -> String { row.joined(separator: " & ") + " \\\\" }
    let columns = "l" + String(repeating: "r", count: rows[0].count - 1)
    return
      (["\\begin{tabular}{\(columns)}", "\\toprule", line(rows[0]), "\\midrule"]
      + rows.dropFirst().map(line) + ["\\bottomrule", "\\end{tabular}"]).joined(separator: "\n")
  }

  /// A number with its deviation, either of which may be empty.
  private static func latex(_ mean: String, _ deviation: String) -> String {
    mean.isEmpty ? "--" : "$\(mean)" + (deviation.isEmpty ? "$" : " \\pm \(deviation)$")
  }

  /// A text of a file's, such as a task's name, that LaTeX takes for nothing but text.
  private static func latex(_ text: String) -> String {
    text.map { character in
      switch character {
      case "\\": "\\textbackslash{}"
      case "~": "\\textasciitilde{}"
      case "^": "\\textasciicircum{}"
      case "&", "%", "$", "#", "_", "{", "}": "\\\(character)"
      case _ where character.isNewline: " "
      default: String(character)
      }
    }.joined()
  }
}
