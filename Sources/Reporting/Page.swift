// Pages: their templates and style sheet, and figures with their charts drawn.

import Mustache

/// What the pages have in common.
enum Page {
  enum Template: String { case report, methods }

  /// - Throws: an error of the template.
  static func render(_ context: [String: Any], template: Template) throws -> String {
    func parsed(_ bytes: [UInt8]) throws -> MustacheTemplate {
      try MustacheTemplate(string: String(decoding: bytes, as: UTF8.self))
    }
    let library = MustacheLibrary(templates: [
      "report": try parsed(PackageResources.report_mustache),
      "methods": try parsed(PackageResources.methods_mustache),
      "head": try parsed(PackageResources.head_mustache),
      "figure": try parsed(PackageResources.figure_mustache),
      "origin": try parsed(PackageResources.origin_mustache),
    ])
    let style = String(decoding: PackageResources.report_css, as: UTF8.self)
    return library.render(
      context.merging(["style": style]) { $1 }, withTemplate: template.rawValue) ?? ""
  }
}

extension [Figure] {
  /// The figures as a template shows them, and why charts are missing where some are, or all.
  ///
  /// - Throws: an error of a chart's template.
  func drawn(with gnuplot: Gnuplot) throws -> (figures: [[String: Any]], problem: String?) {
    var drawn: [[String: Any]] = []
    var problem: String?
    for (number, figure) in enumerated() {
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
