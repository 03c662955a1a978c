// The page of methods, as text, and its charts' points.

import Artifacts
import Foundation
import Reporting
import TestSupport
import Testing

@Suite struct MethodReportTests {
  /// Runs of methods: label, seed, and what differs.
  private func comparison<T>(
    _ runs: [(label: String, miou: Double, metrics: SmallMetrics)],
    _ body: (MethodComparison) throws -> T
  ) throws -> T {
    try withFolder { folder in
      try body(
        MethodComparison(
          runs.enumerated().map { number, run in
            let place = folder + "/\(number)"
            try FileManager.default.createDirectory(
              atPath: place, withIntermediateDirectories: true)
            var metrics = run.metrics
            (metrics.label, metrics.miou) = (run.label, run.miou)
            return try metrics.model(in: place)
          }))
    }
  }

  private let dense = SmallMetrics(sparsity: 0, choices: [])
  private let pruned = SmallMetrics()

  private var runs: [(String, Double, SmallMetrics)] {
    [("dense", 0.4, dense), ("dense", 0.6, dense), ("ours", 0.25, pruned), ("ours", 0.75, pruned)]
  }

  private func figures(_ runs: [(String, Double, SmallMetrics)]) throws -> [Figure] {
    try comparison(runs) { MethodFigures($0).all }
  }

  @Test("A row per method, and its change with the deviation as the point's spread")
  func changes() throws {
    let figure = try #require(try figures(runs).first)
    #expect(figure.charts.map(\.title) == ["ΔT, over all tasks", "seg", "depth"])
    let seg = figure.charts[1]
    #expect(seg.rows == ["dense", "ours"])
    let ours = seg.series[1]
    // −50 % and +50 % of the dense network's mean.
    #expect(abs(ours.points[0].x) < 1e-9 && ours.points[0].y == 1)
    #expect(abs(ours.spreads[0] - 100 * (0.5 as Double).squareRoot()) < 1e-9)
  }

  @Test("Components are the layers that tasks share, and each head")
  func components() throws {
    let figure = try #require(
      try figures(runs).first { $0.title == "What is left of each component" })
    // 30 and 10 of 40 each; and none of the head's.
    #expect(figure.charts[0].series.map { $0.points.map(\.y) } == [[50, 0]])
  }

  @Test("Training curves are means over runs with their deviation, as far as all runs go")
  func training() throws {
    var (short, long) = (dense, dense)
    (short.history, long.history) = (history(steps: 3), history(steps: 4))
    var doubled = history(steps: 4)
    doubled.losses = doubled.losses.map { 2 * $0 }
    long.history = doubled
    let figure = try #require(
      try figures([("dense", 0.5, short), ("dense", 0.5, long), ("ours", 0.5, pruned)])
        .first { $0.title == "Training" })
    let curve = figure.charts[0].series[0]
    #expect(curve.points.map(\.y) == [1.5, 0.75, 0.5])
    #expect(
      zip(curve.spreads, [0.5, 0.25, 1.0 / 6]).allSatisfy { abs($0 / $1 - 2.0.squareRoot()) < 1e-9 }
    )
    #expect(figure.charts[0].series.count == 1, "a method without history has no curve")
  }

  @Test("Several sparsities of a method are a line; agreement is the mean over the runs")
  func sweepAndAgreement() throws {
    var denser = pruned
    denser.sparsity = 0.5
    let figures = try figures([
      ("dense", 0.5, dense), ("ours-0.5", 0.45, denser), ("ours-0.5", 0.35, denser),
      ("ours-0.9", 0.3, pruned), ("ours-0.9", 0.1, pruned),
    ])
    let sweep = try #require(figures.first { $0.title == "Accuracy against sparsity" })
    let line = sweep.charts[0].series[0]
    #expect(zip(line.points, [0.4, 0.2]).allSatisfy { abs($0.y - $1) < 1e-9 })
    #expect(line.spreads.count == 2 && line.spreads[1] > line.spreads[0])
    let agreement = try #require(figures.first { $0.title == "Where the tasks agree" })
    #expect(agreement.charts[0].series.allSatisfy { $0.points.map(\.y) == [0.75, 0.25] })
  }

  @Test("The page says what is missing, names methods as text, and has no deviation of single runs")
  func page() throws {
    let script = "<script>x"
    let (html, chartsMissing) = try comparison([("dense", 0.5, dense), (script, 0.25, pruned)]) {
      try MethodReport($0, command: "evaluate", gnuplot: Gnuplot(program: "/no/such")).page()
    }
    #expect(chartsMissing == "gnuplot is not installed")
    #expect(html.contains("This page has no charts: gnuplot is not installed."))
    #expect(!html.contains("<script") && html.contains("&lt;script&gt;x"))
    #expect(html.contains("One run of each method.") && !html.contains("±</span>"))
    #expect(!html.contains("> ± "))
    #expect(html.contains("<span class=\"worse\">-50.0 %</span>"))
    #expect(html.contains("<td>0.500</td><td>backbone.blocks.0.0.conv1.weight</td>"))
    let (twice, _) = try comparison(runs) {
      try MethodReport($0, command: "evaluate", gnuplot: Gnuplot(program: "/no/such")).page()
    }
    #expect(twice.contains("2 runs of each method.") && twice.contains("± 70.7</span>"))
    #expect(twice.matches(of: #/(src|href)="(?!data:)/#).isEmpty && !twice.contains("{{"))
  }
}
