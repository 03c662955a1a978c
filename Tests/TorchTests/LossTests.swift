// Losses: against their formulas in Double.

import Foundation
import TestSupport
import Testing
import Torch

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
