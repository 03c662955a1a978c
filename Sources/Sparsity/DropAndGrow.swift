// Dropping and growing: masks that let go of their smallest weights and take those that the tasks ask
// for, at a steady density (paper, section 3.4; RigL, Evci et al. 2020).

import Torch

/// Drops the present weights with the smallest |w|, until (1 − r) · d · N are left.
///
/// Of those present a share 1 − (d/c)(1 − r) goes, held in 0...1, for a present density c; the count
/// is rounded to the nearest.
///
/// - Parameters:
///   - weights: of one layer.
///   - mask: of the same layer, 1 = present.
///   - targetDensity: d, in 0...1.
///   - rate: r, in 0...1.
/// - Returns: the layer's mask after the drop.
public func drop(_ weights: [Float], mask: [UInt8], targetDensity: Double, rate: Double) -> [UInt8]
{
  let present = keptCount(mask)
  guard present > 0 else { return mask }
  let density = Double(present) / Double(mask.count)
  let share = min(max(1 - targetDensity / density * (1 - rate), 0), 1)
  let dropped = Int((share * Double(present)).rounded())
  return largest(present - dropped, of: weights, where: mask, are: 1)
}

/// What one task wants to grow: of the absent weights the ⌊(d − c) · N⌋ with the largest |∂L/∂w|,
/// c being the density after the drop.
///
/// - Parameters:
///   - gradients: of the task's loss with respect to one layer's weights, the absent ones at 0.
///   - mask: of the same layer, 1 = present.
///   - targetDensity: d, in 0...1.
/// - Returns: 1 for the weights to grow.
public func growth(_ gradients: [Float], mask: [UInt8], targetDensity: Double) -> [UInt8] {
  let present = keptCount(mask)
  // A density that was a count over N must not come out a hair below that count.
  let wanted = Int((targetDensity * Double(mask.count) - Double(present) + 1e-6).rounded(.down))
  let count = min(max(wanted, 0), mask.count - present)
  return largest(count, of: gradients, where: mask, are: 0)
}

/// Marks `count` of the weights whose mask is `kind`: those of the largest magnitude, the first among
/// equals.
private func largest(
  _ count: Int, of values: [Float], where mask: [UInt8], are kind: UInt8
) -> [UInt8] {
  // Magnitudes order like their bit patterns; what is not a number comes behind them, and what is
  // not of the kind last.
  let keys = [UInt32](unsafeUninitializedCapacity: values.count) { keys, initialized in
    values.withUnsafeBufferPointer { values in
      mask.withUnsafeBufferPointer { mask in
        nonisolated(unsafe) let (keys, values, mask) = (keys, values, mask)
        inParallel(values.indices) { range in
          for index in range {
            let key = Float.infinity.bitPattern &- values[index].magnitude.bitPattern
            keys.initializeElement(at: index, to: mask[index] == kind ? key : .max)
          }
        }
      }
    }
    initialized = values.count
  }
  return keys.withUnsafeBufferPointer { select(count, of: $0) }.mask
}

/// The masks of a network in dynamic training.
public struct DynamicMasks: Sendable {
  public let network: PrunableNetwork
  /// d, by layer in network order.
  public let targetDensities: [Double]
  /// By layer in network order, 1 = present.
  public private(set) var masks: [[UInt8]]

  /// - Parameters:
  ///   - masks: to start from, by layer in network order.
  ///   - targetDensities: by layer; nil for those of `masks`.
  public init(_ network: PrunableNetwork, masks: [[UInt8]], targetDensities: [Double]? = nil) {
    self.network = network
    self.masks = masks
    self.targetDensities =
      targetDensities ?? masks.map { Double(keptCount($0)) / Double($0.count) }
  }

  /// The weights that are present.
  public var kept: Int { masks.reduce(0) { $0 + keptCount($1) } }
  public var density: Double { Double(kept) / Double(network.count) }

  /// Drops in every layer.
  ///
  /// - Parameter weights: a layer's, by its place in the network.
  /// - Returns: the number of weights dropped.
  public mutating func drop(rate: Double, weights: (_ layer: Int) throws -> [Float]) rethrows -> Int
  {
    let before = kept
    for layer in masks.indices {
      masks[layer] = Sparsity.drop(
        try weights(layer), mask: masks[layer], targetDensity: targetDensities[layer], rate: rate)
    }
    return before - kept
  }

  /// What a task wants to grow in one layer.
  public func growth(inLayer layer: Int, gradients: [Float]) -> [UInt8] {
    Sparsity.growth(gradients, mask: masks[layer], targetDensity: targetDensities[layer])
  }

  /// Grows what the tasks want: shared weights as the arbiter says, a head's as its task does.
  ///
  /// - Parameters:
  ///   - wishes: per task by layer, nil where the task's network lacks the layer.
  ///   - votes: tasks that must want a shared weight.
  /// - Returns: the number of weights grown, and the tasks' agreement: over the backbone, the
  ///   weights that all want over those that any wants; NaN for a single task.
  public mutating func grow(_ wishes: [[[UInt8]?]], votes: Int) -> (grown: Int, agreement: Double) {
    let before = kept
    var (all, any) = (0, 0)
    for (index, layer) in network.layers.enumerated() {
      let wanted = wishes.compactMap { $0[index]?[...] }
      let isShared = layer.task == nil
      let grown = arbitrate(wanted, votes: isShared ? votes : 1)[...]
      // Absent weights only are wanted, so either has what the other lacks.
      masks[index] = arbitrate([masks[index][...], grown], votes: 1)
      if isShared, wishes.count > 1 {
        all += keptCount(arbitrate(wanted, votes: wishes.count))
        any += keptCount(arbitrate(wanted, votes: 1))
      }
    }
    return (kept - before, wishes.count > 1 ? Double(all) / Double(any) : .nan)
  }
}
