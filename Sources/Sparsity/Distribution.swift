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
