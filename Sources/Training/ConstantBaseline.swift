// The best constant prediction: what a network must beat to have learned anything.

import Artifacts
import Datasets
import Foundation
import Tasks

/// Fits one constant per task to training images: class frequencies for segmentation, the mean
/// direction for normals, the median for regression. Each minimises its task's loss.
struct ConstantBaseline {
  /// One value per channel of each task's prediction.
  private let constants: [[Float]]

  /// Training images and values per image that are looked at, spread evenly.
  private static let imageLimit = 256
  private static let valuesPerImage = 4096

  /// - Parameter threads: that read images; they make no difference to the constants.
  init(fittedTo dataset: DatasetFile, threads: Int) throws {
    let info = try dataset.info(.train)
    let tasks = dataset.tasks
    let count = min(Self.imageLimit, info.count)
    let images = OrderedWork(0..<count, threads: threads, ahead: 4 * threads) { number in
      try zip(tasks, dataset.targets(of: number * info.count / count, in: info)).map {
        Observations(of: $0, $1)
      }
    }
    var observations = tasks.map { Observations(channels: $0.channels) }
    while let image = try images.value() {
      for (index, more) in image.enumerated() { observations[index].add(more) }
    }
    constants = zip(tasks, observations).map { task, observations in
      switch task.kind {
      case .segmentation:
        // Logits whose softmax is the classes' frequencies, with one pixel more of each.
        observations.sums.map { Float(log($0 + 1)) }
      case .normals:
        observations.sums.map(Float.init)
      case .regression:
        [median(observations.values)]
      }
    }
  }

  /// A task's prediction for some images.
  func prediction(ofTask task: Int, count: Int) throws -> Prediction {
    try Prediction(constant: constants[task], count: count)
  }

  /// What a task's targets look like.
  private struct Observations: Sendable {
    /// By channel: pixels of a class, or the sum of the normals' component.
    var sums: [Double]
    /// Of regression.
    var values: [Float] = []

    init(channels: Int) { sums = [Double](repeating: 0, count: channels) }

    /// Looks at some of an image's values.
    init(of task: DatasetTask, _ target: TargetMap) {
      self.init(channels: task.channels)
      let step = max(1, target.valid.count / valuesPerImage)
      for pixel in stride(from: 0, to: target.valid.count, by: step) where target.valid[pixel] {
        switch task.kind {
        case .segmentation:
          sums[Int(target.values[pixel])] += 1
        case .normals:
          let normal = target.values[3 * pixel..<3 * pixel + 3]
          let norm = normal.reduce(0) { $0 + Double($1 * $1) }.squareRoot()
          guard norm > 0 else { continue }
          for (c, value) in normal.enumerated() { sums[c] += Double(value) / norm }
        case .regression:
          values.append(target.values[pixel])
        }
      }
    }

    mutating func add(_ other: Observations) {
      for (channel, sum) in other.sums.enumerated() { sums[channel] += sum }
      values += other.values
    }
  }
}

/// The value with half of the others below it, or 0 of none.
///
/// Found digit by digit of 16 bits in the numbers' order (radix selection), since sorting a million
/// values takes longer than reading them.
package func median(_ values: [Float]) -> Float {
  guard !values.isEmpty else { return 0 }
  var keys = values.map(\.orderedBits)
  var rank = UInt32(0)
  var place = keys.count / 2
  for shift: UInt32 in [16, 0] {
    var counts = [Int](repeating: 0, count: 1 << 16)
    for key in keys { counts[Int(key >> shift & 0xFFFF)] += 1 }
    var digit = 0
    while place >= counts[digit] {
      place -= counts[digit]
      digit += 1
    }
    rank |= UInt32(digit) << shift
    keys = keys.filter { $0 >> shift == rank >> shift }
  }
  return Float(orderedBits: rank)
}

extension Float {
  /// A number whose order is that of the finite floats, −0 before 0.
  fileprivate var orderedBits: UInt32 {
    bitPattern >> 31 == 1 ? ~bitPattern : bitPattern | 1 << 31
  }

  fileprivate init(orderedBits: UInt32) {
    self.init(bitPattern: orderedBits >> 31 == 1 ? orderedBits & ~(1 << 31) : ~orderedBits)
  }
}
