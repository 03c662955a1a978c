// Pictures brought to another size.

import CTorch

/// How a network's feature maps are resized.
public enum Interpolation: Hashable, Sendable {
  /// PyTorch's `nearest`: element i takes ⌊i / scale⌋, rounded as float32 is.
  case nearest
  /// Pixel centres lie at half integers, or the centres of the corner pixels on each other.
  case bilinear(alignsCorners: Bool)
}

extension Tensor {
  /// N×C×H×W brought to another size, differentiably.
  ///
  /// - Parameters:
  ///   - scales: new over old (height, width), where they are other than the sizes' quotients, as of 7
  ///     pixels scaled by 1.5 to 10. Aligned corners have no use for them.
  ///   - inPlanes: by the sparse engine's kernels.
  /// - Throws: ``TorchError``, also when the scales do not make that size.
  public func resized(
    to size: Pair, by interpolation: Interpolation = .bilinear(alignsCorners: false),
    scales: (Double, Double)? = nil, inPlanes: Bool = false
  ) throws -> Tensor {
    let nearest = inPlanes ? ct_planes_upsample_nearest : ct_upsample_nearest
    let bilinear = inPlanes ? ct_planes_upsample_bilinear : ct_upsample_bilinear
    let scales = scales.map { [$0.0, $0.1] }
    return try returning {
      switch interpolation {
      case .nearest: nearest(&$0, raw, size.raw, scales)
      case .bilinear(let alignsCorners): bilinear(&$0, raw, size.raw, alignsCorners, scales)
      }
    }
  }

  /// Targets N×C×H×W or N×H×W, of any type, brought to another size by nearest neighbour in
  /// integers: source = ⌊i · in / out⌋.
  public func resizedNearest(height: Int, width: Int) throws -> Tensor {
    let rows = shape.count - 2
    let columns = shape.count - 1
    let sides = 1...1 << 20
    guard rows >= 0, sides.contains(height), sides.contains(width) else {
      throw TorchError("resizedNearest of a tensor of shape \(shape) to \(height) × \(width)")
    }
    if shape[rows] == height && shape[columns] == width { return self }
    let (oldHeight, oldWidth) = (shape[rows], shape[columns])
    return try selecting((0..<height).map { $0 * oldHeight / height }, along: rows)
      .selecting((0..<width).map { $0 * oldWidth / width }, along: columns)
  }
}
