// The page's pictures: images with targets, predictions and errors.

import Artifacts
import Formatting
import Tasks

extension Report {
  /// Image by image: the input, and per task the target with every shown model's prediction and its
  /// errors.
  var samples: [[String: Any]] {
    guard let first = models.first else { return [] }
    let shownSamples = first.metrics.samples
    let size = PictureSize(width: shownSamples.width, height: shownSamples.height)
    guard size.width > 0, size.height > 0 else { return [] }
    let pixels = size.width * size.height
    // Other models' samples are shown where they are of the same images.
    let pictured = shown.filter { $0.metrics.samples.images == shownSamples.images }
    return (0..<shownSamples.count).map { index in
      let rows = first.kinds.indices.map {
        row(ofTask: $0, sample: index, first: first, pictured, size)
      }
      let image = Picture(
        image: shownSamples.images[index * pixels * 3..<(index + 1) * pixels * 3], size)
      return [
        "number": index + 1, "image": image.dataURI ?? "", "rows": rows,
        "hasMany": pictured.count > 2,
      ]
    }
  }

  private func row(
    ofTask index: Int, sample: Int, first: EvaluatedModel, _ pictured: [EvaluatedModel],
    _ size: PictureSize
  ) -> [String: Any] {
    let task = first.kinds[index]
    let maps = first.metrics.samples.tasks[index]
    let values = size.width * size.height * task.targetChannels
    func slice(_ map: SampleMap) -> ArraySlice<Float> {
      map.values[sample * values..<(sample + 1) * values]
    }
    let target = slice(maps.target)
    let range = ValueRange(of: target)
    let predictions = pictured.compactMap { model in
      model.metrics.samples.tasks.first {
        $0.task == task.name && $0.prediction.channels == task.targetChannels
      }.map { (label: model.label, values: slice($0.prediction)) }
    }
    let errors = predictions.map { task.errors(of: $0.values, target) }
    let largest = task.largestError(in: errors)
    func picture(_ picture: Picture, _ label: String) -> [String: Any] {
      [
        "uri": picture.dataURI ?? "", "alt": "image \(sample + 1), \(task.name), \(label)",
        "width": size.shownWidth, "height": size.shownHeight, "label": label,
      ]
    }
    let scales = task.scales(range: range, largestError: largest) {
      Format.significant(Double($0)) + (maps.units.map { " \($0)" } ?? "")
    }
    return [
      "task": task.name, "count": max(predictions.count, 1),
      "target": picture(Picture(map: target, of: task, in: range, size), "target"),
      "models": zip(predictions, errors).map { prediction, errors in
        [
          "prediction": picture(
            Picture(map: prediction.values, of: task, in: range, size), prediction.label),
          "error": picture(
            Picture(errors: errors, largest: largest, size), "error of \(prediction.label)"),
        ]
      },
      "scales": scales.map {
        ["name": $0.name, "gradient": $0.map.cssGradient, "low": $0.low, "high": $0.high]
      },
    ]
  }

  /// The classes of the tasks that have some, with their colours.
  var legends: [[String: Any]] {
    (models.first?.kinds ?? []).filter { !$0.classes.isEmpty }.map { task in
      [
        "task": task.name,
        "classes": task.classes.map { ["name": $0.name, "colour": $0.colour.css] },
      ]
    }
  }
}
