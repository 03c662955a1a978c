// What prepare-data check says of the files that the other tools write.

import Artifacts
import Formatting
import Foundation

/// What a file holds, in a few lines.
///
/// - Throws: ``ArtifactError`` for what is wrong with it, as the tool that reads it would.
func summary(of reader: ArtifactReader) throws -> [String] {
  switch reader.kind {
  case .dataset: []  // CheckCommand looks at every sample.
  case .scores: try summary(of: ScoresFile(opening: reader.path))
  case .masks: try summary(of: MasksFile(opening: reader.path))
  case .model: try summary(of: ModelFile(opening: reader.path))
  case .metrics: summary(of: try MetricsFile.read(reader), in: reader.path)
  case .predictions: try predictionsSummary(reader)
  }
}

private func summary(of file: ScoresFile) throws -> [String] {
  let header = file.header
  let scores = try file.reader.root.group("scores")
  return [
    "\(file.reader.path): scores of \(try network(header.architecture)), criterion "
      + "\(header.criterion), \(header.joint ? "of all tasks together" : "task by task"), "
      + "\(Format.count(header.batches)) batches of \(Format.count(header.batchSize))"
  ]
    + (try scores.groupNames().map { task in
      let group = try scores.group(task)
      let weights = try group.datasetNames().map { try group.dataset($0).count }
      let loss: Double? = group.hasAttribute("loss") ? try group.attribute("loss") : nil
      return "  \(task): \(Format.count(weights.reduce(0, +))) weights in \(weights.count) layers"
        + (loss.map { ", loss \(Format.number($0))" } ?? "")
    })
}

private func summary(of file: MasksFile) throws -> [String] {
  let header = file.header
  let layers = try file.reader.readLayers()
  return [
    "\(file.reader.path): masks of \(try network(header.architecture)), \(kept(file.masks))",
    "  arbiter \(header.arbiter), distribution \(header.distribution), keep ratio "
      + Format.percent(header.keepRatio),
  ] + agreement(layers)
}

private func summary(of file: ModelFile) throws -> [String] {
  let model = file.model
  let parameters = model.parameters.reduce(0) { $0 + $1.values.count }
  let layers = try file.reader.readLayersIfAny()
  return [
    "\(file.reader.path): \(try network(model.architecture)), \(Format.count(model.step)) steps, "
      + "\(Format.count(parameters)) parameters, "
      + (model.masks.isEmpty ? "dense" : kept(model.masks))
  ] + model.taskKinds.sorted { $0.key < $1.key }.map { "  \($0.key): \($0.value)" }
    + (layers.map(agreement) ?? [])
}

private func summary(of metrics: Metrics, in path: String) -> [String] {
  let size = metrics.size
  return [
    "\(path): metrics on \(Format.count(metrics.images)) images of /\(metrics.split.rawValue), "
      + "sparsity \(Format.percent(size.sparsity)), kept \(Format.count(size.kept)) of "
      + "\(Format.count(size.parameters)) parameters"
  ]
    + metrics.tasks.map { task in
      "  \(task.task): "
        + task.metrics.map { "\($0.name) \(Format.number($0.value))" }.joined(separator: ", ")
    }
}

private func predictionsSummary(_ reader: ArtifactReader) throws -> [String] {
  let images: [String] = try reader.root.dataset("image").readStrings()
  let group = try reader.root.group("predictions")
  return ["\(reader.path): predictions for \(Format.count(images.count)) pictures"]
    + (try group.datasetNames().map { task in
      "  \(task): \(Format.shape(Array(try group.dataset(task).shape.dropFirst())))"
    })
}

private func kept(_ masks: [Mask]) -> String {
  let weights = masks.reduce(0) { $0 + $1.values.count }
  let kept = masks.reduce(0) { $0 + $1.values.count { $0 != 0 } }
  return "sparsity \(Format.percent(1 - Double(kept) / Double(max(weights, 1)))), kept "
    + "\(Format.count(kept)) of \(Format.count(weights)) weights"
}

private func agreement(_ layers: LayerTable) -> [String] {
  guard let total = layers.totalIoU else { return [] }
  return [
    "  agreement of the tasks: IoU \(Format.fixed(total, 3))"
      + (layers.watershed.map { ", watershed at \($0)" } ?? "")
  ]
}

/// The name in an architecture's JSON.
private func network(_ architecture: String) throws -> String {
  struct Named: Decodable { let name: String? }
  let named = try? JSONDecoder().decode(Named.self, from: Data(architecture.utf8))
  return "a \(named?.name ?? "network")"
}
