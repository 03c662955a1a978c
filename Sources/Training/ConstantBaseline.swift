// The best constant prediction: what a network must beat to have learned anything.

import Artifacts
import Datasets
import Foundation
import Tasks
import Torch

/// Fits one constant per task to training images: class frequencies for segmentation, the mean
/// direction for normals, the median for regression. Each minimises its task's loss.
struct ConstantBaseline {
  /// One value per channel of each task's prediction.
  private let constants: [[Float]]

  /// Training images and values per image that are looked at, spread evenly.
  private static let imageLimit = 256
  private static let valuesPerImage = 4096

  init(fittedTo dataset: DatasetFile) throws {
    let info = try dataset.info(.train)
    var sums = dataset.tasks.map { [Double](repeating: 0, count: $0.channels) }
    var values: [[Float]] = dataset.tasks.map { _ in [] }
    let count = min(Self.imageLimit, info.count)
    for number in 0..<count {
      let sample = try dataset.sample(number * info.count / count, of: info)
      let pixels = info.height * info.width
      let step = max(1, pixels / Self.valuesPerImage)
      for (index, task) in dataset.tasks.enumerated() {
        let target = sample.targets[index]
        for pixel in stride(from: 0, to: pixels, by: step) where target.valid[pixel] {
          switch task.kind {
          case .segmentation:
            sums[index][Int(target.values[pixel])] += 1
          case .normals:
            let normal = target.values[3 * pixel..<3 * pixel + 3]
            let norm = normal.reduce(0) { $0 + Double($1 * $1) }.squareRoot()
            guard norm > 0 else { continue }
            for (c, value) in normal.enumerated() { sums[index][c] += Double(value) / norm }
          case .regression:
            values[index].append(target.values[pixel])
          }
        }
      }
    }
    constants = dataset.tasks.enumerated().map { index, task in
      switch task.kind {
      case .segmentation:
        // Logits whose softmax is the classes' frequencies, with one pixel more of each.
        sums[index].map { Float(log($0 + 1)) }
      case .normals:
        sums[index].map(Float.init)
      case .regression:
        [median(values[index])]
      }
    }
  }

  /// Predictions N×channels×H×W of a task.
  func prediction(ofTask task: Int, count: Int, height: Int, width: Int) throws -> Tensor {
    let values = constants[task]
    let ones = try Tensor.full(1, shape: [count, values.count, height, width])
    return try ones * Tensor(values, shape: [1, values.count, 1, 1])
  }
}

private func median(_ values: [Float]) -> Float {
  values.isEmpty ? 0 : values.sorted()[values.count / 2]
}
