// The page's pictures: images with targets, predictions and errors.

import Artifacts
import Formatting

extension Report {
  /// Image by image: the input, and per task the target with every shown model's prediction and its
  /// errors.
  var samples: [[String: Any]] {
    guard let first = models.first?.metrics else { return [] }
    let shownSamples = first.samples
    let size = PictureSize(width: shownSamples.width, height: shownSamples.height)
    guard size.width > 0, size.height > 0 else { return [] }
    let pixels = size.width * size.height
    // Other models' samples are shown where they are of the same images.
    let pictured = shown.filter { $0.metrics.samples.images == shownSamples.images }
    return (0..<shownSamples.count).map { index in
      let rows = first.tasks.indices.map {
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
    ofTask index: Int, sample: Int, first: Metrics, _ pictured: [EvaluatedModel],
    _ size: PictureSize
  ) -> [String: Any] {
    let task = first.tasks[index]
    let maps = first.samples.tasks[index]
    let values = size.width * size.height * maps.target.channels
    func slice(_ map: SampleMap) -> ArraySlice<Float> {
      map.values[sample * values..<(sample + 1) * values]
    }
    let target = slice(maps.target)
    let range = ValueRange(of: target)
    let colouring: Colouring =
      switch task.kind {
      case .segmentation:
        .classes(Palette(classes: task.confusion?.classes ?? 0, names: task.classNames))
      case .normals: .normals
      case .regression: .scalar(range)
      }
    let predictions = pictured.compactMap { model in
      model.metrics.samples.tasks.first {
        $0.task == task.task && $0.prediction.channels == maps.target.channels
      }.map { (label: model.label, values: slice($0.prediction)) }
    }
    let errors = predictions.map { ErrorMap.errors(of: $0.values, target, kind: task.kind) }
    let largest = ErrorMap.largest(errors, kind: task.kind)
    func picture(_ picture: Picture, _ label: String) -> [String: Any] {
      [
        "uri": picture.dataURI ?? "", "alt": "image \(sample + 1), \(task.task), \(label)",
        "width": size.shownWidth, "height": size.shownHeight, "label": label,
      ]
    }
    return [
      "task": task.task, "count": max(predictions.count, 1),
      "target": picture(Picture(map: target, colouring, size), "target"),
      "models": zip(predictions, errors).map { prediction, errors in
        [
          "prediction": picture(
            Picture(map: prediction.values, colouring, size), prediction.label),
          "error": picture(
            Picture(errors: errors, largest: largest, size), "error of \(prediction.label)"),
        ]
      },
      "scales": scales(task, range, largest, units: maps.units),
    ]
  }

  /// The colour scales of a task's maps, with units.
  private func scales(_ task: TaskResult, _ range: ValueRange, _ largest: Float, units: String?)
    -> [[String: Any]]
  {
    func scale(_ name: String, _ map: ColourMap, _ low: String, _ high: String) -> [String: Any] {
      ["name": name, "gradient": map.cssGradient, "low": low, "high": high]
    }
    func text(_ value: Float) -> String {
      Format.significant(Double(value)) + (units.map { " \($0)" } ?? "")
    }
    return switch task.kind {
    case .segmentation: [scale("error", .inferno, "right", "wrong")]
    case .normals: [scale("error", .inferno, "0°", "\(Int(largest))° or more")]
    case .regression:
      [
        scale("value", .viridis, text(range.low), text(range.high)),
        scale("error", .inferno, text(0), "\(text(largest)) or more"),
      ]
    }
  }

  /// The classes of the segmentation tasks with their colours.
  var legends: [[String: Any]] {
    (models.first?.metrics.tasks ?? []).compactMap { task in
      guard task.kind == .segmentation, let classes = task.confusion?.classes else { return nil }
      let palette = Palette(classes: classes, names: task.classNames)
      return [
        "task": task.task,
        "classes": (0..<classes).map { index in
          ["name": task.className(index), "colour": palette[index].css]
        },
      ]
    }
  }
}
