// Adaptive thresholds, against their formulas.

import Foundation
import Sparsity
import TestSupport
import Testing
import Torch

@Suite struct AdaptiveThresholdTests {
  private func sigmoid(_ s: Double) -> Double { 1 / (1 + exp(-s)) }

  /// sign(w) · max(|w| − σ(s), 0).
  private func shrunk(_ w: Double, _ s: Double) -> Double {
    (w < 0 ? -1 : 1) * max(abs(w) - sigmoid(s), 0)
  }

  @Test(arguments: [-4.0, -1, 0.5])
  func weightsShrinkByTheThresholdWithItsGradients(_ s: Double) throws {
    var random = SeededRandom(3)
    let w = (0..<60).map { _ in Double.random(in: -1..<1, using: &random) }
    let factors = (0..<60).map { _ in Double.random(in: -1..<1, using: &random) }
    let (weights, scalar) = (try Tensor(w, shape: [3, 4, 5, 1]), try Tensor([s], shape: []))
    for tensor in [weights, scalar] { try tensor.requireGradient() }
    let result = try softThresholded(weights, by: scalar)
    for (a, b) in zip(try result.array(of: Double.self), w) {
      #expect(abs(a - shrunk(b, s)) < 1e-15)
    }

    let sum = try (result * Tensor(factors, shape: [3, 4, 5, 1])).sum()
    let gradients = try sum.gradients(of: [weights, scalar])
    // ∂L/∂w is that of w̃ where |w| > σ(s), and 0 elsewhere.
    let gradient: [Double] = try gradients[0]?.array() ?? []
    #expect(gradient.count == w.count)
    for ((a, w), factor) in zip(zip(gradient, w), factors) {
      #expect(a == (abs(w) > sigmoid(s) ? factor : 0))
    }
    func loss(_ s: Double) -> Double { zip(w, factors).reduce(0) { $0 + shrunk($1.0, s) * $1.1 } }
    let slope = (loss(s + 1e-6) - loss(s - 1e-6)) / 2e-6
    #expect(try abs((gradients[1]?.item() ?? .nan) - slope) < 1e-8)
  }

  @Test func aThresholdStartsWhereItPrunesAShare() {
    var random = SeededRandom(5)
    let weights = random.floats(1000, in: -0.3..<0.3)
    for share in [0.001, 0.1, 0.5, 0.999] {
      let threshold = sigmoid(startingThreshold(pruning: share, of: weights)) * (1 + 1e-12)
      let pruned = weights.count { Double(abs($0)) <= threshold }
      #expect(pruned == Int(share * 1000))
    }
    // Nothing, and next to nothing.
    #expect(startingThreshold(pruning: 0, of: weights) == -15)
    #expect(startingThreshold(pruning: 0.5, of: [0, 0, 0, 1]) == -15)
    #expect(startingThreshold(pruning: 0.5, of: []) == -15)
    // No threshold reaches 1.
    #expect(startingThreshold(pruning: 0.9, of: [2, 3, 4]).isFinite)
  }

  @Test func aTaskWeighsAsMuchAsItsLossChanges() {
    let losses: [[Double]] = [[9, 4, 2, 4], [9, 1, 1.25, 1], [9, 8, 8, 8]]
    let weights = taskWeights(losses.map { $0[...] }, window: 2)
    // |4 − 2| / 2 and |2 − 4| / 4; |1 − 1.25| / 1.25 and |1.25 − 1| / 1; nothing.
    let changes = [(1 + 0.5) / 2, (0.2 + 0.25) / 2, 0]
    let sum = changes.reduce(0, +)
    for (weight, change) in zip(weights, changes) {
      #expect(abs(weight - 3 * change / sum) < 1e-12)
    }
    // Of fewer steps than the window, those that there are.
    let first = taskWeights([[2, 1], [1, 2]], window: 100)
    #expect(abs(first[0] - 2 * 1 / 1.5) < 1e-12 && abs(first[1] - 2 * 0.5 / 1.5) < 1e-12)
  }

  @Test func whatTellsNothingWeighsAsTheOthers() {
    #expect(taskWeights([[], []], window: 3) == [1, 1])
    #expect(taskWeights([[1], [2]], window: 3) == [1, 1])
    #expect(taskWeights([[1, 1], [2, 2]], window: 3) == [1, 1])
    // A loss of 0 is one without ground truth.
    #expect(taskWeights([[0, 5, 0], [2, 1, 2]], window: 3) == [1, 1])
    let weights = taskWeights([[0, 0], [2, 1], [1, 2]], window: 3)
    #expect(weights[0] == 1 && abs(weights.reduce(0, +) - 3) < 1e-12)
  }

  @Test(arguments: 0..<40)
  func aProjectionKeepsTheLargestMargins(_ seed: UInt64) throws {
    let network = try RandomNetwork(seed: seed, tasks: 3, ties: false).network
    var random = SeededRandom(seed)
    // Few different weights, so that many margins are equal.
    let layers = network.layers.map { layer in
      (
        weights: (0..<layer.count).map { _ in Float(Int.random(in: -4...4, using: &random)) / 8 },
        threshold: Float(Int.random(in: 0...4, using: &random)) / 8
      )
    }
    let margins = layers.flatMap { layer in layer.weights.map { abs($0) - layer.threshold } }
    let best = margins.indices.sorted { (margins[$1], $0) < (margins[$0], $1) }
    for sparsity in [0, 0.3, 0.77, 0.99] {
      let kept = network.count - Int((sparsity * Double(network.count)).rounded())
      var expected = [UInt8](repeating: 0, count: network.count)
      for weight in best.prefix(kept) { expected[weight] = 1 }
      #expect(project(network, toSparsity: sparsity) { layers[$0] } == expected)
    }
  }

  @Test func componentsAreTheWeightsWithTheSameOwners() {
    let owners = [[0, 1, 2], [0], [1, 2], [0, 1, 2], [2], [0, 1], [1], [0]]
    let network = PrunableNetwork(
      tasks: ["a", "b", "c"],
      layers: owners.enumerated().map {
        PrunableLayer(name: "\($0)", shape: [1, 1], owners: $1)
      })
    let components = network.components
    #expect(components.map(\.layers) == [[0, 3], [5], [2], [1, 7], [6], [4]])
    #expect(
      components.map(network.name(of:)) == ["all tasks", "a, b", "b, c", "a", "b", "c"])
    let alone = PrunableNetwork(
      tasks: ["a"], layers: [PrunableLayer(name: "0", shape: [1], owners: [0])])
    #expect(alone.components.map(alone.name(of:)) == ["a"])
  }
}
