// Normalisation: over the batch, over groups of channels, and of single vectors.

import CTorch

/// Has batch normalisation in training take its statistics over the parts of a batch that all processes
/// of a run have. Call before any network runs.
///
/// - Parameter sum: adds values up over the processes, in place; every process calls it in the same
///   order. Nil for batches that are whole.
public func divideBatches(_ sum: (@convention(c) (UnsafeMutablePointer<Double>?, Int64) -> Void)?) {
  ct_divide_batches(sum)
}

extension Tensor {
  /// Batch normalisation over all dimensions but the second (Ioffe & Szegedy 2015). In training the
  /// batch's own statistics are used, and the running ones move towards them in place by the share
  /// `momentum`; the running variance follows the unbiased variance.
  ///
  /// - Throws: ``TorchError``, also when a channel has only one value in training.
  public func batchNormalized(
    weight: Tensor?, bias: Tensor?, runningMean: Tensor, runningVariance: Tensor, training: Bool,
    momentum: Double = 0.1, epsilon: Double = 1e-5
  ) throws -> Tensor {
    try returning {
      ct_batch_norm(
        &$0, raw, weight?.raw, bias?.raw, runningMean.raw, runningVariance.raw, training, momentum,
        epsilon)
    }
  }

  /// Normalises each image over each of `groups` groups of neighbouring channels (Wu & He 2018);
  /// `weight` and `bias` have one value per channel.
  public func groupNormalized(
    groups: Int, weight: Tensor?, bias: Tensor?, epsilon: Double = 1e-5
  ) throws -> Tensor {
    try returning { ct_group_norm(&$0, raw, Int64(groups), weight?.raw, bias?.raw, epsilon) }
  }

  /// Divides by the L2 norm along `dimension` (at least 1e-12).
  public func normalized(along dimension: Int) throws -> Tensor {
    try returning { ct_normalize(&$0, raw, Int64(dimension)) }
  }
}
