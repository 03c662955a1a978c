// The page: what report.mustache shows, gathered from metrics files.

import Artifacts
import Formatting
import Mustache

/// One self-contained HTML page about one model, or several beside each other.
public struct Report {
  let comparison: Comparison
  private let command: String
  private let gnuplot: Gnuplot

  /// - Parameter command: the command line that makes the page.
  public init(_ comparison: Comparison, command: String) {
    self.init(comparison, command: command, gnuplot: Gnuplot())
  }

  package init(_ comparison: Comparison, command: String, gnuplot: Gnuplot) {
    self.comparison = comparison
    self.command = command
    self.gnuplot = gnuplot
  }

  var models: [EvaluatedModel] { comparison.models }

  /// How many models have their predictions, curves and layers shown; tables have all.
  static let mostShown = 4

  /// The models that are more than rows of tables: all if they are few. Of a sweep, what is not pruned
  /// and each method at its middle sparsity.
  var shown: [EvaluatedModel] {
    guard models.count > Self.mostShown else { return models }
    let sweep = SparsitySweep(models)
    let chosen =
      sweep.isSweep
      ? sweep.references + sweep.methods.map { $0.models[$0.models.count / 2] } : models
    return Array(chosen.prefix(Self.mostShown))
  }

  /// The page, and why charts are missing where they are.
  ///
  /// - Throws: an error of the template.
  public func page() throws -> (html: String, chartsMissing: String?) {
    let library = MustacheLibrary(templates: [
      "report": try MustacheTemplate(
        string: String(decoding: PackageResources.report_mustache, as: UTF8.self)),
      "figure": try MustacheTemplate(
        string: String(decoding: PackageResources.figure_mustache, as: UTF8.self)),
    ])
    let (figures, problem) = try charts()
    let origin = Origin(models, command: command)
    let context: [String: Any] = [
      "style": String(decoding: PackageResources.report_css, as: UTF8.self),
      "title": title,
      "scope": scope,
      "models": models.indices.map(model),
      "subject": subject.map { [model($0)] } ?? [],
      "glance": glance,
      "times": comparison.times.map { ["engine": $0.engine] },
      "isTimed": comparison.timingConditions != nil,
      "timingConditions": comparison.timingConditions ?? "",
      "tasks": metricTables,
      "comparesSeveral": models.count > 1,
      "first": models.first?.label ?? "",
      "shownNote": shown.count < models.count
        ? "Shown for \(shown.map(\.label).joined(separator: ", "))." : "",
      "samples": samples,
      "hasSamples": !samples.isEmpty,
      "legends": legends,
      "leadingFigures": figures.filter { $0["isLeading"] as? Bool == true },
      "figures": figures.filter { $0["isLeading"] as? Bool != true },
      "lacksCharts": problem != nil,
      "reason": problem ?? "",
      "hasCharts": !figures.isEmpty,
      "layerTables": layerTables,
      "confusions": confusions,
      "hasConfusions": !confusions.isEmpty,
      "origin": origin.context,
    ]
    return (library.render(context, withTemplate: "report") ?? "", problem)
  }

  private var title: String {
    let sweep = SparsitySweep(models)
    let names =
      sweep.isSweep
      ? sweep.references.map(\.label) + sweep.methods.map(\.name) : models.map(\.label)
    return names.prefix(6).joined(separator: " · ") + (names.count > 6 ? " · …" : "")
  }

  /// What was measured, in one line.
  private var scope: String {
    guard let first = models.first?.metrics else { return "" }
    let tasks = first.tasks.map(\.task).joined(separator: ", ")
    let isSame = models.allSatisfy {
      $0.metrics.images == first.images && $0.metrics.split == first.split
    }
    let images =
      isSame
      ? "\(Format.count(first.images)) images of the \(first.split.rawValue) split"
      : "different images: "
        + models.map {
          "\($0.label) \(Format.count($0.metrics.images)) of \($0.metrics.split.rawValue)"
        }.joined(separator: ", ")
    return "\(first.tasks.count == 1 ? "One task" : "\(first.tasks.count) tasks") "
      + "(\(tasks)), measured on \(images)."
  }

  /// The figures with their charts drawn, and why where some are missing, or all.
  private func charts() throws -> (figures: [[String: Any]], problem: String?) {
    let figures = Figures(models: models, shown: shown).all
    var drawn: [[String: Any]] = []
    var problem: String?
    for (number, figure) in figures.enumerated() {
      var charts: [[String: Any]] = []
      for (index, chart) in figure.charts.enumerated() where chart.hasPoints {
        do {
          let svg = try gnuplot.draw(
            try chart.script(), identifier: "chart-\(number)-\(index)",
            label: "\(figure.title): \(chart.title)")
          charts.append(["title": chart.title, "svg": svg])
        } catch let failure as Gnuplot.Failure {
          if failure.concernsAll { return ([], failure.description) }
          problem = failure.description
        }
      }
      guard !charts.isEmpty else { continue }
      drawn.append([
        "title": figure.title, "isLeading": figure.isLeading, "caption": figure.caption,
        "charts": charts,
        "isWide": figure.charts.contains { $0.isWide },
        "legend": figure.legend.map {
          [
            "label": $0.label, "number": $0.colour % ChartColour.seriesCount + 1,
            "isDashed": $0.isDashed,
          ] as [String: Any]
        },
        "hasLegend": figure.legend.count > 1 || figure.legend.contains { $0.isDashed },
      ])
    }
    return (drawn, problem)
  }
}
