// Criteria: scores from weights and gradients.

import Sparsity
import Testing
import Torch

@Suite struct CriterionTests {
  private func tensor(_ values: [Float]) throws -> Tensor {
    try Tensor(values, shape: [values.count, 1])
  }

  @Test func connectionSensitivityIsTheSumOverBatchesOfWeightTimesGradient() throws {
    let weights = [try tensor([2, -3]), try tensor([0, 1, -1])]
    let scores = try ImportanceScores(.static, weights: weights)
    try scores.add(gradients: [tensor([1, 1]), tensor([5, -2, 0])])
    try scores.add(gradients: [tensor([-1, 0.5]), tensor([7, 3, 1])])
    let result = try scores.scores(streams: [])
    #expect(result.map(\.shape) == [[2, 1], [3, 1]])
    #expect(try result[0].array(of: Float.self) == [4, 4.5])
    #expect(try result[1].array(of: Float.self) == [0, 5, 1])
    #expect(try weights[0].array(of: Float.self) == [2, -3])
  }

  @Test func aLossThatDoesNotReachAWeightAddsNothing() throws {
    let scores = try ImportanceScores(.static, weights: [tensor([2]), tensor([3])])
    try scores.add(gradients: [nil, tensor([1])])
    #expect(try scores.scores(streams: [])[0].array(of: Float.self) == [0])
    #expect(try scores.scores(streams: [])[1].array(of: Float.self) == [3])
  }

  @Test func everyMemoryFormatGivesTheSameScores() throws {
    let values = (0..<24).map(Float.init)
    let weight = try Tensor(values, shape: [2, 3, 2, 2])
    let scores = try ImportanceScores(.static, weights: [weight.channelsLast()])
    try scores.add(gradients: [Tensor(values, shape: [2, 3, 2, 2])])
    #expect(try scores.scores(streams: [])[0].array() == values.map { $0 * $0 })
  }

  @Test func weightsThatAreDifferentiatedCanBeScored() throws {
    let weight = try tensor([2, -4])
    try weight.requireGradient()
    let scores = try ImportanceScores(.static, weights: [weight])
    let gradients = try (weight * weight).sum().gradients(of: [weight])
    try scores.add(gradients: gradients)
    #expect(try scores.scores(streams: [])[0].array(of: Float.self) == [8, 32])
  }

  @Test func theTaylorScoreIsTheSumOfGradientsTimesTheSquaredWeight() throws {
    let scores = try ImportanceScores(.taylor, weights: [tensor([2, -3])])
    try scores.add(gradients: [tensor([1, -1])])
    try scores.add(gradients: [tensor([-3, 2])])
    #expect(try scores.scores(streams: [])[0].array(of: Float.self) == [16, 27])
  }

  @Test func theMagnitudeNeedsNoGradients() throws {
    let scores = try ImportanceScores(.magnitude, weights: [tensor([2, -3])])
    #expect(try scores.scores(streams: [])[0].array(of: Float.self) == [2, 3])
    #expect(!Criterion.magnitude.needsGradients && Criterion.taylor.needsGradients)
  }

  @Test func criteriaHaveNames() {
    #expect(Criterion.allCases.map(\.rawValue) == ["static", "taylor", "magnitude", "random"])
    for criterion in Criterion.allCases {
      #expect(Criterion(rawValue: criterion.rawValue) == criterion)
    }
    #expect(Criterion(rawValue: "luck") == nil)
  }

  @Test func randomScoresFollowTheirSeedsAlone() throws {
    func draw(_ weights: [Float], _ seed: UInt64) throws -> [Float] {
      try ImportanceScores(.random, weights: [tensor(weights)]).scores(
        streams: [RandomStream(seed: seed, .randomScores)])[0].array()
    }
    let first = try draw([1, 2, 3], 7)
    #expect(try draw([4, 5, 6], 7) == first)
    #expect(try draw([1, 2, 3], 8) != first)
    #expect(first.allSatisfy { (0..<1).contains($0) })
  }
}
