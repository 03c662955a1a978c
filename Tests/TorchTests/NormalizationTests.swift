// Normalisation: against the formulas in Double.

import Foundation
import TestSupport
import Testing
import Torch

@Suite struct BatchNormTests {
  @Test func trainingUsesTheBatchAndMovesTheRunningStatistics() throws {
    let (images, x) = try randomTensor([3, 2, 4, 5])
    let mean = try Tensor([1, -1] as [Float], shape: [2])
    let variance = try Tensor([2, 4] as [Float], shape: [2])
    let weight = try Tensor([1.5, 0.5] as [Float], shape: [2])
    let bias = try Tensor([0.25, -3] as [Float], shape: [2])
    let result: [Float] = try images.batchNormalized(
      weight: weight, bias: bias, runningMean: mean, runningVariance: variance, training: true
    ).array()
    let places = indices(of: [3, 2, 4, 5])
    var expected = [Double](repeating: 0, count: x.count)
    var (means, variances): ([Double], [Double]) = ([], [])
    for (c, (w, b)) in [(1.5, 0.25), (0.5, -3.0)].enumerated() {
      let members = places.indices.filter { places[$0][1] == c }
      let m = members.reduce(0) { $0 + Double(x[$1]) } / 60
      let squares = members.reduce(0) { $0 + pow(Double(x[$1]) - m, 2) }
      let deviation = (squares / 60 + 1e-5).squareRoot()
      for i in members { expected[i] = (Double(x[i]) - m) / deviation * w + b }
      means.append(0.9 * (c == 0 ? 1 : -1) + 0.1 * m)
      variances.append(0.9 * (c == 0 ? 2 : 4) + 0.1 * squares / 59)
    }
    #expect(largestDifference(result, expected) < 1e-5)
    #expect(try largestDifference(mean.array(of: Float.self), means) < 1e-6)
    #expect(try largestDifference(variance.array(of: Float.self), variances) < 1e-6)
  }

  @Test func evaluationUsesTheRunningStatisticsAndLeavesThem() throws {
    let (images, x) = try randomTensor([1, 2, 2, 2])
    let mean = try Tensor([0.5, -1] as [Float], shape: [2])
    let variance = try Tensor([4, 9] as [Float], shape: [2])
    let one = try Tensor.full(1, shape: [2])
    let zero = try Tensor.full(0, shape: [2])
    let result: [Float] = try images.batchNormalized(
      weight: one, bias: zero, runningMean: mean, runningVariance: variance, training: false
    ).array()
    let expected = x.enumerated().map { i, x in i < 4 ? (x - 0.5) / 2 : (x + 1) / 3 }
    #expect(largestDifference(result, expected) < 1e-5)
    #expect(try mean.array(of: Float.self) == [0.5, -1])
    #expect(try variance.array(of: Float.self) == [4, 9])
  }

  @Test func itsGradientsGoThroughTheBatchsStatistics() throws {
    let inputs = [
      Values(random: [3, 2, 2, 3], seed: 1), Values(random: [2], seed: 2),
      Values(random: [2], seed: 3),
    ]
    for training in [true, false] {
      try expectAgreement(inputs) {
        try $0[0].batchNormalized(
          weight: $0[1], bias: $0[2], runningMean: Tensor.full(0.5, shape: [2], dtype: $0[0].dtype),
          runningVariance: Tensor.full(2, shape: [2], dtype: $0[0].dtype), training: training,
          momentum: 0.3, epsilon: 1e-3)
      } with: { inputs in
        let x = inputs[0]
        return Values(x.shape) { i in
          let channel = indices(of: x.shape).filter { $0[1] == i[1] }.map { x[$0] }
          let (mean, variance) = training ? moments(channel) : (0.5, 2)
          return (x[i] - mean) / (variance + 1e-3).squareRoot() * inputs[1][[i[1]]]
            + inputs[2][[i[1]]]
        }
      }
    }
  }

  @Test func theMomentumIsTheBatchsShare() throws {
    let mean = try Tensor.full(0, shape: [1])
    let variance = try Tensor.full(1, shape: [1])
    _ = try Tensor([1, 3] as [Float], shape: [2, 1]).batchNormalized(
      weight: nil, bias: nil, runningMean: mean, runningVariance: variance, training: true,
      momentum: 0.25)
    #expect(try mean.item() == 0.5)
    #expect(try variance.item() == 0.75 + 0.25 * 2)
  }

  @Test func aSingleValuePerChannelIsAnErrorInTraining() throws {
    let two = try Tensor.full(1, shape: [2])
    let image = try Tensor.full(3, shape: [1, 2, 1, 1])
    func normalized(training: Bool) throws -> Tensor {
      try image.batchNormalized(
        weight: two, bias: two, runningMean: two, runningVariance: two, training: training)
    }
    #expect(expectTorchError { _ = try normalized(training: true) }.contains("more than one value"))
    #expect(try two.array(of: Float.self) == [1, 1])
    #expect(try largestDifference(normalized(training: false).array(), [3, 3] as [Float]) < 1e-4)
  }

  @Test func statisticsThatDoNotFitAreAnError() throws {
    let image = try Tensor.full(1, shape: [2, 3, 2, 2])
    for shape in [[2], [], [3, 1, 1]] {
      let wrong = try Tensor.full(1, shape: shape)
      let right = try Tensor.full(1, shape: [3])
      for index in 0..<4 {
        let tensors = (0..<4).map { $0 == index ? wrong : right }
        guard index >= 2 || shape != [3, 1, 1] else { continue }
        _ = expectTorchError {
          _ = try image.batchNormalized(
            weight: tensors[0], bias: tensors[1], runningMean: tensors[2],
            runningVariance: tensors[3], training: true)
        }
      }
    }
  }
}

@Suite struct GroupNormTests {
  @Test(arguments: [1, 2, 4]) func itIsTheFormulaOfEachGroup(groups: Int) throws {
    let inputs = [
      Values(random: [2, 4, 2, 3], seed: 1), Values(random: [4], seed: 2),
      Values(random: [4], seed: 3),
    ]
    func formula(_ inputs: [Values], affine: Bool) -> Values {
      let x = inputs[0]
      func group(_ i: [Int]) -> Int { i[0] * groups + i[1] / (4 / groups) }
      let all = Dictionary(grouping: indices(of: x.shape), by: group)
        .mapValues { $0.map { x[$0] } }.mapValues(moments)
      return Values(x.shape) { i in
        let (mean, variance) = all[group(i)] ?? (.nan, .nan)
        let normal = (x[i] - mean) / (variance + 1e-3).squareRoot()
        return affine ? normal * inputs[1][[i[1]]] + inputs[2][[i[1]]] : normal
      }
    }
    try expectAgreement(inputs) {
      try $0[0].groupNormalized(groups: groups, weight: $0[1], bias: $0[2], epsilon: 1e-3)
    } with: {
      formula($0, affine: true)
    }
    try expectAgreement([inputs[0]]) {
      try $0[0].groupNormalized(groups: groups, weight: nil, bias: nil, epsilon: 1e-3)
    } with: {
      formula($0, affine: false)
    }
  }

  @Test(arguments: strangeNumbers + [3, 5]) func groupsThatDoNotFitAreAnError(groups: Int) throws {
    let image = try Tensor.full(1, shape: [2, 4, 2, 2])
    _ = expectTorchError { _ = try image.groupNormalized(groups: groups, weight: nil, bias: nil) }
  }
}

/// The mean and the biased variance.
private func moments(_ values: [Double]) -> (mean: Double, variance: Double) {
  let mean = values.reduce(0, +) / Double(values.count)
  return (mean, values.reduce(0) { $0 + pow($1 - mean, 2) } / Double(values.count))
}

@Suite struct VectorNormTests {
  @Test func normalizedVectorsHaveLengthOneAndZeroStaysZero() throws {
    let tensor = try Tensor([3, 0, 4, 0, 0, 0] as [Float], shape: [1, 3, 1, 2])
    let result = try tensor.normalized(along: 1)
    #expect(try largestDifference(result.array(of: Float.self), [0.6, 0, 0.8, 0, 0, 0]) < 1e-7)
  }

  @Test func itsGradientsAreThoseOfTheQuotient() throws {
    try expectAgreement([Values(random: [2, 3, 2, 2], seed: 1)]) {
      try $0[0].normalized(along: 1)
    } with: { inputs in
      Values(inputs[0].shape) { i in
        let squares = (0..<3).reduce(0) { $0 + pow(inputs[0][[i[0], $1, i[2], i[3]]], 2) }
        return inputs[0][i] / squares.squareRoot()
      }
    }
  }

  @Test(arguments: [4, -5, Int.max, Int.min]) func aMissingDimensionIsAnError(dimension: Int) throws
  {
    let tensor = try Tensor.full(1, shape: [2, 3, 2, 2])
    _ = expectTorchError { _ = try tensor.normalized(along: dimension) }
    _ = expectTorchError { _ = try tensor.softmax(along: dimension) }
    _ = expectTorchError { _ = try tensor.sum(over: dimension) }
    _ = expectTorchError { _ = try tensor.mean(over: [dimension]) }
    _ = expectTorchError { _ = try tensor.argmax(over: dimension) }
    _ = expectTorchError { _ = try tensor.selecting([0], along: dimension) }
    _ = expectTorchError { _ = try tensor.flattened(from: dimension) }
    _ = expectTorchError { _ = try tensor.sliced(along: dimension, from: 0, to: 1) }
    _ = expectTorchError { _ = try Tensor.concatenated([tensor, tensor], along: dimension) }
  }
}
