// Scalar maps: absolute error, and depth's metrics by hand.

import Foundation
import Tasks
import Testing
import Torch

@Suite struct RegressionTests {
  private let depth = Regression(
    TaskDescription(name: "depth", channels: 1, metrics: "depth"))
  private let edge = Regression(TaskDescription(name: "edge", channels: 1, metrics: "error"))

  @Test func theLossIsTheMeanAbsoluteErrorOfThePixelsThatCount() throws {
    let loss = try depth.loss(numbers([[1, -2, 100, 4]]), numberTarget([[2, 2, nil, 4]]))
    #expect(abs(try #require(loss).item() - 5.0 / 3) < 1e-6)
  }

  @Test func aBatchWithoutGroundTruthHasNoLoss() throws {
    #expect(try edge.loss(numbers([[1, 2]]), numberTarget([[nil, nil]])) == nil)
  }

  @Test func whatStandsInPixelsWithoutGroundTruthDoesNotMatter() throws {
    let valid = try Tensor([1, 0] as [Float], shape: [1, 1, 2])
    for hidden: Float in [0, 1e30, -7] {
      let target = Target(values: try numbers([[3, hidden]]), valid: valid)
      #expect(try #require(try edge.loss(numbers([[1, 1]]), target)).item() == 2)
      var metrics = edge.makeMetrics()
      try metrics.add(numbers([[1, 1]]), target)
      #expect(metrics.values.map(\.name) == ["error"] && metrics.value("error") == 2)
    }
  }

  @Test func errorIsAMeanOverBatchesWeightedByImages() throws {
    var metrics = edge.makeMetrics()
    #expect(metrics.value("error")?.isNaN == true)
    try metrics.add(numbers([[0, 0]]), numberTarget([[8, nil]]))
    try metrics.add(
      numbers([[0, 0], [0, 0], [0, 0]]), numberTarget([[4, 4], [4, 4], [4, 4]]))
    try metrics.add(numbers([[0, 0]]), numberTarget([[nil, nil]]))
    #expect(metrics.value("error") == 5)
  }

  @Test func depthHasTheMeasuresOfEigen() throws {
    let (p, g): ([Float], [Float]) = ([2, 1, 3, 4], [2, 2, 4, 1])
    var metrics = depth.makeMetrics()
    try metrics.add(numbers([p + [9]]), numberTarget([g + [nil]]))
    let pairs = zip(p, g).map { (Double($0), Double($1)) }
    func mean(_ measure: (Double, Double) -> Double) -> Double {
      pairs.reduce(0) { $0 + measure($1.0, $1.1) } / 4
    }
    let expected = [
      "absolute_error": mean { abs($0 - $1) },
      "relative_error": mean { abs($0 - $1) / $1 },
      "squared_relative_error": mean { pow($0 - $1, 2) / $1 },
      "rmse": mean { pow($0 - $1, 2) }.squareRoot(),
      "rmse_log10": mean { pow(log10($0) - log10($1), 2) }.squareRoot(),
      // Ratios 1, 2, 4/3, 4.
      "delta_1.25": 25, "delta_1.25^2": 50, "delta_1.25^3": 50,
    ]
    #expect(metrics.values.map(\.name).sorted() == expected.keys.sorted())
    for (name, value) in expected {
      #expect(abs(try #require(metrics.value(name)) - value) < 1e-9, "\(name)")
    }
  }

  @Test func aRatioOfExactlyTheThresholdIsOutside() throws {
    var metrics = depth.makeMetrics()
    try metrics.add(numbers([[5, 4]]), numberTarget([[4, 5]]))
    #expect(metrics.value("delta_1.25") == 0)
    #expect(metrics.value("delta_1.25^2") == 100)
  }

  @Test func predictionsNotAboveZeroAreOutsideEveryDelta() throws {
    var metrics = depth.makeMetrics()
    try metrics.add(numbers([[-2, 0, -0.0, 2]]), numberTarget([[2, 2, 2, 2]]))
    for name in ["delta_1.25", "delta_1.25^2", "delta_1.25^3"] {
      #expect(metrics.value(name) == 25)
    }
    #expect(metrics.value("rmse_log10") == 0)
    #expect(metrics.value("absolute_error") == 2)
  }

  @Test func depthWithoutGroundTruthIsNotCounted() throws {
    var metrics = depth.makeMetrics()
    try metrics.add(numbers([[1, 2]]), numberTarget([[nil, nil]]))
    #expect(metrics.values.count == 8 && metrics.values.allSatisfy { $0.value.isNaN })
    try metrics.add(numbers([[1, 2]]), numberTarget([[1, 2]]))
    let before = metrics.values
    try metrics.add(numbers([[1, 2]]), numberTarget([[nil, nil]]))
    #expect(metrics.values == before)
    #expect(metrics.value("rmse") == 0 && metrics.value("delta_1.25") == 100)
  }

  @Test func targetsAreOneChannel() throws {
    let target = try edge.target(
      Tensor([1, 2, 3, 4] as [Float], shape: [2, 1, 2, 1]),
      valid: Tensor([1, 1, 0, 1] as [Float], shape: [2, 1, 2]))
    #expect(target.values.shape == [2, 1, 1, 2])
    #expect(try target.values.array() as [Float] == [1, 2, 3, 4])
  }

  @Test func theBestConstantIsTheMedian() {
    var observations = edge.observe([9, 1, 7, 100], at: [0, 1, 3])
    observations.add(edge.observe([2, 3], at: [0, 1]))
    #expect(edge.constant(fittedTo: observations) == [3])
  }

  @Test func numbersAreColouredByTheirPlaceInTheTargetsRange() {
    let range = ValueRange(low: 2, high: 6)
    for (value, place): (Float, Float) in [(2, 0), (4, 0.5), (6, 1), (9, 1)] {
      #expect(edge.colour(of: [value], in: range) == ColourMap.viridis.colour(at: place))
    }
    let scales = edge.scales(range: range, largestError: 0.5) { "\($0) m" }
    #expect(scales.map(\.low) == ["2.0 m", "0.0 m"])
    #expect(scales.map(\.high) == ["6.0 m", "0.5 m or more"])
  }

  @Test func errorsAreAbsoluteDifferences() {
    let errors = edge.errors(of: [1, 5, 0], [2, 3, .nan])
    #expect(errors[0] == 1 && errors[1] == 2 && errors[2].isNaN)
  }

  @Test("The scale of errors ends at a round number that most pixels stay below")
  func errorScale() {
    for (value, rounded): (Float, Float) in [(0.7, 1), (1.2, 2), (2, 2), (34, 50), (0.06, 0.1)] {
      #expect(abs(edge.largestError(in: [[value]]) - rounded) < 1e-6)
    }
    let errors = [Float](repeating: 0.3, count: 99) + [1000]
    #expect(abs(edge.largestError(in: [errors, [.nan]]) - 0.5) < 1e-6)
    #expect(edge.largestError(in: [[0, 0]]) == 1 && edge.largestError(in: []) == 1)
  }
}
