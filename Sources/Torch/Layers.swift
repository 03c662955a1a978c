// The layers and losses that networks are made of. Images and activations are N×C×H×W.

import CTorch

extension Tensor {
  /// 2-D convolution; `weight` is out×in×k×k, `bias` has one value per output channel.
  public func convolved(
    _ weight: Tensor, bias: Tensor? = nil, stride: Int = 1, padding: Int = 0, dilation: Int = 1
  ) throws -> Tensor {
    try returning {
      ct_conv2d(
        &$0, raw, weight.raw, bias?.raw, Int32(stride), Int32(padding), Int32(dilation))
    }
  }

  /// Batch normalisation over N, H and W. In training the batch's own statistics are used and the
  /// running ones updated in place with momentum 0.1.
  public func batchNormalized(
    weight: Tensor, bias: Tensor, runningMean: Tensor, runningVariance: Tensor, training: Bool
  ) throws -> Tensor {
    try returning {
      ct_batch_norm(
        &$0, raw, weight.raw, bias.raw, runningMean.raw, runningVariance.raw, training, 0.1, 1e-5)
    }
  }

  public func rectified() throws -> Tensor { try returning { ct_relu(&$0, raw) } }

  public func maxPooled(kernel: Int, stride: Int, padding: Int, ceilMode: Bool) throws -> Tensor {
    try returning {
      ct_max_pool2d(&$0, raw, Int32(kernel), Int32(stride), Int32(padding), ceilMode)
    }
  }

  /// Zeroes each element with `probability` and scales the others by 1/(1 − probability).
  /// Which ones follows from their place in N×C×H×W order, not from how memory is laid out.
  public func droppedOut(_ probability: Double, using streams: DropoutStreams) throws -> Tensor {
    guard probability > 0 else { return self }
    return try returning { ct_dropout(&$0, raw, probability, streams.next().key) }
  }

  /// Divides by the L2 norm along `dimension` (at least 1e-12).
  public func normalized(along dimension: Int) throws -> Tensor {
    try returning { ct_normalize(&$0, raw, Int32(dimension)) }
  }

  /// N×C×H×W or N×H×W brought to another size by nearest neighbour: source = ⌊i · in / out⌋.
  public func resizedNearest(height: Int, width: Int) throws -> Tensor {
    let rows = shape.count - 2
    let columns = shape.count - 1
    guard rows >= 0 else { throw TorchError("resizedNearest of a tensor of shape \(shape)") }
    if shape[rows] == height && shape[columns] == width { return self }
    let (oldHeight, oldWidth) = (shape[rows], shape[columns])
    return try selecting((0..<height).map { $0 * oldHeight / height }, along: rows)
      .selecting((0..<width).map { $0 * oldWidth / width }, along: columns)
  }

  /// N×C×H×W brought to another size bilinearly, pixel centres at half integers.
  public func resizedBilinear(height: Int, width: Int) throws -> Tensor {
    try returning { ct_upsample_bilinear(&$0, raw, Int64(height), Int64(width)) }
  }

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
