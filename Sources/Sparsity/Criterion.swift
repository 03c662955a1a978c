// Criteria: how much a weight matters to one task (method: paper, section 3).

import Torch

/// What a weight's score is, for a task with loss L over a number of batches.
public enum Criterion: String, Sendable, CaseIterable {
  /// Connection sensitivity before training: Σ |w · ∂L/∂w| (SNIP, Lee et al. 2019).
  case `static`
  /// First-order Taylor expansion of a trained model: (Σ |∂L/∂w|) · w² (after Molchanov et al. 2019).
  case taylor
  /// |w| of a trained model (Han et al. 2015).
  case magnitude
  /// Uniform in [0, 1): the baseline that asks nobody.
  case random

  /// Whether scores need batches of data.
  public var needsGradients: Bool {
    switch self {
    case .static, .taylor: true
    case .magnitude, .random: false
    }
  }
}

/// Scores of one task's weights, summed over batches.
public struct ImportanceScores {
  public let criterion: Criterion
  private let weights: [Tensor]
  private let sums: [Tensor]

  /// - Parameter weights: the task's network, layer by layer.
  public init(_ criterion: Criterion, weights: [Tensor]) throws {
    self.criterion = criterion
    self.weights = try weights.map { try $0.detached() }
    sums = criterion.needsGradients ? try self.weights.map(Tensor.zeros(like:)) : []
  }

  /// Adds a batch's gradients, in the weights' order; nil where the loss does not reach a weight.
  public func add(gradients: [Tensor?]) throws {
    for ((weight, sum), gradient) in zip(zip(weights, sums), gradients) {
      guard let gradient else { continue }
      switch criterion {
      case .static: try sum.addAbsoluteProduct(weight, gradient)
      case .taylor: try sum.add(gradient.abs())
      case .magnitude, .random: break
      }
    }
  }

  /// One tensor per weight tensor, of its shape; at least 0, not normalised.
  ///
  /// - Parameter streams: of the random scores, one per weight tensor.
  public func scores(streams: [RandomStream]) throws -> [Tensor] {
    switch criterion {
    case .static: sums
    case .taylor: try zip(weights, sums).map { try $1 * ($0 * $0) }
    case .magnitude: try weights.map { try $0.abs() }
    case .random:
      try zip(weights, streams).map { try Tensor.uniform(0, 1, shape: $0.shape, stream: $1) }
    }
  }
}
