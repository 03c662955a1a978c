// Adaptive thresholds: every component of the network learns how large a weight must be to count
// (AdapMTL, Xiang et al. 2024, arXiv 2408.03913); with an exact end, which the paper lacks.

import Foundation
import Torch

/// What the network multiplies with: w̃ = sign(w) · max(|w| − σ(s), 0) (AdapMTL's component-wise soft
/// thresholds, each a soft threshold reparameterization of Kusupati et al. 2020).
///
/// ∂w̃/∂w is 1 where |w| > σ(s) and 0 elsewhere; ∂w̃/∂s is −σ′(s) · sign(w) there.
///
/// - Parameters:
///   - weights: w, of any shape.
///   - s: a scalar.
public func softThresholded(_ weights: Tensor, by s: Tensor) throws -> Tensor {
  let threshold = try s.sigmoid()
  // At most one of the two is not 0.
  return try (weights - threshold).rectified() - (weights * -1 - threshold).rectified()
}

/// The s at which a threshold σ(s) prunes so large a share of some weights, the smallest; the paper
/// takes one s for all, and leaves it to the user.
///
/// - Parameters:
///   - share: in 0...1.
///   - weights: w, of one component.
/// - Returns: at least −15, the published start, at which a threshold prunes next to nothing.
public func startingThreshold(pruning share: Double, of weights: [Float]) -> Double {
  let least = -15.0
  let count = Int(share * Double(weights.count))
  guard count > 0 else { return least }
  let magnitude = weights.map(\.magnitude.bitPattern).withUnsafeBufferPointer {
    Double(Float(bitPattern: smallest(count, of: $0)))
  }
  // σ stays below 1.
  let threshold = min(magnitude, 1 - 1e-6)
  return max(log(threshold / (1 - threshold)), least)
}

/// How fast each task's loss changes, as factors of the losses (AdapMTL's adaptive weighting): the mean of
/// |L(before) − L(now)| / L(now) over the last steps, scaled so that the factors sum to the number of
/// tasks.
///
/// - Parameters:
///   - losses: by task and step, at least 0. A step whose loss is 0, as without ground truth, tells
///     nothing.
///   - window: how many of the last steps count.
/// - Returns: 1 for all as long as no loss has changed. A task of which nothing is known has the
///   mean of the others.
public func taskWeights(_ losses: [ArraySlice<Double>], window: Int) -> [Double] {
  let rates = losses.map { losses -> Double? in
    let recent = losses.suffix(window + 1)
    let changes = zip(recent, recent.dropFirst()).filter { $0 > 0 && $1 > 0 }.map {
      abs($0 - $1) / $1
    }
    return changes.isEmpty ? nil : changes.reduce(0, +) / Double(changes.count)
  }
  let known = rates.compactMap { $0 }
  let mean = known.reduce(0, +) / Double(known.count)
  guard mean > 0, mean.isFinite else { return losses.map { _ in 1 } }
  return rates.map { ($0 ?? mean) / mean }
}

/// The masks that put an end to thresholds: those weights stay whose |w| − σ(s) is largest, among
/// equals the first, exactly as many as the sparsity leaves.
///
/// - Parameters:
///   - sparsity: of the whole network, in [0, 1).
///   - layer: the weights of the layer at a place in the network, row-major, and their σ(s).
/// - Returns: in network order, 1 = kept.
public func project(
  _ network: PrunableNetwork, toSparsity sparsity: Double,
  _ layer: (Int) throws -> (weights: [Float], threshold: Float)
) rethrows -> [UInt8] {
  var keys: [UInt32] = []
  keys.reserveCapacity(network.count)
  for index in network.layers.indices {
    let (weights, threshold) = try layer(index)
    for weight in weights { keys.append(descendingKey(weight.magnitude - threshold)) }
  }
  let count = network.keptCount(atSparsity: sparsity)
  return keys.withUnsafeBufferPointer { select(count, of: $0).mask }
}

/// A number that is the smaller, the larger `value` is.
private func descendingKey(_ value: Float) -> UInt32 {
  // Of positive numbers the bits order like the values, of negative ones the other way round.
  let bits = (value + 0).bitPattern
  return bits >> 31 == 0 ? 0x7FFF_FFFF - bits : bits
}
