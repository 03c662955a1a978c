// Paths: whether the weights that masks keep still join a task's prediction to the image.

import Formatting
import Foundation

extension Architecture {
  /// The tasks whose prediction the image no longer reaches, whatever it shows.
  ///
  /// A convolution's output channel is alive when a kept weight joins it to a living input channel;
  /// batch-norm, ReLU and pooling keep channels as they are, and a sum's channel is alive when one of
  /// its terms' is. A task has a path when a channel of its prediction is alive.
  ///
  /// - Parameter masks: of the prunable weights by name, row-major, 1 = kept.
  /// - Throws: ``NetworkError`` for a mask that is missing or too long or short.
  public func tasksWithoutPath(_ masks: [String: ArraySlice<UInt8>]) throws -> [String] {
    let shapes = Dictionary(uniqueKeysWithValues: prunable.map { ($0.name, $0.shape) })
    /// The living output channels of a convolution, from its living input channels.
    func convolved(_ inputs: [Bool], _ name: String) throws -> [Bool] {
      guard let shape = shapes[name], let mask = masks[name], mask.count == shape.reduce(1, *)
      else { throw NetworkError(name, "has no mask that fits it") }
      let row = mask.count / shape[0]
      return mask.withUnsafeBytes { mask in
        (0..<shape[0]).map { output in
          reaches(mask[output * row..<(output + 1) * row], inputs, kernel: row / inputs.count)
        }
      }
    }

    var features = try convolved([true, true, true], "backbone.conv1.weight")
    for block in blocks {
      let inner = try convolved(features, block.name + ".conv1.weight")
      let outer = try convolved(inner, block.name + ".conv2.weight")
      let residual =
        try block.projection.map { try convolved(features, $0 + ".0.weight") } ?? features
      features = zip(outer, residual).map { $0 || $1 }
    }
    return try heads.enumerated().compactMap { index, head in
      let isReached = try branches(ofHead: index).contains { branch in
        var channels = features
        for layer in ["conv1", "conv2", "conv3"] {
          channels = try convolved(channels, "\(branch.name).\(layer).weight")
        }
        return channels.contains(true)
      }
      return isReached ? nil : head.task
    }
  }
}

/// Whether a kept weight leads to an output channel from a living input channel.
///
/// - Parameters:
///   - mask: the output channel's weights, `kernel` for each input channel.
///   - inputs: the living input channels.
private func reaches(
  _ mask: Slice<UnsafeRawBufferPointer>, _ inputs: [Bool], kernel: Int
) -> Bool {
  let mask = UnsafeRawBufferPointer(rebasing: mask)
  guard let base = mask.baseAddress else { return false }
  var start = 0
  // From kept weight to kept weight, past the rest of an input channel that is dead.
  while start < mask.count, let found = memchr(base + start, 1, mask.count - start) {
    let input = (UnsafeRawPointer(found) - base) / kernel
    if inputs[input] { return true }
    start = (input + 1) * kernel
  }
  return false
}
