// The layers with the weights that are pruned: convolutions and linear layers.

import CTorch

extension Tensor {
  /// 2-D convolution of N×C×H×W; `weight` is out × in/groups × kernel height × kernel width, `bias`
  /// has one value per output channel.
  public func convolved(
    _ weight: Tensor, bias: Tensor? = nil, stride: Pair = 1, padding: Pair = 0, dilation: Pair = 1,
    groups: Int = 1
  ) throws -> Tensor {
    try returning {
      ct_conv2d(
        &$0, raw, weight.raw, bias?.raw, stride.raw, padding.raw, dilation.raw, Int64(groups))
    }
  }

  /// The transpose of a 2-D convolution; `weight` is in × out/groups × kernel height × kernel width.
  /// Each side becomes (n − 1) · stride − 2 · padding + dilation · (kernel − 1) + outputPadding + 1.
  public func transposedConvolved(
    _ weight: Tensor, bias: Tensor? = nil, stride: Pair = 1, padding: Pair = 0,
    outputPadding: Pair = 0, dilation: Pair = 1, groups: Int = 1
  ) throws -> Tensor {
    try returning {
      ct_conv_transpose2d(
        &$0, raw, weight.raw, bias?.raw, stride.raw, padding.raw, outputPadding.raw, dilation.raw,
        Int64(groups))
    }
  }

  /// A linear layer over the last dimension; `weight` is out × in, `bias` has one value per output.
  public func linear(_ weight: Tensor, bias: Tensor? = nil) throws -> Tensor {
    try returning { ct_linear(&$0, raw, weight.raw, bias?.raw) }
  }
}
