// Layers and losses: against plain loops in Double.

import Foundation
import TestSupport
import Testing
import Torch

@Suite struct ConvolutionTests {
  /// The sum that a convolution is, without any cleverness.
  private func convolve(
    _ x: [Float], _ shape: [Int], _ w: [Float], _ kernel: [Int], bias: [Float], stride: Int,
    padding: Int, dilation: Int
  ) -> (values: [Double], shape: [Int]) {
    func length(_ n: Int) -> Int { (n + 2 * padding - dilation * (kernel[2] - 1) - 1) / stride + 1 }
    let result = [shape[0], kernel[0], length(shape[2]), length(shape[3])]
    let values = indices(of: result).map { i in
      indices(of: Array(kernel.dropFirst())).reduce(Double(bias[i[1]])) { sum, k in
        let y = i[2] * stride - padding + k[1] * dilation
        let x0 = i[3] * stride - padding + k[2] * dilation
        guard (0..<shape[2]).contains(y), (0..<shape[3]).contains(x0) else { return sum }
        let weight = w[offset([i[1]] + k, in: kernel)]
        return sum + Double(x[offset([i[0], k[0], y, x0], in: shape)]) * Double(weight)
      }
    }
    return (values, result)
  }

  @Test(arguments: [(1, 0, 1), (2, 3, 1), (1, 2, 2), (1, 6, 6), (3, 1, 2)])
  func convolutionIsTheSumItStandsFor(stride: Int, padding: Int, dilation: Int) throws {
    let (shape, kernel) = ([2, 3, 9, 7], [4, 3, 3, 3])
    let (image, x) = try randomTensor(shape, seed: 1)
    let (weight, w) = try randomTensor(kernel, seed: 2)
    let (bias, b) = try randomTensor([4], seed: 3)
    let expected = convolve(
      x, shape, w, kernel, bias: b, stride: stride, padding: padding, dilation: dilation)
    let layouts = [(image, weight), (try image.channelsLast(), try weight.channelsLast())]
    for (image, weight) in layouts {
      let result = try image.convolved(
        weight, bias: bias, stride: Pair(stride), padding: Pair(padding), dilation: Pair(dilation))
      #expect(result.shape == expected.shape)
      #expect(try largestDifference(result.array(), expected.values) < 1e-5)
    }
  }

  @Test func channelsThatDoNotFitAreAnError() throws {
    let image = try Tensor.full(1, shape: [1, 3, 8, 8])
    let weight = try Tensor.full(1, shape: [4, 2, 3, 3])
    let text = expectTorchError { _ = try image.convolved(weight) }
    #expect(text.contains("channels"))
  }
}

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
}

@Suite struct PointwiseTests {
  @Test func rectifyingCutsBelowZero() throws {
    let tensor = try Tensor([-2, -0.0, 0, 3] as [Float], shape: [4])
    #expect(try tensor.rectified().array(of: Float.self) == [0, 0, 0, 3])
  }

  @Test func poolingInCeilModeKeepsTheLastColumn() throws {
    let row = try Tensor([5, 1, 2, 9] as [Float], shape: [1, 1, 1, 4])
    let ceiled = try row.maxPooled(kernel: 3, stride: 2, padding: 1, ceilMode: true)
    #expect(ceiled.shape == [1, 1, 1, 3])
    #expect(try ceiled.array(of: Float.self) == [5, 9, 9])
    let floored = try row.maxPooled(kernel: 3, stride: 2, padding: 1, ceilMode: false)
    #expect(try floored.array(of: Float.self) == [5, 9])
  }

  @Test func normalizedVectorsHaveLengthOneAndZeroStaysZero() throws {
    let tensor = try Tensor([3, 0, 4, 0, 0, 0] as [Float], shape: [1, 3, 1, 2])
    let result = try tensor.normalized(along: 1)
    #expect(try largestDifference(result.array(of: Float.self), [0.6, 0, 0.8, 0, 0, 0]) < 1e-7)
  }

  @Test func dropoutDropsItsShareAndScalesTheRest() throws {
    let ones = try Tensor.full(1, shape: [100, 100])
    let result: [Float] = try ones.droppedOut(0.2, using: streams(3)).array()
    #expect(Set(result) == [0, 1.25])
    #expect((1800...2200).contains(result.count { $0 == 0 }))
    #expect(try ones.droppedOut(0.2, using: streams(3)).array() == result)
    #expect(try ones.droppedOut(0.2, using: streams(4)).array() != result)
    #expect(try ones.droppedOut(0, using: streams(3)) === ones)
    let both = streams(3)
    _ = try ones.droppedOut(0.2, using: both)
    #expect(try ones.droppedOut(0.2, using: both).array() != result, "a layer as the one before it")
  }

  private func streams(_ seed: UInt64) -> DropoutStreams {
    DropoutStreams(RandomStream(seed: seed, .dropoutInTraining))
  }

  @Test func dropoutFollowsThePlaceAndNotTheMemory() throws {
    // Large enough to be split between threads, in the middle of an image too.
    let rows = try Tensor.full(1, shape: [3, 40, 31, 29])
    let expected: [Float] = try rows.droppedOut(0.3, using: streams(5)).array()
    #expect(try rows.channelsLast().droppedOut(0.3, using: streams(5)).array() == expected)
    let strange = try Tensor.full(1, shape: [3, 31, 29, 40]).permuted([0, 3, 2, 1])
    let turned = try Tensor.full(1, shape: [3, 40, 29, 31])
    #expect(
      try strange.droppedOut(0.3, using: streams(5)).array(of: Float.self)
        == turned.droppedOut(0.3, using: streams(5)).array())
    let half: [Float] = try rows.to(.bfloat16).droppedOut(0.3, using: streams(5)).to(.float32)
      .array()
    #expect(half.map { $0 > 0 } == expected.map { $0 > 0 })
    try withThreads(1) { () throws -> Void in
      #expect(try rows.droppedOut(0.3, using: streams(5)).array() == expected)
      #expect(try rows.channelsLast().droppedOut(0.3, using: streams(5)).array() == expected)
    }
  }
}

@Suite struct ResizingTests {
  @Test(arguments: [(65, 9), (9, 65), (7, 3), (3, 7), (5, 5), (1, 4), (4, 1), (321, 41), (49, 7)])
  func nearestTakesTheFloorOfTheScaledIndex(from: Int, to: Int) throws {
    let other = 3
    let rows = try Tensor((0..<from * other).map { Int64($0) }, shape: [1, from, other])
    #expect(
      try rows.resizedNearest(height: to, width: other).array(of: Int64.self)
        == (0..<to).flatMap { i in (0..<other).map { Int64(i * from / to * other + $0) } })
    let columns = try Tensor((0..<from * other).map(Float.init), shape: [1, 1, other, from])
    let resized = try columns.resizedNearest(height: other, width: to)
    #expect(resized.shape == [1, 1, other, to])
    #expect(
      try resized.array(of: Float.self)
        == (0..<other).flatMap { row in (0..<to).map { Float(row * from + $0 * from / to) } })
  }

  @Test func nearestWorksOnEveryImageAndChannelAlike() throws {
    let shape = [2, 3, 5, 4]
    let (tensor, values) = try randomTensor(shape)
    let expected = indices(of: [2, 3, 8, 3]).map {
      values[offset([$0[0], $0[1], $0[2] * 5 / 8, $0[3] * 4 / 3], in: shape)]
    }
    #expect(try tensor.resizedNearest(height: 8, width: 3).array() == expected)
    #expect(try tensor.channelsLast().resizedNearest(height: 8, width: 3).array() == expected)
  }

  @Test func nearestOfAVectorIsAnError() throws {
    let vector = try Tensor.full(1, shape: [3])
    _ = expectTorchError { _ = try vector.resizedNearest(height: 1, width: 1) }
  }

  @Test func bilinearPutsPixelCentresAtHalfIntegers() throws {
    let pair = try Tensor([0, 8] as [Float], shape: [1, 1, 1, 2])
    #expect(try pair.resized(to: Pair(1, 4)).array(of: Float.self) == [0, 2, 6, 8])
    let four = try Tensor([0, 2, 6, 8] as [Float], shape: [1, 1, 1, 4])
    #expect(try four.resized(to: 2).array(of: Float.self) == [1, 7, 1, 7])
  }
}

@Suite struct CrossEntropyTests {
  /// −log softmax of the true class, per pixel of N×C×H×W logits.
  private func losses(
    _ logits: [Float], _ classes: [Int64], channels: Int, pixels: Int
  ) -> [Double] {
    classes.enumerated().map { index, truth in
      let (image, pixel) = index.quotientAndRemainder(dividingBy: pixels)
      let scores = (0..<channels).map { Double(logits[(image * channels + $0) * pixels + pixel]) }
      return log(scores.reduce(0) { $0 + exp($1) }) - scores[Int(truth)]
    }
  }

  private let classes: [Int64] = [0, 2, 1, 1, 2, 0, 0, 2, 1, 2, 2, 0]

  @Test func itIsTheMeanOverThePixels() throws {
    let (logits, values) = try randomTensor([2, 3, 2, 3])
    let truth = try Tensor(classes, shape: [2, 2, 3])
    let expected = losses(values, classes, channels: 3, pixels: 6).reduce(0, +)
    #expect(abs(try logits.crossEntropy(truth, ignore: -1).item() - expected / 12) < 1e-6)
    let sum = try logits.crossEntropy(truth, ignore: -1, reduction: .sum).item()
    #expect(abs(sum - expected) < 1e-5)
  }

  @Test func ignoredPixelsDoNotCount() throws {
    let (logits, values) = try randomTensor([2, 3, 2, 3])
    let all = losses(values, classes, channels: 3, pixels: 6)
    let ignored = [1, 4, 11]
    let kept = all.indices.filter { !ignored.contains($0) }
    let truth = classes.indices.map { ignored.contains($0) ? -1 : classes[$0] }
    let expected = kept.reduce(0) { $0 + all[$1] } / 9
    let result = try logits.crossEntropy(Tensor(truth, shape: [2, 2, 3]), ignore: -1).item()
    #expect(abs(result - expected) < 1e-6)
  }

  @Test func classWeightsMakeAWeightedMean() throws {
    let (logits, values) = try randomTensor([2, 3, 2, 3])
    let weights: [Float] = [0.5, 2, 0]
    let all = losses(values, classes, channels: 3, pixels: 6)
    let counting = zip(all, classes).map { $0 * Double(weights[Int($1)]) }.reduce(0, +)
    let total = classes.reduce(0) { $0 + Double(weights[Int($1)]) }
    let result = try logits.crossEntropy(
      Tensor(classes, shape: [2, 2, 3]), ignore: -1, classWeights: Tensor(weights, shape: [3]))
    #expect(abs(try result.item() - counting / total) < 1e-6)
  }

  @Test func aClassThatDoesNotExistIsAnError() throws {
    let logits = try Tensor.full(0, shape: [1, 3, 1, 1])
    let truth = try Tensor([3] as [Int64], shape: [1, 1, 1])
    _ = expectTorchError { _ = try logits.crossEntropy(truth, ignore: -1) }
  }
}
