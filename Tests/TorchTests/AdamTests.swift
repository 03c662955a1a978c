// Adam: against its formula in Double.

import Foundation
import TestSupport
import Testing
import Torch

/// Adam with the L2 term added to the gradient (Kingma & Ba 2015), one weight at a time.
private struct DoubleAdam {
  var weights: [Double]
  var first: [Double]
  var second: [Double]
  var step = 0

  init(_ weights: [Float]) {
    self.weights = weights.map(Double.init)
    first = weights.map { _ in 0 }
    second = first
  }

  mutating func step(_ gradients: [Float], rate: Double, decay: Double) {
    step += 1
    for i in weights.indices {
      let g = Double(gradients[i]) + decay * weights[i]
      first[i] = 0.9 * first[i] + 0.1 * g
      second[i] = 0.999 * second[i] + 0.001 * g * g
      let m = first[i] / (1 - pow(0.9, Double(step)))
      let v = second[i] / (1 - pow(0.999, Double(step)))
      weights[i] -= rate * m / (v.squareRoot() + 1e-8)
    }
  }
}

@Suite struct AdamTests {
  private func expectAgreement(
    _ parameters: [(tensor: Tensor, values: [Float])], decay: Double,
    _ layout: (Tensor) throws -> Tensor
  ) throws {
    let optimizer = try Adam(parameters.map(\.tensor), weightDecay: decay)
    var expected = parameters.map { DoubleAdam($0.values) }
    for step in 0..<8 {
      let rate = step < 4 ? 0.01 : 0.005
      let gradients = try parameters.enumerated().map {
        try randomTensor($1.tensor.shape, seed: UInt64(100 * step + $0))
      }
      try optimizer.step(gradients.map { try layout($0.tensor) }, learningRate: rate)
      for i in parameters.indices {
        expected[i].step(gradients[i].values, rate: rate, decay: decay)
        let weights: [Float] = try parameters[i].tensor.array()
        #expect(largestDifference(weights, expected[i].weights) < 2e-6)
      }
    }
    for i in parameters.indices {
      #expect(try largestDifference(optimizer.firstMoments[i].array(), expected[i].first) < 1e-6)
      #expect(try largestDifference(optimizer.secondMoments[i].array(), expected[i].second) < 1e-6)
      #expect(try optimizer.steps[i].item() == 8)
    }
  }

  @Test(arguments: [0, 5e-4, 0.1]) func itFollowsTheFormula(decay: Double) throws {
    try expectAgreement(
      [try randomTensor([5], seed: 1), try randomTensor([3, 4], seed: 2)], decay: decay
    ) { $0 }
  }

  @Test func itFollowsTheFormulaWhateverTheMemoryFormat() throws {
    let (tensor, values) = try randomTensor([4, 3, 5, 7], seed: 1)
    try expectAgreement([(try tensor.channelsLast(), values)], decay: 0.01) { $0 }
    let (other, otherValues) = try randomTensor([4, 3, 5, 7], seed: 2)
    try expectAgreement([(other, otherValues)], decay: 0.01) { try $0.channelsLast() }
    let (last, lastValues) = try randomTensor([4, 3, 5, 7], seed: 3)
    try expectAgreement([(try last.channelsLast(), lastValues)], decay: 0.01) {
      try $0.channelsLast()
    }
  }

  @Test func aParameterThatIsDifferentiatedCanBeStepped() throws {
    let weight = try Tensor.full(1, shape: [3])
    try weight.requireGradient()
    let optimizer = try Adam([weight], weightDecay: 0)
    let gradient = try #require(try (weight * weight).sum().gradients(of: [weight])[0])
    try optimizer.step([gradient], learningRate: 0.1)
    #expect(try largestDifference(weight.array(), [0.9, 0.9, 0.9]) < 1e-6)
  }

  @Test func aZeroWeightWithoutGradientStaysExactlyZero() throws {
    var (_, values) = try randomTensor([6, 2, 3, 3], seed: 1)
    let masked = values.indices.filter { $0 % 3 == 0 }
    for i in masked { values[i] = 0 }
    let weight = try Tensor(values, shape: [6, 2, 3, 3]).channelsLast()
    let optimizer = try Adam([weight], weightDecay: 5e-4)
    for step in 0..<10 {
      var (_, gradient) = try randomTensor([6, 2, 3, 3], seed: UInt64(step + 2))
      for i in masked { gradient[i] = 0 }
      try optimizer.step([Tensor(gradient, shape: [6, 2, 3, 3])], learningRate: 0.1)
    }
    let result: [Float] = try weight.array()
    #expect(masked.allSatisfy { result[$0].bitPattern == 0 })
    #expect(result.indices.allSatisfy { $0 % 3 == 0 || result[$0] != values[$0] })
  }

  @Test func gradientsThatDoNotFitAreAnError() throws {
    let weight = try Tensor.full(1, shape: [2, 3])
    let optimizer = try Adam([weight], weightDecay: 0)
    #expect(
      expectTorchError { try optimizer.step([], learningRate: 1) }
        == "0 gradients for 1 parameters")
    for shape in [[3], [6], [4, 3], [1, 3]] {
      let gradient = try Tensor.full(1, shape: shape)
      _ = expectTorchError { try optimizer.step([gradient], learningRate: 1) }
    }
    #expect(try weight.array() == [Float](repeating: 1, count: 6))
    #expect(try optimizer.steps[0].item() == 0)
  }
}
