// Tensors of another shape: reordered, joined, cut, padded. A dimension below 0 counts from the last.

import CTorch

/// What stands in the padding around a picture.
public enum Padding: Hashable, Sendable {
  case constant(Double)
  /// The picture mirrored at its outermost pixels, which are not repeated.
  case reflect
  /// The outermost pixels.
  case replicate
}

extension Tensor {
  public func reshaped(_ shape: [Int]) throws -> Tensor {
    try returning { ct_reshape(&$0, raw, shape.map(Int64.init), Int32(shape.count)) }
  }

  /// All dimensions from `dimension` on become one.
  public func flattened(from dimension: Int) throws -> Tensor {
    try returning { ct_flatten(&$0, raw, Int64(dimension)) }
  }

  public func permuted(_ order: [Int]) throws -> Tensor {
    try returning { ct_permute(&$0, raw, order.map(Int64.init), Int32(order.count)) }
  }

  /// The tensors one behind the other along `dimension`; their other dimensions are equal.
  public static func concatenated(_ tensors: [Tensor], along dimension: Int) throws -> Tensor {
    try withExtendedLifetime(tensors) {
      try returning {
        ct_concatenate(&$0, tensors.map(\.raw), Int32(tensors.count), Int64(dimension))
      }
    }
  }

  /// Every `step`th element of `from` ..< `to` along `dimension`. Ends below 0 count from the
  /// dimension's own end, and ends beyond it mean it.
  public func sliced(along dimension: Int, from: Int, to: Int, step: Int = 1) throws -> Tensor {
    try returning { ct_slice(&$0, raw, Int64(dimension), Int64(from), Int64(to), Int64(step)) }
  }

  public func selecting(_ indices: [Int], along dimension: Int) throws -> Tensor {
    try returning {
      ct_select_indices(
        &$0, raw, Int64(dimension), indices.map(Int64.init), Int64(indices.count))
    }
  }

  /// The last two dimensions with so many pixels added at their edges; a constant can also be padded
  /// with fewer than 0, which cuts.
  public func padded(
    top: Int = 0, bottom: Int = 0, left: Int = 0, right: Int = 0, mode: Padding = .constant(0)
  ) throws -> Tensor {
    let (before, after) = (Pair(top, left).raw, Pair(bottom, right).raw)
    return try returning {
      switch mode {
      case .constant(let value): ct_pad(&$0, raw, before, after, ct_constant, value)
      case .reflect: ct_pad(&$0, raw, before, after, ct_reflect, 0)
      case .replicate: ct_pad(&$0, raw, before, after, ct_replicate, 0)
      }
    }
  }

  /// The values that a mask keeps, as a vector; of four dimensions in the order of channels-last memory.
  ///
  /// - Parameter mask: uint8 in this tensor's shape, 1 = kept.
  public func kept(by mask: Tensor) throws -> Tensor {
    try returning { ct_gather_kept(&$0, raw, mask.raw) }
  }

  /// The inverse of ``kept(by:)``: a tensor of the mask's shape, 0 where the mask is. Four dimensions
  /// lie channels last in memory.
  ///
  /// - Throws: ``TorchError`` when this is no vector of as many values as the mask keeps.
  public func scattered(over mask: Tensor) throws -> Tensor {
    try returning { ct_scatter_kept(&$0, raw, mask.raw) }
  }
}
