// The sparse engine's operations between convolutions, on maps that lie batch innermost.

import CTorch

extension Tensor {
  /// Batch normalisation of N×C×H×W as ``batchNormalized(weight:bias:runningMean:runningVariance:training:momentum:epsilon:)``
  /// does it, plus `residual`, rectified, in the one pass.
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

  public func planesMaxPooled(
    kernel: Pair, stride: Pair, padding: Pair = 0, dilation: Pair = 1, ceilMode: Bool = false
  ) throws -> Tensor {
    try returning {
      ct_planes_max_pool2d(
        &$0, raw, kernel.raw, stride.raw, padding.raw, dilation.raw, ceilMode)
    }
  }

  public func planesAveragePooled(
    kernel: Pair, stride: Pair, padding: Pair = 0, ceilMode: Bool = false,
    countsPadding: Bool = true
  ) throws -> Tensor {
    try returning {
      ct_planes_average_pool2d(&$0, raw, kernel.raw, stride.raw, padding.raw, ceilMode, countsPadding)
    }
  }

  /// N×C×1×1.
  public func planesGlobalMean() throws -> Tensor {
    try returning { ct_planes_global_mean(&$0, raw) }
  }

  /// Dropout, of the rectified values if asked.
  public func planesDroppedOut(
    _ probability: Double, using stream: RandomStream, rectified: Bool = false
  ) throws -> Tensor {
    try returning { ct_planes_dropout(&$0, raw, rectified, probability, stream.key) }
  }

  public func planesResized(
    to size: Pair, by interpolation: Interpolation, scales: (Double, Double)? = nil
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
