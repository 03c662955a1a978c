// What the tests of Tasks share: small batches by hand, and the reference batch.

import Artifacts
import Foundation
import HDF5
import Tasks
import TestSupport
import Torch

/// A batch of N images in one row of pixels, N×W; nil where there is no ground truth.
func classTarget(_ images: [[Int?]]) throws -> Target {
  let shape = [images.count, 1, images[0].count]
  let pixels = images.flatMap { $0 }
  return Target(
    values: try Tensor(pixels.map { Int64($0 ?? Segmentation.ignored) }, shape: shape),
    valid: try Tensor(pixels.map { $0 == nil ? Float(0) : 1 }, shape: shape))
}

func numberTarget(_ images: [[Float?]]) throws -> Target {
  let (count, width) = (images.count, images[0].count)
  let pixels = images.flatMap { $0 }
  return Target(
    values: try Tensor(pixels.map { $0 ?? 0 }, shape: [count, 1, 1, width]),
    valid: try Tensor(pixels.map { $0 == nil ? Float(0) : 1 }, shape: [count, 1, width]))
}

/// One image of directions.
func directionTarget(_ pixels: [[Float]?]) throws -> Target {
  Target(
    values: try directions(pixels.map { $0 ?? [0, 0, 0] }),
    valid: try Tensor(pixels.map { $0 == nil ? Float(0) : 1 }, shape: [1, 1, pixels.count]))
}

func directions(_ pixels: [[Float]]) throws -> Tensor {
  try Tensor(pixels.flatMap { $0 }, shape: [1, 1, pixels.count, 3]).permuted([0, 3, 1, 2])
}

/// Numbers as a prediction of one channel, N×1×1×W.
func numbers(_ images: [[Float]]) throws -> Tensor {
  try Tensor(images.flatMap { $0 }, shape: [images.count, 1, 1, images[0].count])
}

/// Logits that choose a class for each pixel of N×W.
func choices(_ images: [[Int]], channels: Int) throws -> Tensor {
  let (count, width) = (images.count, images[0].count)
  let logits = images.flatMap { row in row.flatMap { c in (0..<channels).map { $0 == c ? 5 : 0 } } }
  return try Tensor(logits.map(Float.init), shape: [count, 1, width, channels])
    .permuted([0, 3, 1, 2])
}

extension TaskMetrics {
  func value(_ name: String) -> Double? { values.first { $0.name == name }?.value }

  /// Adds a batch whose ground truth lies in tensors.
  mutating func add(_ prediction: Tensor, _ target: Target) throws {
    let shape = target.valid.shape
    let values =
      target.values.dtype == .int64
      ? try target.values.to(.float32) : try target.values.permuted([0, 2, 3, 1])
    let (all, valid): ([Float], [Float]) = (try values.array(), try target.valid.array())
    func images<T>(_ values: [T]) -> [[T]] {
      let size = values.count / shape[0]
      return (0..<shape[0]).map { Array(values[$0 * size..<($0 + 1) * size]) }
    }
    try add(
      Prediction(prediction),
      GroundTruth(
        height: shape[1], width: shape[2], values: images(all),
        valid: images(valid.map { $0 > 0 })), batchSize: shape[0])
  }
}

/// The tasks of a reference case with the targets of its first batch.
struct ReferenceBatch {
  let kinds: [any TaskKind]
  let lossWeights: [Double]
  let targets: [Target]
  let size: (height: Int, width: Int)

  init(_ reference: ReferenceCase) throws {
    let dataset = try DatasetFile(opening: reference.dataset)
    let info = try dataset.info(.train)
    let samples = try (0..<2).map { try dataset.sample($0, of: info) }
    let (h, w) = (info.height, info.width)
    size = (h, w)
    lossWeights = dataset.tasks.map(\.lossWeight)
    kinds = try dataset.tasks.map { task in
      try TaskDescription(
        name: task.name, channels: task.channels, classWeights: task.classWeights,
        metrics: task.metrics?.rawValue
      ).task(ofKind: task.kind.rawValue)
    }
    targets = try kinds.enumerated().map { index, task in
      let maps = samples.map { $0.targets[index] }
      return try task.target(
        Tensor(maps.flatMap(\.values), shape: [2, h, w, task.targetChannels]),
        valid: Tensor(maps.flatMap(\.valid).map { $0 ? Float(1) : 0 }, shape: [2, h, w]))
    }
  }
}

extension Group {
  func tensor(_ path: String) throws -> Tensor {
    let dataset = try dataset(path)
    return try Tensor(dataset.read(as: Float.self), shape: dataset.shape)
  }
}
