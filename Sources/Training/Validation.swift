// The loss on images that training does not see.

import Artifacts
import Datasets
import Torch

extension Trainer {
  /// The tasks' mean losses over the validation images, with batch-norm's running statistics and
  /// without dropout, and their weighted sum. Batches count by their size; one without ground truth
  /// counts for nothing.
  func validate() throws -> TrainingHistory.Validation {
    var sums = [Double](repeating: 0, count: tasks.names.count)
    var counts = [Double](repeating: 0, count: tasks.names.count)
    let machine = settings.machine.running(engine.kind)
    try withoutGradients {
      try BatchSource.batches(
        of: source.dataset, split: .validation, batchSize: source.batchSize,
        share: group.share(of:)
      ) { batch, _ in
        let tensors = try TensorBatch(batch, tasks: tasks, on: machine.device)
        let losses = try tasks.losses(
          with: engine, on: tensors, training: false, precision: machine.precision, dropout: nil)
        for (task, loss) in losses.enumerated() {
          guard let loss else { continue }
          sums[task] += try loss.item() * Double(batch.count)
          counts[task] += Double(batch.count)
        }
      }
    }
    let losses = zip(group.sum(sums), group.sum(counts)).map { $1 > 0 ? $0 / $1 : 0 }
    return TrainingHistory.Validation(
      step: step, loss: tasks.weightedSum(losses), taskLosses: losses)
  }
}
