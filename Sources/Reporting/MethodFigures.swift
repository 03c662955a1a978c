// Which charts the page of methods has: means over the runs, with bars and bands as wide as their
// standard deviation.

import Artifacts
import Formatting
import Foundation

/// Builds the figures of a comparison of methods.
package struct MethodFigures {
  private let comparison: MethodComparison

  package init(_ comparison: MethodComparison) { self.comparison = comparison }

  /// Those that the files have the numbers for.
  package var all: [Figure] {
    [changes] + [sweep].compactMap { $0 } + [cost, components].compactMap { $0 } + training
      + [agreement].compactMap { $0 }
  }

  private var methods: [Method] { comparison.methods }

  private var legend: [Figure.LegendEntry] {
    methods.enumerated().map { .init(label: $1.label, colour: $0) }
  }

  /// In percent of the first method's.
  private func percent(_ spread: Spread) -> (value: Double, spread: Double) {
    (100 * spread.mean, 100 * spread.deviation)
  }

  // MARK: - Better or worse

  private var changes: Figure {
    func chart(_ title: String, _ change: (Int) -> Spread) -> Chart {
      Chart(
        title: title,
        series: methods.indices.map { index in
          let (value, spread) = percent(change(index))
          return Chart.Series(
            colour: index, shape: .points, points: [(value, Double(index))], spreads: [spread])
        },
        rows: methods.map(\.label), marks: [.vertical(x: 0, colour: .axis)], xSteps: 3,
        xFormat: "%+g %%")
    }
    return Figure(
      title: "Better or worse, task by task",
      caption:
        "The mean change of a task’s metrics against \(methods.first?.label ?? "the first"), "
        + "to the right for better; bars are one standard deviation over the runs to either side. "
        + "Bars that overlap tell little.",
      legend: [],
      charts: [chart("ΔT, over all tasks") { comparison.deltaT(ofMethod: $0) }]
        + comparison.tasks.enumerated().map { task, described in
          chart(described.name) { comparison.change(ofMethod: $0, task: task) }
        })
  }

  // MARK: - Accuracy against sparsity

  /// Methods at several sparsities, a line for each.
  private var sweep: Figure? {
    let sweep = SparsitySweep(methods.compactMap(\.runs.first))
    guard sweep.isSweep else { return nil }
    func index(_ model: EvaluatedModel) -> Int {
      methods.firstIndex { $0.label == model.label } ?? 0
    }
    let places = sweep.places
    return Figure(
      title: "Accuracy against sparsity",
      caption:
        "A method that holds its line further to the right can do with fewer weights. Places "
        + "on the axis follow the logarithm of the weights kept. Dashed: not pruned.",
      legend: sweep.references.map { .init(label: $0.label, colour: 0, isDashed: true) }
        + sweep.methods.enumerated().map { .init(label: $1.name, colour: $0 + 1) },
      charts: comparison.tasks.indices.compactMap { task in
        guard let metric = methods.first?.runs.first?.headline(ofTask: task)?.name,
          let measure = comparison.tasks[task].measures.first(where: { $0.name == metric })
        else { return nil }
        func value(_ model: EvaluatedModel) -> Spread {
          comparison.spread(ofMethod: index(model), task: task, measure)
        }
        return Chart(
          title: "\(comparison.tasks[task].name): \(metric) \(measure.direction)",
          xLabel: "weights pruned",
          series: sweep.methods.enumerated().map { number, method in
            Chart.Series(
              colour: number + 1, shape: .lineWithPoints,
              points: method.models.map {
                (SparsitySweep.place($0.metrics.size.sparsity), value($0).mean)
              }, spreads: method.models.map { value($0).deviation })
          }
            + sweep.references.map { value($0).mean }.filter(\.isFinite).map {
              Chart.Series(
                colour: 0, isDashed: true,
                points: [(places.range.lowerBound, $0), (places.range.upperBound, $0)])
            },
          tics: places.tics, xRange: places.range)
      }, isLeading: true)
  }

  // MARK: - What it costs

  /// ΔT against weights, operations and time.
  private var cost: Figure? {
    func chart(_ title: String, _ xLabel: String, _ cost: (Int) -> Double?) -> Chart {
      Chart(
        title: title, xLabel: xLabel, yLabel: "ΔT",
        series: methods.indices.compactMap { index in
          guard let x = cost(index) else { return nil }
          let (value, spread) = percent(comparison.deltaT(ofMethod: index))
          return Chart.Series(
            colour: index, shape: .points, points: [(x, value)], spreads: [spread])
        }, xSteps: 4, yFormat: "%+g %%")
    }
    func mean(_ index: Int, _ size: (NetworkSize) -> Double) -> Double {
      Spread(methods[index].runs.map { size($0.metrics.size) }).mean
    }
    func fastest(_ index: Int) -> Double? {
      MethodComparison.Engine.allCases.compactMap {
        comparison.secondsPerImage(ofMethod: index, $0)?.mean
      }.min()
    }
    return Figure(
      title: "Accuracy against weights, operations and time",
      caption: "Higher is more accurate, further to the left smaller or faster. The time is the "
        + "measured one of the faster engine; operations count a multiply-add as two.",
      legend: legend,
      charts: [
        chart("ΔT against weights", "million parameters kept") {
          mean($0) { Double($0.kept) / 1e6 }
        },
        chart("ΔT against operations", "GFLOPs per image") { mean($0) { $0.flopsSparse / 1e9 } },
        chart("ΔT against time", "ms per image") { fastest($0).map { 1000 * $0 } },
      ])
  }

  /// What is left of every component.
  private var components: Figure? {
    let components = comparison.components
    let pruned = methods.indices.filter { index in
      methods[index].runs.contains { $0.metrics.size.sparsity > 0 }
    }
    guard !components.isEmpty, !pruned.isEmpty else { return nil }
    let width = pruned.count + 1
    return Figure(
      title: "What is left of each component",
      caption:
        "Weights kept of what all tasks share, and of what is a task’s own, means over the "
        + "runs. A method that spares the shared layers prunes the heads the more.",
      legend: pruned.map { .init(label: methods[$0].label, colour: $0) },
      charts: [
        Chart(
          title: "density of the components", yLabel: "weights kept",
          series: pruned.enumerated().map { place, index in
            Chart.Series(
              colour: index, shape: .bars,
              points: comparison.densities(ofMethod: index).enumerated().compactMap {
                component, density in
                density.map { (Double(component * width + place), 100 * $0.mean) }
              })
          },
          tics: components.enumerated().map {
            ($1, Double($0 * width) + Double(pruned.count - 1) / 2)
          },
          separators: components.indices.dropFirst().map { Double($0 * width) - 1 },
          xRange: -1...Double(components.count * width - 1), yFormat: "%g %%", isWide: true)
      ])
  }

  // MARK: - Training

  private var training: [Figure] {
    let curves = methods.enumerated().compactMap { index, method -> MethodCurves? in
      MethodCurves(method.runs.map(\.metrics.history), colour: index)
    }
    guard !curves.isEmpty else { return [] }
    func chart(_ title: String, _ series: (MethodCurves) -> [Chart.Series]) -> Chart {
      Chart(title: title, xLabel: "step", series: curves.flatMap(series))
    }
    let charts =
      [chart("all tasks: weighted loss") { $0.loss }]
      + comparison.tasks.map(\.name).map { task in
        chart("\(task): loss") { $0.loss(ofTask: task) }
      } + [chart("all tasks: validation loss") { $0.validation }]
    return [
      Figure(
        title: "Training",
        caption:
          "Losses of the training batches, averaged over short stretches of steps and over the "
          + "runs; bands are one standard deviation wide to either side. Of networks that were "
          + "trained in several parts, the last.",
        legend: legend.filter { entry in curves.contains { $0.colour == entry.colour } },
        charts: charts.filter(\.hasPoints))
    ]
  }

  // MARK: - Agreement

  private var agreement: Figure? {
    let choosing = methods.enumerated().filter { _, method in
      method.runs.allSatisfy { $0.metrics.layers.tellsChoices }
    }
    guard let first = choosing.first?.element.runs.first?.metrics.layers else { return nil }
    let path = BackbonePath(first, comparison.tasks.map(\.name))
    return Figure(
      title: "Where the tasks agree",
      caption:
        "Weights that all tasks want over weights that any wants (IoU), layer by layer along "
        + "the shared layers, means over the runs; single points are the projections beside the main "
        + "path. Only methods that ask every task have one.",
      legend: choosing.map { .init(label: $0.element.label, colour: $0.offset) },
      charts: [
        path.chart(
          title: "agreement of the tasks, layer by layer", yLabel: "IoU of the tasks",
          yRange: 0...1,
          series: choosing.flatMap { index, method -> [Chart.Series] in
            let tables = method.runs.map(\.metrics.layers)
            // Layers of equal names, as runs of one method have them.
            func mean(_ row: LayerTable.Row) -> Double {
              Spread(tables.compactMap { table in table.rows.first { $0.name == row.name }?.iou })
                .mean
            }
            return tables.first.map { path.series(of: $0, colour: index, mean) } ?? []
          })
      ])
  }
}

/// The curves of a method's runs, averaged.
private struct MethodCurves {
  let colour: Int
  private let histories: [TrainingHistory]

  /// Nil where a run recorded nothing.
  init?(_ histories: [TrainingHistory?], colour: Int) {
    self.colour = colour
    self.histories = histories.compactMap { $0 }.filter { !$0.steps.isEmpty }
    guard self.histories.count == histories.count, !histories.isEmpty else { return nil }
  }

  var loss: [Chart.Series] { mean { TrainingCurves($0, colour: colour).training } }

  func loss(ofTask task: String) -> [Chart.Series] {
    mean { TrainingCurves($0, colour: colour).training(ofTask: task) }
  }

  var validation: [Chart.Series] { mean { TrainingCurves($0, colour: colour).validationLoss } }

  /// The mean of the runs' curves, point by point, as far as all of them go.
  private func mean(_ curve: (TrainingHistory) -> [Chart.Series]) -> [Chart.Series] {
    let curves = histories.compactMap { curve($0).first }
    guard curves.count == histories.count, let first = curves.first else { return [] }
    let count = curves.map(\.points.count).min() ?? 0
    let spreads = (0..<count).map { point in Spread(curves.map { $0.points[point].y }) }
    return [
      Chart.Series(
        colour: colour, shape: first.shape,
        points: zip(first.points, spreads).map { ($0.x, $1.mean) },
        spreads: curves.count > 1 ? spreads.map(\.deviation) : [])
    ]
  }
}
