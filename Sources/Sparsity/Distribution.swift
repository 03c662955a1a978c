// Distributions: how the weights that stay spread over the layers.

import Foundation

/// How a keep ratio of the whole network becomes a density per layer.
public enum Distribution: String, Sendable, CaseIterable {
  /// One ranking over all layers: the scores decide.
  case global
  /// Every layer the same density.
  case uniform
  /// Erdős–Rényi kernel: small layers denser (Mocanu et al. 2018, Evci et al. 2020).
  case erk
}

/// The densities of an Erdős–Rényi kernel: density of layer l ∝ (Σ dims / Π dims)^0.9, scaled by ε so
/// that the whole network has the density asked for; a layer that would exceed 1 becomes dense, and
/// ε is solved again for the others.
///
/// - Parameters:
///   - density: of the whole network, in 0...1.
///   - shapes: of the weights, out×in×k×k.
/// - Returns: a density in 0...1 per layer.
public func erdosRenyiKernel(density: Double, shapes: [[Int]]) -> [Double] {
  let kernel = ErdosRenyiKernel(shapes: shapes)
  let epsilon = kernel.epsilon(atDensity: density)
  return kernel.densities(atEpsilon: epsilon)
}

/// Whole numbers that sum to `total`, each a quota rounded down or up: up those with the largest
/// remainders, the first among equals (Hamilton's method).
///
/// - Parameters:
///   - quotas: at least 0, with a sum of about `total`.
///   - sizes: what no number may exceed.
func apportioned(_ quotas: [Double], of sizes: [Int], total: Int) -> [Int] {
  var counts = zip(quotas, sizes).map { min(Int($0), $1) }
  func remainder(_ index: Int) -> Double { quotas[index] - Double(counts[index]) }
  let order = counts.indices.sorted { (remainder($1), $0) < (remainder($0), $1) }
  // Quotas are sums of rounded products, so that they may even exceed the total by a hair.
  var missing = total - counts.reduce(0, +)
  for index in order where missing > 0 && counts[index] < sizes[index] {
    counts[index] += 1
    missing -= 1
  }
  for index in order.reversed() where missing < 0 && counts[index] > 0 {
    counts[index] -= 1
    missing += 1
  }
  return counts
}

/// The kernel as a monotone function between ε and the network's density.
struct ErdosRenyiKernel {
  private let raw: [Double]
  private let counts: [Double]
  private let total: Double
  /// Layers in the order in which they become dense as ε grows, each with the sums over the layers
  /// that are still sparse when it does.
  private let steps: [(epsilon: Double, dense: Double, slope: Double)]

  private static let power = 0.9

  init(shapes: [[Int]]) {
    let counts = shapes.map { Double($0.reduce(1, *)) }
    let raw = zip(shapes, counts).map { shape, count in
      pow(Double(shape.reduce(0, +)) / count, Self.power)
    }
    self.counts = counts
    self.raw = raw
    total = counts.reduce(0, +)
    // Below `epsilon`, the density is (dense + slope · ε) / total.
    var dense = 0.0
    var slope = zip(raw, counts).reduce(0) { $0 + $1.0 * $1.1 }
    var steps: [(epsilon: Double, dense: Double, slope: Double)] = []
    for layer in raw.indices.sorted(by: { raw[$0] > raw[$1] }) {
      steps.append((1 / raw[layer], dense, slope))
      dense += counts[layer]
      slope -= raw[layer] * counts[layer]
    }
    self.steps = steps
  }

  /// The share of all weights that stay at this ε.
  func density(atEpsilon epsilon: Double) -> Double {
    guard let step = steps.first(where: { epsilon <= $0.epsilon }) else { return 1 }
    return (step.dense + step.slope * epsilon) / total
  }

  /// The inverse of ``density(atEpsilon:)``.
  func epsilon(atDensity density: Double) -> Double {
    for step in steps {
      let epsilon = (density * total - step.dense) / step.slope
      if epsilon <= step.epsilon { return epsilon }
    }
    return steps.last?.epsilon ?? 0
  }

  func densities(atEpsilon epsilon: Double) -> [Double] { raw.map { min(1, epsilon * $0) } }

  /// The ε at which a layer reaches a density.
  func epsilon(ofLayer layer: Int, density: Double) -> Double { density / raw[layer] }
}
