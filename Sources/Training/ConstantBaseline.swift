// The best constant prediction: what a network must beat to have learned anything.

import Artifacts
import Datasets
import Tasks

/// Fits one constant per task to training images. Each minimises its task's loss.
struct ConstantBaseline {
  /// One value per channel of each task's prediction.
  private let constants: [[Float]]

  /// Training images and values per image that are looked at, spread evenly.
  private static let imageLimit = 256
  private static let valuesPerImage = 4096

  /// - Parameter threads: that read images; they make no difference to the constants.
  init(_ tasks: TaskSet, fittedTo dataset: DatasetFile, threads: Int) throws {
    let info = try dataset.info(.train)
    let kinds = tasks.kinds
    let count = min(Self.imageLimit, info.count)
    let images = OrderedWork(0..<count, threads: threads, ahead: 4 * threads) { number in
      try zip(kinds, dataset.targets(of: number * info.count / count, in: info)).map {
        $0.observe($1.values, at: Self.pixels(of: $1))
      }
    }
    var observations = kinds.map { $0.observe([], at: []) }
    while let image = try images.value() {
      for (index, more) in image.enumerated() { observations[index].add(more) }
    }
    constants = zip(kinds, observations).map { $0.constant(fittedTo: $1) }
  }

  /// Pixels of a target that have ground truth.
  private static func pixels(of target: TargetMap) -> [Int] {
    let step = max(1, target.valid.count / valuesPerImage)
    return stride(from: 0, to: target.valid.count, by: step).filter { target.valid[$0] }
  }

  /// A task's prediction for some images.
  func prediction(ofTask task: Int, count: Int) throws -> Prediction {
    try Prediction(constant: constants[task], count: count)
  }
}
