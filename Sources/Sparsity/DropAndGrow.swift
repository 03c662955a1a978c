// Dropping and growing: masks lose the smallest of their weights and gain those with the largest
// gradients, at a steady density (paper, section 3.4; RigL, Evci et al. 2020).

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
  let count = countAfterDrop(mask, targetDensity: targetDensity, rate: rate)
  return weights.withUnsafeBufferPointer { largest(count, of: $0, where: mask, are: 1) { $0 } }
}

private func countAfterDrop(_ mask: [UInt8], targetDensity: Double, rate: Double) -> Int {
  let present = keptCount(mask)
  guard present > 0 else { return 0 }
  let density = Double(present) / Double(mask.count)
  let share = min(max(1 - targetDensity / density * (1 - rate), 0), 1)
  return present - Int((share * Double(present)).rounded())
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
  let count = growthCount(mask, targetDensity: targetDensity)
  return gradients.withUnsafeBufferPointer { largest(count, of: $0, where: mask, are: 0) { $0 } }
}

private func growthCount(_ mask: [UInt8], targetDensity: Double) -> Int {
  let present = keptCount(mask)
  // A density that was a count over N must not come out a hair below that count.
  let wanted = Int((targetDensity * Double(mask.count) - Double(present) + 1e-6).rounded(.down))
  return min(max(wanted, 0), mask.count - present)
}

/// How the weights of a layer follow each other.
public enum WeightOrder: Sendable {
  case rowMajor
  /// Out×k×k×in, as convolutions have them in memory. Among equals the row-major order counts still.
  case channelsLast
}

extension PrunableLayer {
  /// Where a weight lies in row-major order.
  fileprivate func rowMajor(_ place: Int, _ order: WeightOrder) -> Int {
    guard order == .channelsLast, shape.count == 4 else { return place }
    let (inputs, kernel) = (shape[1], shape[2] * shape[3])
    let (row, input) = place.quotientAndRemainder(dividingBy: inputs)
    let (output, tap) = row.quotientAndRemainder(dividingBy: kernel)
    return (output * inputs + input) * kernel + tap
  }

  /// A row-major mask in another order.
  public func mask(_ mask: [UInt8], to order: WeightOrder) -> [UInt8] {
    order == .rowMajor ? mask : mask.indices.map { mask[rowMajor($0, order)] }
  }

  /// A mask of another order in row-major order.
  public func mask(_ mask: [UInt8], from order: WeightOrder) -> [UInt8] {
    guard order != .rowMajor else { return mask }
    var values = mask
    for place in mask.indices { values[rowMajor(place, order)] = mask[place] }
    return values
  }
}

/// The masks of a network in dynamic training.
public struct DynamicMasks: Sendable {
  public let network: PrunableNetwork
  /// d, by layer in network order.
  public let targetDensities: [Double]
  /// How masks, weights and gradients have a layer's weights.
  public let order: WeightOrder
  /// By layer in network order, 1 = present.
  public private(set) var masks: [[UInt8]]
  /// How many tasks want to grow each weight, up to 255.
  private var votes: [[UInt8]]

  /// - Parameters:
  ///   - masks: to start from, by layer in network order.
  ///   - targetDensities: by layer; nil for those of `masks`.
  public init(
    _ network: PrunableNetwork, masks: [[UInt8]], targetDensities: [Double]? = nil,
    order: WeightOrder = .rowMajor
  ) {
    self.network = network
    self.masks = masks
    self.order = order
    self.targetDensities =
      targetDensities ?? masks.map { Double(keptCount($0)) / Double($0.count) }
    votes = masks.map { [UInt8](repeating: 0, count: $0.count) }
  }

  /// The weights that are present.
  public var kept: Int { masks.reduce(0) { $0 + keptCount($1) } }
  public var density: Double { Double(kept) / Double(network.count) }

  /// Drops in every layer.
  ///
  /// - Parameter withWeights: calls what it is given with the weights of a layer, by its place in the
  ///   network.
  /// - Returns: the number of weights dropped.
  public mutating func drop(
    rate: Double,
    withWeights: (_ layer: Int, _ body: (UnsafeBufferPointer<Float>) -> Void) throws -> Void
  ) rethrows -> Int {
    let before = kept
    for (index, layer) in network.layers.enumerated() {
      let mask = masks[index]
      let count = countAfterDrop(mask, targetDensity: targetDensities[index], rate: rate)
      try withWeights(index) { weights in
        masks[index] = largest(count, of: weights, where: mask, are: 1) {
          layer.rowMajor($0, order)
        }
      }
    }
    return before - kept
  }

  /// Enters what a task wants to grow in one layer of its network.
  public mutating func vote(inLayer index: Int, gradients: UnsafeBufferPointer<Float>) {
    let (layer, order) = (network.layers[index], order)
    let count = growthCount(masks[index], targetDensity: targetDensities[index])
    votes[index].withUnsafeMutableBufferPointer { votes in
      nonisolated(unsafe) let votes = votes
      masks[index].withUnsafeBufferPointer {
        forLargest(count, of: gradients, where: $0, are: 0, rank: { layer.rowMajor($0, order) }) {
          votes[$0] = max(votes[$0], votes[$0] &+ 1)
        }
      }
    }
  }

  /// Grows what the tasks voted for, as the arbiter decides.
  ///
  /// - Returns: the number of weights grown, and the tasks' agreement: among shared weights, those
  ///   that all owners want over those that any wants; NaN where none is wanted.
  public mutating func grow(_ arbiter: Arbiter) -> (grown: Int, agreement: Double) {
    var (grown, all, any) = (0, 0, 0)
    for (index, layer) in network.layers.enumerated() {
      let owners = layer.owners.count
      let required = arbiter.requiredVotes(ofOwners: owners)
      let counts = masks[index].withUnsafeMutableBufferPointer { mask in
        votes[index].withUnsafeMutableBufferPointer { votes in
          nonisolated(unsafe) let (mask, votes) = (mask, votes)
          return inParallel(mask.indices) { range -> (grown: Int, all: Int, any: Int) in
            var counts = (grown: 0, all: 0, any: 0)
            for weight in range where votes[weight] > 0 {
              // Absent weights only are wanted.
              if votes[weight] >= required {
                mask[weight] = 1
                counts.grown += 1
              }
              counts.all += votes[weight] == owners ? 1 : 0
              counts.any += 1
              votes[weight] = 0
            }
            return counts
          }
        }
      }
      for count in counts {
        grown += count.grown
        all += layer.isShared ? count.all : 0
        any += layer.isShared ? count.any : 0
      }
    }
    return (grown, Double(all) / Double(any))
  }
}
