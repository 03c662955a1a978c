// Pooling over windows, over parts of a picture, and over all of it.

import CTorch

extension Tensor {
  /// The largest element of each window. Each side becomes
  /// (n + 2 · padding − dilation · (kernel − 1) − 1) / stride + 1, rounded down, or up in ceil mode
  /// where the last window still begins within the picture or its padding before it.
  ///
  /// - Parameter inPlanes: by the sparse engine's kernels, of at most 65536 pixels a window.
  public func maxPooled(
    kernel: Pair, stride: Pair, padding: Pair = 0, dilation: Pair = 1, ceilMode: Bool = false,
    inPlanes: Bool = false
  ) throws -> Tensor {
    let pool = inPlanes ? ct_planes_max_pool2d : ct_max_pool2d
    return try returning {
      pool(
        &$0, raw, kernel.raw, stride.raw, padding.raw, dilation.raw, ceilMode)
    }
  }

  /// The mean of each window, sized as in ``maxPooled(kernel:stride:padding:dilation:ceilMode:inPlanes:)``.
  ///
  /// - Parameters:
  ///   - countsPadding: whether padding counts, as zeros, among the elements of a window.
  ///   - inPlanes: by the sparse engine's kernels.
  public func averagePooled(
    kernel: Pair, stride: Pair, padding: Pair = 0, ceilMode: Bool = false,
    countsPadding: Bool = true, inPlanes: Bool = false
  ) throws -> Tensor {
    let pool = inPlanes ? ct_planes_average_pool2d : ct_average_pool2d
    return try returning {
      pool(
        &$0, raw, kernel.raw, stride.raw, padding.raw, ceilMode, countsPadding)
    }
  }

  /// The means of `size` parts that cover the picture: part i of k reaches from ⌊i · n / k⌋ up to
  /// ⌈(i + 1) · n / k⌉. A size of 1 is global average pooling.
  public func adaptiveAveragePooled(to size: Pair) throws -> Tensor {
    try returning { ct_adaptive_average_pool2d(&$0, raw, size.raw) }
  }

  /// The largest element of each channel: N×C×H×W becomes N×C×1×1.
  public func globalMaxPooled() throws -> Tensor {
    try returning { ct_global_max_pool2d(&$0, raw) }
  }
}
