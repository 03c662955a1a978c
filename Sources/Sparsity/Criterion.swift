// Criteria: how much a weight matters to one task (paper, section 3). Each is a file in Criteria/.

import Torch

/// What a weight's score is, for a task with loss L over a number of batches. Scores are at least 0.
public struct Criterion: RawRepresentable, CaseIterable, Hashable, Sendable {
  /// All there are: a new one is listed here.
  public static let allCases: [Criterion] = [.static, .taylor, .magnitude, .random]

  /// Its name to users and in files.
  public let rawValue: String
  fileprivate let source: ScoreSource

  init(_ name: String, _ source: ScoreSource) {
    rawValue = name
    self.source = source
  }

  public init?(rawValue: String) {
    guard let criterion = Self.allCases.first(where: { $0.rawValue == rawValue }) else {
      return nil
    }
    self = criterion
  }

  /// Whether scores need batches of data.
  public var needsGradients: Bool {
    if case .gradients = source { true } else { false }
  }

  public static func == (a: Criterion, b: Criterion) -> Bool { a.rawValue == b.rawValue }
  public func hash(into hasher: inout Hasher) { hasher.combine(rawValue) }
}

extension Criterion: CustomStringConvertible {
  public var description: String { rawValue }
}

/// What a criterion makes its scores of, tensor by tensor.
enum ScoreSource: Sendable {
  /// Gradients of batches: `add` adds each to a sum that starts at 0, and `finish` makes scores of it.
  case gradients(
    add: @Sendable (_ gradient: Tensor, _ weight: Tensor, _ sum: Tensor) throws -> Void,
    finish: @Sendable (_ sum: Tensor, _ weight: Tensor) throws -> Tensor)
  /// The weights as they are.
  case weights(@Sendable (_ weight: Tensor) throws -> Tensor)
  /// A stream of random numbers.
  case chance(@Sendable (_ shape: [Int], RandomStream) throws -> Tensor)
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
    guard case .gradients(let add, _) = criterion.source else { return }
    for ((weight, sum), gradient) in zip(zip(weights, sums), gradients) {
      if let gradient { try add(gradient, weight, sum) }
    }
  }

  /// Takes in what other processes added.
  ///
  /// - Parameter processes: gives the sums of tensors over all processes.
  public func sum(over processes: ([Tensor]) throws -> [Tensor]) throws {
    for (sum, all) in zip(sums, try processes(sums)) { try sum.assign(all) }
  }

  /// One tensor per weight tensor, of its shape; at least 0, not normalised.
  ///
  /// - Parameter streams: of the random scores, one per weight tensor.
  public func scores(streams: [RandomStream]) throws -> [Tensor] {
    switch criterion.source {
    case .gradients(_, let finish): try zip(sums, weights).map(finish)
    case .weights(let score): try weights.map(score)
    case .chance(let draw): try zip(weights, streams).map { try draw($0.shape, $1) }
    }
  }
}
