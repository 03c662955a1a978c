// Segmentation: cross-entropy, and the metrics of hand-made predictions.

import Foundation
import Tasks
import Testing
import Torch

@Suite struct SegmentationTests {
  private let task = Segmentation(TaskDescription(name: "seg", channels: 3))

  private func weighted(_ weights: [Float]) -> Segmentation {
    Segmentation(TaskDescription(name: "seg", channels: 3, classWeights: weights))
  }

  @Test func theLossIsTheMeanCrossEntropyOfThePixelsThatCount() throws {
    let logits = try Tensor([1, 0, 2, 0, 3, 0, 0, 0, 0] as [Float], shape: [1, 1, 3, 3])
      .permuted([0, 3, 1, 2])
    let loss = try #require(try task.loss(logits, classTarget([[2, 1, nil]])))
    let first = log(exp(1.0) + exp(0.0) + exp(2.0)) - 2
    let second = log(exp(0.0) + exp(3.0) + exp(0.0)) - 3
    #expect(abs(try loss.item() - (first + second) / 2) < 1e-6)
  }

  @Test func classWeightsWeighThePixels() throws {
    let task = weighted([1, 3, 0])
    let logits = try choices([[0, 0, 0]], channels: 3)
    let loss = try #require(try task.loss(logits, classTarget([[0, 1, 2]])))
    let right = log(exp(5.0) + 2) - 5
    let wrong = log(exp(5.0) + 2)
    #expect(abs(try loss.item() - (right + 3 * wrong) / 4) < 1e-5)
  }

  @Test func theTargetIsTakenAtThePredictionsResolution() throws {
    // ⌊i · 5 / 2⌋: pixels 0 and 2.
    let target = try classTarget([[1, 0, 2, 0, 0]])
    let right = try #require(try task.loss(choices([[1, 2]], channels: 3), target)).item()
    #expect(abs(right - (log(exp(5.0) + 2) - 5)) < 1e-6)
    #expect(
      try task.loss(choices([[1, 2]], channels: 3), classTarget([[nil, 0, nil, 0, 0]])) == nil)
  }

  @Test func aBatchWithoutGroundTruthHasNoLoss() throws {
    let nothing = try classTarget([[nil, nil], [nil, nil]])
    #expect(try task.loss(choices([[0, 1], [2, 0]], channels: 3), nothing) == nil)
  }

  @Test func aBatchWhoseClassesAllWeighNothingHasNoLoss() throws {
    let task = weighted([1, 0, 0])
    let logits = try choices([[0, 1]], channels: 3)
    #expect(try task.loss(logits, classTarget([[1, 2]])) == nil)
    var metrics = task.makeMetrics()
    try metrics.add(logits, classTarget([[1, 2]]))
    try metrics.add(logits, classTarget([[0, 0]]))
    let (right, wrong) = (log(exp(5.0) + 2) - 5, log(exp(5.0) + 2))
    #expect(abs(try #require(metrics.value("error")) - (right + wrong) / 2) < 1e-5)
  }

  @Test func channelsThatDoNotFitAreAnError() throws {
    #expect(throws: TorchError.self) {
      try task.loss(choices([[0]], channels: 2), classTarget([[0]]))
    }
  }

  @Test func intersectionOverUnionIsCountedByHand() throws {
    // truth 0 0 0 1 1 2, predicted 0 0 1 1 0 0: class 0 has 2 of 5, class 1 has 1 of 3, class 2
    // none of 1. The unlabelled pixel does not count.
    var metrics = task.makeMetrics()
    try metrics.add(
      choices([[0, 0, 1, 1, 0, 0, 2]], channels: 3), classTarget([[0, 0, 0, 1, 1, 2, nil]]))
    let miou = try #require(metrics.value("miou"))
    let published = try #require(metrics.value("miou_published"))
    #expect(abs(miou - (2.0 / 5 + 1.0 / 3 + 0) / 3) < 1e-12)
    #expect(abs(published - (2.0 / 5 + 1.0 / 3) / 2) < 1e-12)
    #expect(metrics.value("pixel_accuracy") == 0.5)
    #expect(metrics.confusion == [2, 1, 0, 1, 1, 0, 1, 0, 0])
  }

  @Test func aClassThatIsOnlyPredictedCountsInNeitherMean() throws {
    var metrics = task.makeMetrics()
    try metrics.add(choices([[0, 2]], channels: 3), classTarget([[0, 0]]))
    #expect(metrics.value("miou") == 0.5)
    #expect(metrics.value("miou_published") == 0.5)
  }

  @Test func batchesAddUpAndAccuracyIsWeightedByImages() throws {
    var metrics = task.makeMetrics()
    try metrics.add(choices([[0, 0]], channels: 3), classTarget([[0, nil]]))
    try metrics.add(
      choices([[0, 0], [0, 0], [0, 0]], channels: 3), classTarget([[1, 1], [1, 1], [nil, nil]]))
    #expect(metrics.confusion == [1, 0, 0, 4, 0, 0, 0, 0, 0])
    #expect(metrics.value("pixel_accuracy") == 0.25)
  }

  @Test func batchesWithoutGroundTruthAreNotCounted() throws {
    var metrics = task.makeMetrics()
    #expect(metrics.values.allSatisfy { $0.value.isNaN })
    try metrics.add(choices([[0, 1]], channels: 3), classTarget([[nil, nil]]))
    #expect(metrics.values.allSatisfy { $0.value.isNaN })
    #expect(metrics.confusion == [Int64](repeating: 0, count: 9))
    try metrics.add(choices([[0, 1]], channels: 3), classTarget([[0, 1]]))
    let before = metrics.values
    try metrics.add(choices([[0, 1]], channels: 3), classTarget([[nil, nil]]))
    #expect(metrics.values == before)
    #expect(metrics.value("pixel_accuracy") == 1 && metrics.value("miou") == 1)
  }

  @Test("Pixels without ground truth have the ignored class")
  func targets() throws {
    let target = try task.target(
      Tensor([2, 0, 1, 0] as [Float], shape: [1, 2, 2, 1]),
      valid: Tensor([1, 0, 1, 1] as [Float], shape: [1, 2, 2]))
    #expect(target.values.shape == [1, 2, 2] && target.values.dtype == .int64)
    #expect(try target.values.array() as [Int64] == [2, Int64(Segmentation.ignored), 1, 0])
    #expect(try target.valid.array() as [Float] == [1, 0, 1, 1])
  }

  @Test("The best constant has the softmax of the classes' frequencies, and so the smallest loss")
  func constant() throws {
    var observations = task.observe([0, 1, 1, 2], at: [0, 1, 2])
    observations.add(task.observe([1, 1, 0, 0], at: [0, 1]))
    let logits = task.constant(fittedTo: observations)
    // One, four and no pixels, with one more of each.
    #expect(logits == [2.0, 5, 1].map { Float(log($0)) })
  }

  @Test func thePredictedClassIsThatOfTheLargestLogit() throws {
    #expect(try task.decoded(choices([[2, 0], [1, 1]], channels: 3)) == [2, 0, 1, 1])
  }

  @Test func aWrongClassIsAnErrorOfOne() {
    let errors = task.errors(of: [1, 2, 0], [1, 0, .nan])
    #expect(errors[0] == 0 && errors[1] == 1 && errors[2].isNaN)
    #expect(task.largestError(in: [errors]) == 1)
  }

  @Test func aPixelHasTheColourOfItsClassAndAClassItsNameOrNumber() {
    let task = Segmentation(
      TaskDescription(name: "seg", channels: 3, classNames: ["wall", "floor"]))
    #expect(task.classes.map(\.name) == ["wall", "floor", "class 2"])
    let range = ValueRange(low: 0, high: 2)
    for (index, shown) in task.classes.enumerated() {
      #expect(task.colour(of: [Float(index)], in: range) == shown.colour)
    }
  }
}
