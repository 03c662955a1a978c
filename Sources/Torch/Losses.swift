// Losses.

import CTorch

extension Tensor {
  public enum Reduction: Sendable { case mean, sum }

  /// Cross-entropy of logits N×C×H×W against classes N×H×W (int64). Pixels of the class `ignore` do
  /// not count; with `classWeights` (C) each pixel counts with its class's weight, and the mean is
  /// the weighted mean.
  public func crossEntropy(
    _ classes: Tensor, ignore: Int, classWeights: Tensor? = nil, reduction: Reduction = .mean
  ) throws -> Tensor {
    try returning {
      ct_cross_entropy(
        &$0, raw, classes.raw, classWeights?.raw, Int64(ignore), reduction == .mean)
    }
  }
}
