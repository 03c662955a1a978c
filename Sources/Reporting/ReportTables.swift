// The page's numbers: the headline, the metrics, the layers, the confusion of classes.

import Artifacts
import Formatting
import Foundation

extension Report {
  /// The headline figures of one model.
  func model(_ index: Int) -> [String: Any] {
    let model = models[index]
    let size = model.metrics.size
    return [
      "label": model.label,
      "sparsity": Format.percent(size.sparsity),
      "parameters": Format.count(size.parameters),
      "kept": Format.count(size.kept),
      "flopsDense": Self.figure(size.flopsDense / 1e9, of: size.flopsDense / 1e9),
      "flopsSparse": Self.figure(size.flopsSparse / 1e9, of: size.flopsDense / 1e9),
      "bytesDense": Self.figure(Double(size.bytesDense) / 1e6, of: Double(size.bytesDense) / 1e6),
      "bytesSparse": Self.figure(Double(size.bytesSparse) / 1e6, of: Double(size.bytesDense) / 1e6),
      "timing": timing(of: model),
      "times": comparison.times.map { ["engine": $0.engine, "cell": $0.cells[index]] },
      "deltaT": Format.change(comparison.deltaT(ofModel: index)),
      "tone": Self.tone(comparison.deltaT(ofModel: index)),
      "changes": comparison.changes(ofModel: index).map {
        ["change": Format.change($0), "tone": Self.tone($0)]
      },
      "reference": models[0].label,
    ]
  }

  /// The card of a model that was timed.
  private func timing(of model: EvaluatedModel) -> [[String: Any]] {
    guard let timing = model.metrics.timing else { return [] }
    return [
      [
        "dense": Timing.milliseconds(timing.dense),
        "sparse": timing.sparse.map(Timing.milliseconds) ?? "", "hasSparse": timing.sparse != nil,
        "speedup": timing.speedup ?? "",
      ]
    ]
  }

  /// With as many digits behind the point as tell a thousandth of the whole.
  static func figure(_ value: Double, of whole: Double) -> String {
    guard whole > 0, whole.isFinite else { return Format.number(value) }
    return Format.fixed(value, min(max(3 - Int(floor(log10(whole))), 2), 6))
  }

  /// The CSS class of a change: better, worse, or neither where it is shown as 0.
  static func tone(_ change: Double?) -> String {
    guard let change, abs(change) >= 0.0005 else { return "same" }
    return change > 0 ? "better" : "worse"
  }

  /// The model that the page is about: the only one, or the one beside its reference.
  var subject: Int? { models.count <= 2 ? models.indices.last : nil }

  /// One card per task for the page's subject.
  var glance: [[String: Any]] {
    guard let subject else { return [] }
    return models[subject].kinds.enumerated().compactMap { index, task in
      guard let metric = models[subject].headline(ofTask: index),
        let row = comparison.rows.first(where: {
          $0.task == task.name && $0.metric == metric.name
        })
      else { return nil }
      let change = row.changes[subject]
      return [
        "task": task.name, "metric": metric.name, "direction": row.direction,
        "value": Format.number(metric.value),
        "reference": Format.number(models.count > 1 ? row.values[0] : row.constant),
        "referenceName": models.count > 1 ? models[0].label : "best constant",
        "change": Format.change(change), "tone": Self.tone(change),
      ]
    }
  }

  /// Every metric, task by task.
  var metricTables: [[String: Any]] {
    (models.first?.metrics.tasks ?? []).map { task in
      [
        "name": task.task,
        "columns": models.count + 2,
        "rows": comparison.rows.filter { $0.task == task.task }.map { row in
          [
            "task": task.task, "metric": row.metric, "direction": row.direction,
            "constant": Format.number(row.constant),
            "cells": row.values.indices.map { index in
              [
                "value": Format.number(row.values[index]), "model": models[index].label,
                "change": Format.change(row.changes[index]),
                "tone": Self.tone(row.changes[index]),
              ] as [String: Any]
            },
          ] as [String: Any]
        },
      ]
    }
  }

  /// The layers of every pruned model that is shown, in numbers.
  var layerTables: [[String: Any]] {
    shown.filter { $0.metrics.size.sparsity > 0 }.map { model in
      let layers = model.metrics.layers
      return [
        "label": model.label,
        "tasks": layers.tellsChoices ? layers.tasks : [],
        "tellsChoices": layers.tellsChoices,
        "rows": layers.rows.map { row in
          [
            "name": row.name, "weights": Format.count(row.weights),
            "kept": Format.count(row.kept), "density": Format.percent(row.density),
            "isDead": row.kept == 0, "isWatershed": row.name == layers.watershed,
            "iou": Format.fixed(row.iou, 3), "tellsChoices": layers.tellsChoices,
            "choices": layers.tellsChoices
              ? row.taskDensities.map { $0.isNaN ? "–" : Format.percent($0) } : [],
          ] as [String: Any]
        },
      ]
    }
  }

  /// Of every task with classes and model that is shown: where the pixels of each class go.
  var confusions: [[String: Any]] {
    shown.enumerated().flatMap { place, model in
      zip(model.metrics.tasks, model.kinds).compactMap { result, task -> [String: Any]? in
        let classes = task.classes
        guard let counts = result.confusion?.counts, classes.count > 1,
          counts.count == classes.count * classes.count
        else { return nil }
        return [
          "label": model.label, "task": task.name, "isOpen": place < 2,
          "classes": classes.map { ["name": $0.name, "colour": $0.colour.css] },
          "rows": classes.enumerated().map { truth, group -> [String: Any] in
            let row = counts[truth * classes.count..<(truth + 1) * classes.count]
            let total = row.reduce(0, &+)
            return [
              "name": group.name, "colour": group.colour.css, "pixels": Format.count(Int(total)),
              "cells": row.enumerated().map { predicted, count -> [String: Any] in
                let share = total > 0 ? Double(count) / Double(total) : 0
                return [
                  "share": Format.fixed(share, 3), "isRight": predicted == truth,
                  "text": share >= 0.005 ? Format.fixed(100 * share, 0) : "",
                ]
              },
            ]
          },
        ]
      }
    }
  }
}
