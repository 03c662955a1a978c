// The tasks of a data set with their losses, and batches as tensors.

import Artifacts
import Collectives
import Datasets
import Networks
import Tasks
import Torch

/// A batch on the network's device.
struct TensorBatch {
  /// N×H×W×3, 8-bit RGB.
  let images: Tensor
  /// In task order.
  let targets: [Target]

  init(_ batch: Batch, tasks: TaskSet, on device: Device) throws {
    let (n, h, w) = (batch.count, batch.height, batch.width)
    images = try Tensor(batch.images, shape: [n, h, w, 3])
    targets = try zip(batch.targets, tasks.kinds).map { target, task in
      try task.target(
        Tensor(target.values, shape: [n, h, w, target.channels]),
        valid: Tensor(target.valid, shape: [n, h, w])
      ).to(device)
    }
  }
}

/// The tasks that a network is trained for, in head order.
public struct TaskSet: Sendable {
  public let descriptions: [DatasetTask]
  let kinds: [any TaskKind]

  /// - Throws: ``UnknownTaskKind``.
  public init(_ descriptions: [DatasetTask]) throws {
    self.descriptions = descriptions
    kinds = try descriptions.map { task in
      try TaskDescription(
        name: task.name, channels: task.channels, classNames: task.classNames,
        classWeights: task.classWeights, metrics: task.metrics?.rawValue
      ).task(ofKind: task.kind.rawValue)
    }
  }

  public var names: [String] { descriptions.map(\.name) }

  /// Each task's loss on one batch, from one forward pass; nil where the batch has no valid pixel.
  ///
  /// - Parameter group: the processes that the batch is divided among. A loss is then this one's share,
  ///   and nil only where no process has a valid pixel, so that all differentiate the same tasks.
  func losses(
    with engine: some Engine, on batch: TensorBatch, training: Bool = true, precision: Precision,
    dropout: DropoutStreams?, dividedAmong group: ProcessGroup? = nil
  ) throws -> [Tensor?] {
    let network = engine.network
    let predictions = try withPrecision(precision, on: network.device) {
      try engine.predictions(
        for: network.normalized(batch.images), training: training, using: dropout)
    }
    let pairs = Array(zip(kinds, predictions))
    let targets = try zip(pairs, batch.targets).map { try $0.0.matching($0.1, $1) }
    let own = try zip(kinds, targets).map { try $0.weight($1) }
    let weights = group?.sum(own) ?? own
    return try zip(pairs, zip(targets, weights)).map { pair, truth in
      truth.1 > 0 ? try pair.0.loss(pair.1, truth.0, weight: truth.1) : nil
    }
  }
}

extension TaskSet {
  /// Σ loss_weight × task loss.
  func weightedSum(_ losses: [Double]) -> Double {
    zip(descriptions, losses).reduce(0) { $0 + $1.0.lossWeight * $1.1 }
  }

  /// Σ loss_weight × task loss over the tasks that have one; nil when none has.
  ///
  /// - Parameter factors: by task, what its loss is multiplied by besides.
  func weightedSum(_ losses: [Tensor?], times factors: [Double]? = nil) throws -> Tensor? {
    var total: Tensor?
    for (index, (task, loss)) in zip(descriptions, losses).enumerated() {
      guard let loss else { continue }
      let weighted = try loss * (task.lossWeight * (factors?[index] ?? 1))
      total = try total.map { try $0 + weighted } ?? weighted
    }
    return total
  }
}

/// Batches without a single valid pixel, per task; they count as loss 0.
public struct EmptyTargets: Sendable {
  public private(set) var batches: [(task: String, count: Int)]

  init(_ tasks: [String]) { batches = tasks.map { ($0, 0) } }

  mutating func count(_ losses: [Tensor?]) {
    for (task, loss) in losses.enumerated() where loss == nil { batches[task].count += 1 }
  }

  /// Takes in what other processes saw of other batches.
  mutating func sum(over group: ProcessGroup) {
    let counts = group.sum(batches.map { Double($0.count) })
    for (task, count) in counts.enumerated() { batches[task].count = Int(count) }
  }

  /// One line per task that had some.
  public func warnings(of total: Int) -> [String] {
    batches.filter { $0.count > 0 }.map { task, count in
      "task \(task): \(count) of \(total) batches had no pixel with ground truth; "
        + "their loss counted as 0"
    }
  }
}
