// Which charts a page has: chosen and filled from the metrics of its models.

import Artifacts
import Formatting
import Foundation

/// Charts that belong together, with words.
package struct Figure {
  struct LegendEntry {
    let label: String
    let colour: Int
    var isDashed = false
  }

  package let title: String
  /// What to see in it.
  package let caption: String
  var legend: [LegendEntry]
  package let charts: [Chart]
  /// Whether the page is about nothing else.
  var isLeading = false
}

/// Builds the figures of a page.
package struct Figures {
  /// All models, and those of them that single charts show.
  private let models: [EvaluatedModel]
  private let shown: [EvaluatedModel]

  package init(models: [EvaluatedModel], shown: [EvaluatedModel]) {
    self.models = models
    self.shown = shown
  }

  /// Those that the files have the numbers for.
  package var all: [Figure] {
    [tradeOff].compactMap { $0 } + training + densities + [agreement].compactMap { $0 } + choices
  }

  private var tasks: [String] { models.first?.metrics.tasks.map(\.task) ?? [] }

  private var pruned: [EvaluatedModel] { shown.filter { $0.metrics.size.sparsity > 0 } }

  // MARK: - Accuracy against sparsity

  private var tradeOff: Figure? {
    let sweep = SparsitySweep(models)
    guard sweep.isSweep else { return nil }
    let legend = sweep.methods.enumerated().map {
      Figure.LegendEntry(label: $1.name, colour: $0 + 1)
    }
    let references = sweep.references
    return Figure(
      title: "Accuracy against sparsity",
      caption: "One point per trained network. A method that holds its line further to the right "
        + "can do with fewer weights. Places on the axis follow the logarithm of the weights kept."
        + (references.isEmpty ? "" : " Dashed: not pruned."),
      legend: references.map { .init(label: $0.label, colour: 0, isDashed: true) } + legend,
      charts: tasks.indices.map { task in chart(ofTask: task, sweep) }, isLeading: true)
  }

  private func chart(ofTask task: Int, _ sweep: SparsitySweep) -> Chart {
    let metric = models.first?.headline(ofTask: task)?.name ?? ""
    let direction = models.first?.measure(named: metric, ofTask: task).direction ?? ""
    func value(_ model: EvaluatedModel) -> Double {
      model.metrics.tasks[task].metrics.first { $0.name == metric }?.value ?? .nan
    }
    let places = sweep.places
    return Chart(
      title: "\(tasks[task]): \(metric) \(direction)",
      xLabel: "weights pruned",
      series: sweep.methods.enumerated().map { index, method in
        Chart.Series(
          colour: index + 1, shape: .lineWithPoints,
          points: method.models.map {
            (SparsitySweep.place($0.metrics.size.sparsity), value($0))
          })
      }
        + sweep.references.map(value).filter(\.isFinite).map {
          Chart.Series(
            colour: 0, isDashed: true,
            points: [(places.range.lowerBound, $0), (places.range.upperBound, $0)])
        },
      tics: places.tics, xRange: places.range)
  }

  // MARK: - Training

  private var training: [Figure] {
    let trained = shown.enumerated().filter { $0.element.metrics.history?.steps.isEmpty == false }
    guard !trained.isEmpty else { return [] }
    let runs = trained.map { index, model in
      TrainingCurves(model.metrics.history ?? TrainingHistory(tasks: []), colour: index)
    }
    let charts =
      [runs.map { $0.total }.merged(title: "all tasks: weighted loss")]
      + tasks.map { task in runs.map { $0.loss(of: task) }.merged(title: "\(task): loss") }
      + [
        runs.map { $0.learningRate }.merged(title: "learning rate"),
        runs.map { $0.density }.merged(title: "weights kept", yFormat: "%g %%"),
      ]
    let hasValidation = runs.contains { $0.hasValidation }
    return [
      Figure(
        title: "Training",
        caption: "Losses of the training batches, averaged over short stretches of steps"
          + (hasValidation ? "; points: validation images." : "."),
        legend: trained.map { .init(label: $0.element.label, colour: $0.offset) },
        charts: charts.compactMap { $0 }.filter(\.hasPoints))
    ]
  }

  // MARK: - Layers

  private var densities: [Figure] {
    guard !pruned.isEmpty else { return [] }
    let charts = pruned.map { model in
      let layers = model.metrics.layers
      let groups = layers.groups(tasks)
      return Chart(
        title: "\(model.label): \(Format.percent(model.metrics.size.sparsity)) pruned",
        yLabel: "weights kept",
        series: groups.map { group in
          Chart.Series(
            colour: (group.task ?? -1) + 1, shape: .bars,
            points: group.rows.map { (Double($0), 100 * layers.rows[$0].density) })
        },
        tics: groups.filter { $0.fits(among: layers.rows.count) }.map {
          ($0.name, Double($0.rows.lowerBound + $0.rows.upperBound - 1) / 2)
        },
        separators: groups.dropFirst().map { Double($0.rows.lowerBound) - 0.5 },
        xRange: -1...Double(layers.rows.count), yRange: 0...100, yFormat: "%g %%", isWide: true)
    }
    return [
      Figure(
        title: "What is left of each layer",
        caption: "One bar per layer, from the image to the heads. Low bars are layers that the "
          + "network can do without; a layer without a bar lost all its weights.",
        legend: [.init(label: "backbone, shared", colour: 0)]
          + tasks.enumerated().map { .init(label: "head of \($1)", colour: $0 + 1) },
        charts: charts)
    ]
  }

  private var agreement: Figure? {
    let choosing = shown.enumerated().filter { $0.element.metrics.layers.tellsChoices }
    guard let first = choosing.first?.element.metrics.layers else { return nil }
    let path = BackbonePath(first, tasks)
    let words = choosing.map { _, model -> String in
      let layers = model.metrics.layers
      let watershed = layers.watershed.map { name in
        let short = layers.rows.first { $0.name == name }?.shortName ?? name
        return ", watershed at \(short)"
      }
      return "\(model.label): total IoU "
        + "\(Format.fixed(layers.totalIoU ?? .nan, 3))\(watershed ?? "")."
    }
    return Figure(
      title: "Where the tasks agree",
      caption:
        "Weights that all tasks want over weights that any wants (IoU), layer by layer along "
        + "the backbone; single points are the projections beside the main path. Where the line "
        + "falls steeply, at the watershed (dashed upright), the tasks part: from there on layers "
        + "could be their own. Dashed level: IoU over the whole backbone. "
        + words.joined(separator: " "),
      legend: choosing.map { .init(label: $0.element.label, colour: $0.offset) },
      charts: [
        path.chart(
          title: "agreement of the tasks, layer by layer", yLabel: "IoU of the tasks",
          yRange: 0...1,
          series: choosing.flatMap { index, model in
            path.series(of: model.metrics.layers, colour: index) { $0.iou }
          },
          marks: choosing.flatMap { index, model -> [Chart.Mark] in
            let layers = model.metrics.layers
            let place = layers.rows.firstIndex { $0.name == layers.watershed }
            return [
              layers.totalIoU.map { .horizontal(y: $0, colour: .series(index)) },
              place.flatMap { path.place(ofRow: $0) }.map {
                .vertical(x: $0, colour: .series(index))
              },
            ].compactMap { $0 }
          })
      ])
  }

  private var choices: [Figure] {
    let choosing = shown.filter { $0.metrics.layers.tellsChoices }
    guard let first = choosing.first?.metrics.layers else { return [] }
    let path = BackbonePath(first, tasks)
    // The colours of the heads, whatever the table's order.
    func colour(_ task: String) -> Int { (tasks.firstIndex(of: task) ?? 0) + 1 }
    return [
      Figure(
        title: "Which layers each task wants",
        caption: "Share of a layer's weights that a task alone would keep, before the arbiter. A "
          + "line above the others marks layers that this task is sensitive to.",
        legend: tasks.filter(first.tasks.contains).map { .init(label: $0, colour: colour($0)) },
        charts: choosing.map { model in
          let layers = model.metrics.layers
          return path.chart(
            title: "\(model.label): what each task would keep", yLabel: "weights wanted",
            yRange: 0...100, yFormat: "%g %%",
            series: layers.tasks.enumerated().flatMap { index, task in
              path.series(of: layers, colour: colour(task)) {
                $0.taskDensities.indices.contains(index) ? 100 * $0.taskDensities[index] : .nan
              }
            })
        })
    ]
  }
}
