// The sparse engine's operations between convolutions, on maps that lie batch innermost.

import CTorch

// What libtorch does as well, pooling and resizing, stands with it and is told `inPlanes`.
//
// Each takes float32 N×C×H×W on the CPU in any layout (another than batch innermost is copied), throws
// ``TorchError`` for anything else, and returns a tensor that lies batch innermost. All are
// differentiable, and give the same bytes on any number of threads.
extension Tensor {
  /// The same N×C×H×W values with the batch innermost in memory (C×H×W×N: a contiguous plane for
  /// each channel), which the sparse engine works on. libtorch's operations element by element keep
  /// that layout.
  public func batchInnermost() throws -> Tensor { try returning { ct_batch_innermost(&$0, raw) } }

  /// Batch normalisation as ``batchNormalized(weight:bias:runningMean:runningVariance:training:momentum:epsilon:)``
  /// does it, plus `residual` (N×C×H×W too), with negative sums as 0 if `rectified`, in the one pass.
  public func planesBatchNormalized(
    weight: Tensor?, bias: Tensor?, runningMean: Tensor, runningVariance: Tensor,
    residual: Tensor? = nil, rectified: Bool = false, training: Bool, momentum: Double = 0.1,
    epsilon: Double = 1e-5
  ) throws -> Tensor {
    try returning {
      ct_planes_batch_norm(
        &$0, raw, weight?.raw, bias?.raw, runningMean.raw, runningVariance.raw, residual?.raw,
        rectified, training, momentum, epsilon)
    }
  }

  /// The mean of each channel: N×C×H×W becomes N×C×1×1.
  public func planesGlobalMean() throws -> Tensor {
    try returning { ct_planes_global_mean(&$0, raw) }
  }

  /// As ``droppedOut(_:using:firstImage:)``, and the same elements; if `rectified`, negative values become 0
  /// before.
  public func planesDroppedOut(
    _ probability: Double, using stream: RandomStream, firstImage: Int = 0, rectified: Bool = false
  ) throws -> Tensor {
    try returning {
      ct_planes_dropout(&$0, raw, rectified, probability, stream.key, Int64(firstImage))
    }
  }
}
