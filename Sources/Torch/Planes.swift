// The sparse engine's operations between convolutions, on maps that lie batch innermost.

import CTorch

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

  /// As ``maxPooled(kernel:stride:padding:dilation:ceilMode:)``, of at most 65536 pixels a window.
  public func planesMaxPooled(
    kernel: Pair, stride: Pair, padding: Pair = 0, dilation: Pair = 1, ceilMode: Bool = false
  ) throws -> Tensor {
    try returning {
      ct_planes_max_pool2d(
        &$0, raw, kernel.raw, stride.raw, padding.raw, dilation.raw, ceilMode)
    }
  }

  /// As ``averagePooled(kernel:stride:padding:ceilMode:countsPadding:)``.
  public func planesAveragePooled(
    kernel: Pair, stride: Pair, padding: Pair = 0, ceilMode: Bool = false,
    countsPadding: Bool = true
  ) throws -> Tensor {
    try returning {
      ct_planes_average_pool2d(
        &$0, raw, kernel.raw, stride.raw, padding.raw, ceilMode, countsPadding)
    }
  }

  /// The mean of each channel: N×C×H×W becomes N×C×1×1.
  public func planesGlobalMean() throws -> Tensor {
    try returning { ct_planes_global_mean(&$0, raw) }
  }

  /// As ``droppedOut(_:using:)``, and the same elements; if `rectified`, negative values become 0
  /// before.
  public func planesDroppedOut(
    _ probability: Double, using stream: RandomStream, rectified: Bool = false
  ) throws -> Tensor {
    try returning { ct_planes_dropout(&$0, raw, rectified, probability, stream.key) }
  }

  /// As ``resized(to:by:scales:)``.
  public func planesResized(
    to size: Pair, by interpolation: Interpolation = .bilinear(alignsCorners: false),
    scales: (Double, Double)? = nil
  ) throws -> Tensor {
    let scales = scales.map { [$0.0, $0.1] }
    return try returning {
      switch interpolation {
      case .nearest: ct_planes_upsample_nearest(&$0, raw, size.raw, scales)
      case .bilinear(let alignsCorners):
        ct_planes_upsample_bilinear(&$0, raw, size.raw, alignsCorners, scales)
      }
    }
  }
}
