// Criteria: how much a weight matters to one task (method: paper, section 3).

import Torch

/// What a weight's score is, for a task with loss L over a number of batches.
public enum Criterion: String, Sendable, CaseIterable {
  /// Connection sensitivity before training: Σ |w · ∂L/∂w| (SNIP, Lee et al. 2019).
  case `static`
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
    sums = try self.weights.map(Tensor.zeros(like:))
  }

  /// Adds a batch's gradients, in the weights' order; nil where the loss does not reach a weight.
  public func add(gradients: [Tensor?]) throws {
    for ((weight, sum), gradient) in zip(zip(weights, sums), gradients) {
      guard let gradient else { continue }
      switch criterion {
      case .static: try sum.add((weight * gradient).abs())
      }
    }
  }

  /// One tensor per weight tensor, of its shape; at least 0, not normalised.
  public func scores() throws -> [Tensor] {
    switch criterion {
    case .static: sums
    }
  }
}
