// The sparse engine's operations on tensors that lie batch innermost in memory, but convolutions.

import CTorch

extension Tensor {
  /// The same N×C×H×W values with the batch innermost in memory (C×H×W×N: a contiguous plane for
  /// each channel), which the sparse engine works on. libtorch's operations element by element keep
  /// that layout.
  ///
  /// - Throws: ``TorchError`` when it is not float32 N×C×H×W on the CPU.
  public func batchInnermost() throws -> Tensor { try returning { ct_batch_innermost(&$0, raw) } }

  /// The sparse engine's operations on this tensor.
  public var planes: Planes { Planes(tensor: self) }
}

/// Operations on a float32 N×C×H×W tensor on the CPU by the sparse engine. What they return lies
/// batch innermost in memory; the tensor itself may lie in any way, but is then copied. All are
/// differentiable, and give the same bytes on any number of threads. They throw ``TorchError``, also
/// for tensors of other kinds.
public struct Planes {
  fileprivate let tensor: Tensor

  private var raw: OpaquePointer { tensor.raw }

  /// Batch normalisation as ``Tensor/batchNormalized(weight:bias:runningMean:runningVariance:training:momentum:epsilon:)``,
  /// then the sum with `residual`, N×C×H×W too, then, if `rectify`, negative values become 0.
  public func batchNormalized(
    weight: Tensor?, bias: Tensor?, runningMean: Tensor, runningVariance: Tensor,
    residual: Tensor? = nil, rectify: Bool = false, training: Bool, momentum: Double = 0.1,
    epsilon: Double = 1e-5
  ) throws -> Tensor {
    try returning {
      ct_planes_batch_norm(
        &$0, raw, weight?.raw, bias?.raw, runningMean.raw, runningVariance.raw, residual?.raw,
        rectify, training, momentum, epsilon)
    }
  }

  /// As ``Tensor/maxPooled(kernel:stride:padding:dilation:ceilMode:)``, of at most 65536 pixels a
  /// window.
  public func maxPooled(
    kernel: Pair, stride: Pair, padding: Pair = 0, dilation: Pair = 1, ceilMode: Bool = false
  ) throws -> Tensor {
    try returning {
      ct_planes_max_pool2d(
        &$0, raw, kernel.raw, stride.raw, padding.raw, dilation.raw, ceilMode)
    }
  }

  /// As ``Tensor/averagePooled(kernel:stride:padding:ceilMode:countsPadding:)``.
  public func averagePooled(
    kernel: Pair, stride: Pair, padding: Pair = 0, ceilMode: Bool = false,
    countsPadding: Bool = true
  ) throws -> Tensor {
    try returning {
      ct_planes_average_pool2d(
        &$0, raw, kernel.raw, stride.raw, padding.raw, ceilMode, countsPadding)
    }
  }

  /// The mean of each channel: N×C×H×W becomes N×C×1×1.
  public func globalMean() throws -> Tensor { try returning { ct_planes_global_mean(&$0, raw) } }

  /// As ``Tensor/droppedOut(_:using:)``, and the same elements; if `rectify`, negative values become 0
  /// before.
  public func droppedOut(
    _ probability: Double, using stream: RandomStream, rectify: Bool = false
  ) throws -> Tensor {
    try returning { ct_planes_dropout(&$0, raw, rectify, probability, stream.key) }
  }

  /// As ``Tensor/resized(to:by:scales:)``.
  public func resized(
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
