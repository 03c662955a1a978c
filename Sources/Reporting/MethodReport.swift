// The page that compares methods over several runs: what methods.mustache shows.

import Artifacts
import Formatting
import Tasks

/// One self-contained HTML page about methods, each run several times.
public struct MethodReport {
  let comparison: MethodComparison
  private let command: String
  private let gnuplot: Gnuplot

  /// - Parameter command: the command line that makes the page.
  public init(_ comparison: MethodComparison, command: String) {
    self.init(comparison, command: command, gnuplot: Gnuplot())
  }

  package init(_ comparison: MethodComparison, command: String, gnuplot: Gnuplot) {
    self.comparison = comparison
    self.command = command
    self.gnuplot = gnuplot
  }

  private var methods: [Method] { comparison.methods }
  private var models: [EvaluatedModel] { methods.flatMap(\.runs) }

  /// The page, and why charts are missing where they are.
  ///
  /// - Throws: an error of the template.
  public func page() throws -> (html: String, chartsMissing: String?) {
    let (figures, problem) = try MethodFigures(comparison).all.drawn(with: gnuplot)
    let origin = Origin(models, command: command)
    let context: [String: Any] = [
      "title": Report.title(of: methods.compactMap(\.runs.first)),
      "scope": Report.scope(of: models) + " " + runs,
      "first": methods.first?.label ?? "",
      "tasks": comparison.tasks.map(\.name),
      "engines": engines.map { $0.rawValue },
      "isTimed": !engines.isEmpty,
      "methods": methods.indices.map(headline),
      "components": comparison.components,
      "densities": methods.indices.map(densities),
      "agreements": agreements,
      "tellsAgreement": !agreements.isEmpty,
      "metricTables": comparison.tasks.indices.map(metricTable),
      "figures": figures,
      "lacksCharts": problem != nil, "reason": problem ?? "", "hasCharts": !figures.isEmpty,
      "origin": origin.context,
      "commandCount": Format.count(origin.commands.count),
    ]
    return (try Page.render(context, template: .methods), problem)
  }

  private var runs: String {
    let counts = Set(methods.map(\.runs.count))
    guard counts.count == 1, let count = counts.first else {
      return "Between \(counts.min() ?? 0) and \(counts.max() ?? 0) runs of each method."
    }
    return count == 1 ? "One run of each method." : "\(count) runs of each method."
  }

  private var engines: [MethodComparison.Engine] {
    MethodComparison.Engine.allCases.filter { engine in
      methods.indices.contains { comparison.secondsPerImage(ofMethod: $0, engine) != nil }
    }
  }

  /// A method's row of the first table.
  private func headline(_ index: Int) -> [String: Any] {
    let method = methods[index]
    func mean(_ size: (NetworkSize) -> Double) -> Double {
      Spread(method.runs.map { size($0.metrics.size) }).mean
    }
    return [
      "label": method.label, "runs": method.runs.count,
      "sparsity": Format.percent(mean(\.sparsity)),
      "kept": Format.count(Int(mean { Double($0.kept) }.rounded())),
      "flops": Report.figure(mean(\.flopsSparse) / 1e9, of: mean(\.flopsDense) / 1e9),
      "bytes": Report.figure(
        mean { Double($0.bytesSparse) } / 1e6, of: mean { Double($0.bytesDense) } / 1e6),
      "times": engines.map { engine -> [String: Any] in
        let seconds = comparison.secondsPerImage(ofMethod: index, engine)
        return [
          "engine": engine.rawValue, "value": seconds.map { Timing.milliseconds($0.mean) } ?? "–",
          "deviation": deviation(seconds?.deviation, Timing.milliseconds),
        ]
      },
      "changes": comparison.tasks.indices.map {
        change(comparison.change(ofMethod: index, task: $0))
      },
      "deltaT": change(comparison.deltaT(ofMethod: index)),
    ]
  }

  /// A deviation in words; none for a single run.
  private func deviation(_ value: Double?, _ format: (Double) -> String) -> [String] {
    value.flatMap { $0.isNaN ? nil : [format($0)] } ?? []
  }

  private func change(_ spread: Spread) -> [String: Any] {
    [
      "change": Format.change(spread.mean), "tone": Report.tone(spread.mean),
      "deviation": deviation(spread.deviation) { Format.fixed(100 * $0, 1) },
    ]
  }

  /// What is left of each component of a method's network.
  private func densities(_ index: Int) -> [String: Any] {
    [
      "label": methods[index].label,
      "cells": comparison.densities(ofMethod: index).map { density in
        density.map { Format.percent($0.mean) } ?? "–"
      },
    ]
  }

  /// How far the tasks agreed, of the methods whose files tell.
  private var agreements: [[String: Any]] {
    methods.compactMap { method in
      let layers = method.runs.map(\.metrics.layers)
      let totals = layers.compactMap(\.totalIoU).filter(\.isFinite)
      guard !totals.isEmpty else { return nil }
      let spread = Spread(totals)
      let watersheds = layers.compactMap(\.watershed)
      // The most frequent first.
      let names = Set(watersheds).sorted().sorted { first, second in
        watersheds.count { $0 == first } > watersheds.count { $0 == second }
      }
      return [
        "label": method.label, "value": Format.fixed(spread.mean, 3),
        "deviation": deviation(spread.deviation) { Format.fixed($0, 3) },
        "watersheds": names.map { name in
          let count = watersheds.count { $0 == name }
          return count == method.runs.count ? name : "\(name) (\(count) of \(method.runs.count))"
        }.joined(separator: ", "),
      ]
    }
  }

  /// Every metric of a task, a row per method.
  private func metricTable(_ task: Int) -> [String: Any] {
    let (name, measures) = comparison.tasks[task]
    return [
      "name": name,
      "measures": measures.map { measure in
        [
          "name": measure.name, "direction": measure.direction,
          "constant": Format.number(comparison.constant(task: task, measure)),
        ]
      },
      "rows": methods.indices.map { index -> [String: Any] in
        [
          "label": methods[index].label,
          "cells": measures.map { measure -> [String: Any] in
            let value = comparison.spread(ofMethod: index, task: task, measure)
            let change = comparison.change(ofMethod: index, task: task, measure).mean
            return [
              "task": name, "metric": measure.name, "model": methods[index].label,
              "value": Format.number(value.mean),
              "deviation": deviation(value.deviation, Format.number),
              "change": index == 0 ? "" : Format.change(change),
              "tone": index == 0 ? "same" : Report.tone(change),
            ]
          },
        ]
      },
    ]
  }
}
