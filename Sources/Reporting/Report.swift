// The page: what report.mustache shows, gathered from metrics files.

import Artifacts
import Formatting

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
    let (figures, problem) = try Figures(models: models, shown: shown).all.drawn(with: gnuplot)
    let origin = Origin(models, command: command)
    let context: [String: Any] = [
      "title": title,
      "scope": Self.scope(of: models),
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
    return (try Page.render(context, template: .report), problem)
  }

  private var title: String { Self.title(of: models) }

  /// The models' names, without the sparsities of a sweep.
  static func title(of models: [EvaluatedModel]) -> String {
    let sweep = SparsitySweep(models)
    let names =
      sweep.isSweep
      ? sweep.references.map(\.label) + sweep.methods.map(\.name) : models.map(\.label)
    return names.prefix(6).joined(separator: " · ") + (names.count > 6 ? " · …" : "")
  }

  /// What models were measured on, in one line.
  static func scope(of models: [EvaluatedModel]) -> String {
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
}
