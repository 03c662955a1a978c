// What the tests of Datasets share: a small data set whose numbers tell where they came from.

import Artifacts
import Datasets
import TestSupport
import Testing

let someProvenance = Provenance(createdBy: "tests 1.0", command: "tests", seed: 1)

/// Images whose red is the column, whose green is the row and whose blue is the image's number, all
/// plus 1, with targets that say the same.
struct MarkedDataset {
  var count = 5
  var height = 20
  var width = 30

  static let tasks = [
    DatasetTask(name: "number", kind: .segmentation, channels: 100, lossWeight: 1),
    DatasetTask(name: "signed", kind: .normals, channels: 3, lossWeight: 1),
    DatasetTask(name: "unsigned", kind: .normals, channels: 3, lossWeight: 1),
    DatasetTask(name: "column", kind: .regression, channels: 1, lossWeight: 1),
    DatasetTask(name: "row", kind: .regression, channels: 1, lossWeight: 1),
  ]

  private static let storage: [DatasetWriter.Storage] = [
    .init(.uint8, TargetEncoding(fillValue: 255)),
    .init(.float32, TargetEncoding(signedX: true)),
    .init(.float32, TargetEncoding()),
    .init(.float32, TargetEncoding()),
    .init(.float32, TargetEncoding()),
  ]

  /// Opens such a data set; its file is gone afterwards.
  func open<R>(_ body: (DatasetFile) throws -> R) throws -> R {
    try withFolder { folder in
      let path = folder + "/data.h5"
      let writer = try DatasetWriter(
        path, tasks: Self.tasks, storage: Self.storage, provenance: someProvenance)
      try writer.begin(.train, count: count, height: height, width: width)
      for number in 0..<count { try writer.append(sample(number)) }
      try writer.finish()
      return try body(DatasetFile(opening: path))
    }
  }

  private func sample(_ number: Int) -> Sample {
    let pixels = (0..<height).flatMap { y in (0..<width).map { (x: $0, y: y) } }
    let valid = pixels.map { _ in true }
    func map(_ value: ((x: Int, y: Int)) -> [Float]) -> TargetMap {
      TargetMap(values: pixels.flatMap(value), valid: valid)
    }
    return Sample(
      height: height, width: width,
      image: pixels.flatMap { [UInt8($0.x + 1), UInt8($0.y + 1), UInt8(number + 1)] },
      targets: [
        map { _ in [Float(number)] }, map { _ in [0.5, 0.25, 0.75] },
        map { _ in [0.5, 0.25, 0.75] }, map { [Float($0.x)] }, map { [Float($0.y)] },
      ])
  }
}

extension Batch {
  /// The numbers of the images, as their blue tells.
  var numbers: [Int] {
    let size = height * width * 3
    return (0..<count).map { n in
      stride(from: n * size + 2, to: (n + 1) * size, by: 3).map { Int(images[$0]) - 1 }.max() ?? -1
    }
  }
}

/// One image of a batch, with its targets by task.
struct PlacedImage {
  let height: Int
  let width: Int
  /// H×W×3.
  let pixels: [UInt8]
  let values: [[Float]]
  let valid: [[Float]]
  /// The pixels with ground truth: their place in the crop, and the rows and columns they fill.
  let covered: [Int]
  let rows: ClosedRange<Int>
  let columns: ClosedRange<Int>
  /// Whether red falls from left to right.
  let isMirrored: Bool

  init(_ index: Int, of batch: Batch) {
    (height, width) = (batch.height, batch.width)
    let size = height * width
    let range = index * size..<(index + 1) * size
    pixels = Array(batch.images[range.lowerBound * 3..<range.upperBound * 3])
    values = batch.targets.map {
      Array($0.values[range.lowerBound * $0.channels..<range.upperBound * $0.channels])
    }
    valid = batch.targets.map { Array($0.valid[range]) }
    covered = valid[0].enumerated().filter { $0.element > 0 }.map(\.offset)
    let (ys, xs) = (covered.map { [width] in $0 / width }, covered.map { [width] in $0 % width })
    rows = (ys.min() ?? 0)...(ys.max() ?? 0)
    columns = (xs.min() ?? 0)...(xs.max() ?? 0)
    let start = rows.lowerBound * width
    let reds = columns.map { [pixels] in pixels[(start + $0) * 3] }
    isMirrored = (reds.first ?? 0) > (reds.last ?? 0)
  }
}

func placedImages(of batch: Batch) -> [PlacedImage] {
  (0..<batch.count).map { PlacedImage($0, of: batch) }
}
