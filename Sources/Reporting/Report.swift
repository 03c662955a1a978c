// The page: what report.mustache shows, gathered from metrics files.

import Artifacts
import Formatting
import Mustache

/// One self-contained HTML page about one model, or several beside each other.
public struct Report {
  private let comparison: Comparison
  private let command: String

  /// - Parameter command: the command line that makes the page.
  public init(_ comparison: Comparison, command: String) {
    self.comparison = comparison
    self.command = command
  }

  private var models: [EvaluatedModel] { comparison.models }

  /// - Throws: an error of the template.
  public func html() throws -> String {
    let template = try MustacheTemplate(
      string: String(decoding: PackageResources.report_mustache, as: UTF8.self))
    let page: [String: Any] = [
      "title": models.map(\.label).joined(separator: " · "),
      "models": models.enumerated().map {
        model($1, meanChange: comparison.meanChange(ofModel: $0))
      },
      "tasks": tasks,
      "comparesSeveral": models.count > 1,
      "samples": samples,
      "legends": legends,
      "origins": models.map { origin($0) },
      "command": command,
    ]
    return template.render(page)
  }

  private func model(_ model: EvaluatedModel, meanChange: Double?) -> [String: Any] {
    let size = model.metrics.size
    return [
      "label": model.label,
      "sparsity": Format.percent(size.sparsity),
      "parameters": Format.count(size.parameters),
      "kept": Format.count(size.kept),
      "flopsDense": Format.fixed(size.flopsDense / 1e9, 2),
      "flopsSparse": Format.fixed(size.flopsSparse / 1e9, 2),
      "bytesDense": Format.fixed(Double(size.bytesDense) / 1e6, 2),
      "bytesSparse": Format.fixed(Double(size.bytesSparse) / 1e6, 2),
      "images": Format.count(model.metrics.images),
      "split": model.metrics.split.rawValue,
      "meanChange": Format.change(meanChange),
    ]
  }

  /// The table, task by task.
  private var tasks: [[String: Any]] {
    (models.first?.metrics.tasks ?? []).map { task in
      [
        "name": task.task,
        "rows": comparison.rows.filter { $0.task == task.task }.map { row in
          [
            "metric": row.metric, "direction": row.direction,
            "constant": Format.number(row.constant),
            "cells": row.values.indices.map { index in
              [
                "value": Format.number(row.values[index]),
                "change": Format.change(row.changes[index]),
                "isWorse": (row.changes[index] ?? 0) < 0,
              ] as [String: Any]
            },
          ] as [String: Any]
        },
      ]
    }
  }

  /// Image by image: the input, and per task the target with every model's prediction.
  private var samples: [[String: Any]] {
    guard let first = models.first?.metrics else { return [] }
    let shown = first.samples
    let pixels = shown.height * shown.width
    return (0..<shown.count).map { index in
      func slice(_ map: SampleMap) -> ArraySlice<Float> {
        map.values[index * pixels * map.channels..<(index + 1) * pixels * map.channels]
      }
      let rows = zip(first.tasks, shown.tasks).map { task, maps -> [String: Any] in
        let target = slice(maps.target)
        let range = ValueRange(of: target)
        func picture(_ values: ArraySlice<Float>, _ label: String) -> [String: Any] {
          let picture = Picture(
            map: values, kind: task.kind, range: range, width: shown.width, height: shown.height)
          return ["label": label, "uri": picture.dataURI ?? ""]
        }
        // Other models' samples are shown where they are of the same images.
        let predictions = models.compactMap { model -> [String: Any]? in
          let samples = model.metrics.samples
          guard samples.images == shown.images else { return nil }
          return samples.tasks.first { $0.task == task.task }.map {
            picture(slice($0.prediction), model.label)
          }
        }
        return [
          "task": task.task,
          "range": task.kind == .regression
            ? "\(Format.number(Double(range.low))) – \(Format.number(Double(range.high)))" : "",
          "pictures": [picture(target, "target")] + predictions,
        ]
      }
      let image = Picture(
        image: shown.images[index * pixels * 3..<(index + 1) * pixels * 3], width: shown.width,
        height: shown.height)
      return ["number": index, "image": image.dataURI ?? "", "rows": rows]
    }
  }

  private var legends: [[String: Any]] {
    (models.first?.metrics.tasks ?? []).compactMap { task in
      guard task.kind == .segmentation, let classes = task.confusion?.classes else { return nil }
      return [
        "task": task.task,
        "classes": (0..<classes).map { index in
          [
            "name": task.classNames?[index] ?? "class \(index)",
            "colour": Colour.ofClass(index).css,
          ]
        },
      ]
    }
  }

  private func origin(_ model: EvaluatedModel) -> [String: Any] {
    [
      "label": model.label, "command": model.command,
      "inputs": model.inputs.map { ["name": $0.name, "sha256": $0.sha256] },
    ]
  }
}
