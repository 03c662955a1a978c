// Convolutions and linear layers that calculate with their kept weights only.

import CTorch

/// A layer under a mask, with the streams that its kernels read. Weights are the vector of the kept
/// ones, in the order of channels-last memory (out × height × width × in / groups); gradients are as
/// long.
public final class SparseConvolution {
  private let raw: OpaquePointer

  /// - Parameters:
  ///   - shape: of the whole weight, out × in / groups × height × width, or out × in of a linear layer.
  ///   - mask: uint8 in that shape, 1 = kept; nil keeps all.
  /// - Throws: ``TorchError`` for a mask or settings that do not fit.
  public init(
    shape: [Int], stride: Pair = Pair(1, 1), padding: Pair = Pair(0, 0),
    dilation: Pair = Pair(1, 1), groups: Int = 1, mask: Tensor?
  ) throws {
    guard shape.count == 4 || shape.count == 2 else {
      throw TorchError("a weight of shape \(shape) is no convolution's")
    }
    let whole = (shape.count == 4 ? shape : shape + [1, 1]).map(Int64.init)
    raw = try made {
      ct_sparse_convolution(
        &$0, whole, stride.raw, padding.raw, dilation.raw, Int64(groups), mask?.raw)
    }
  }

  deinit { ct_release_sparse_convolution(raw) }

  /// Whether so many weights are kept that all are multiplied.
  public var isDense: Bool { ct_is_dense(raw) }

  /// The layer's output, differentiable in input, weights and bias.
  ///
  /// - Parameters:
  ///   - input: N×C×H×W in any layout, or N×C.
  ///   - weights: the kept ones.
  /// - Returns: N×C×H×W, batch innermost, or N×C.
  public func output(of input: Tensor, weights: Tensor, bias: Tensor? = nil) throws -> Tensor {
    try returning { ct_sparse_convolve(&$0, input.raw, weights.raw, bias?.raw, raw) }
  }

  /// The output times `scale` plus `shift`, each a number per channel, plus `residual`, rectified if
  /// asked: what follows a convolution in a trained network, in the one pass. Not differentiable.
  public func finishedOutput(
    of input: Tensor, weights: Tensor, scale: Tensor? = nil, shift: Tensor? = nil,
    residual: Tensor? = nil, rectified: Bool = false
  ) throws -> Tensor {
    try returning {
      ct_sparse_convolve_finished(
        &$0, input.raw, weights.raw, scale?.raw, shift?.raw, residual?.raw, rectified, raw)
    }
  }
}
