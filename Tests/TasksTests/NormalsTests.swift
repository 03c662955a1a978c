// Surface normals: the cosine loss, and angles.

import Foundation
import Tasks
import Testing
import Torch

@Suite struct NormalsTests {
  private let task = Normals(TaskDescription(name: "sn", channels: 3))

  private func loss(_ prediction: [[Float]], _ target: [[Float]?]) throws -> Double? {
    try task.loss(directions(prediction), directionTarget(target))?.item()
  }

  /// A direction so many degrees from z.
  private func tilted(_ degrees: Double, length: Double = 1) -> [Float] {
    let angle = degrees * .pi / 180
    return [Float(length * sin(angle)), 0, Float(length * cos(angle))]
  }

  @Test func theLossIsZeroForEqualDirectionsOfAnyLength() throws {
    let loss = try #require(try loss([[0, 0, 9], [0.1, 0.1, 0]], [[0, 0, 0.5], [2, 2, 0]]))
    #expect(abs(loss) < 1e-6)
  }

  @Test func theLossIsOneMinusTheMeanCosine() throws {
    #expect(try loss([[0, 0, 1]], [[0, 0, -1]]) == 2)
    let half = try #require(
      try loss([[0, 0, 1], [1, 0, 0], [5, 5, 5]], [[0, 0, 1], [0, 1, 0], nil]))
    #expect(abs(half - 0.5) < 1e-6)
  }

  @Test func aBatchWithoutGroundTruthHasNoLossAndNoMetrics() throws {
    #expect(try loss([[0, 0, 1], [1, 0, 0]], [nil, nil]) == nil)
    var metrics = task.makeMetrics()
    try metrics.add(directions([[0, 0, 1]]), directionTarget([nil]))
    #expect(metrics.values.count == 6 && metrics.values.allSatisfy { $0.value.isNaN })
  }

  @Test func aPredictionOfNoDirectionHasAFiniteLoss() throws {
    #expect(try loss([[0, 0, 0]], [[0, 0, 1]]) == 1)
  }

  @Test func anglesAreMeasuredInDegrees() throws {
    var metrics = task.makeMetrics()
    let angles = [10, 20, 25, 40, 100.0]
    try metrics.add(
      directions(angles.map { tilted($0, length: 3) } + [[1, 0, 0]]),
      directionTarget(angles.map { _ in [0, 0, 2] } + [nil]))
    let expected = [
      "angle_mean": 39, "angle_median": 25, "within_11.25": 20, "within_22.5": 40, "within_30": 60,
      "within_45": 80.0,
    ]
    #expect(metrics.values.map(\.name).sorted() == expected.keys.sorted())
    for (name, value) in expected {
      #expect(abs(try #require(metrics.value(name)) - value) < 1e-3, "\(name)")
    }
  }

  @Test func theMedianOfAnEvenCountLiesBetweenTheMiddleTwo() throws {
    var metrics = task.makeMetrics()
    for angle in [80, 10, 30, 50.0] {
      try metrics.add(directions([tilted(angle)]), directionTarget([[0, 0, 1]]))
    }
    #expect(abs(try #require(metrics.value("angle_median")) - 40) < 1e-3)
  }

  @Test func roundingBeyondACosineOfOneIsNoNaN() throws {
    var metrics = task.makeMetrics()
    let pixels: [[Float]] = (1...50).map { [Float($0), 1 / Float($0), 0.3 * Float($0)] }
    try metrics.add(directions(pixels), directionTarget(pixels.map { $0.map { -$0 } }))
    try metrics.add(directions(pixels), directionTarget(pixels))
    #expect(abs(try #require(metrics.value("angle_mean")) - 90) < 0.1)
  }

  @Test func targetsHaveTheirComponentsInChannels() throws {
    let valid = try Tensor([1, 1] as [Float], shape: [1, 1, 2])
    let target = try task.target(
      Tensor([1, 2, 3, 4, 5, 6] as [Float], shape: [1, 1, 2, 3]), valid: valid)
    #expect(target.values.shape == [1, 3, 1, 2])
    #expect(try target.values.array() as [Float] == [1, 4, 2, 5, 3, 6])
  }

  @Test("The best constant is the sum of unit vectors; a vector of no length does not count")
  func constant() {
    var observations = task.observe([0, 0, 5, 9, 9, 9, 0, 0, 0], at: [0, 2])
    observations.add(task.observe([3, 0, 4], at: [0]))
    let constant = task.constant(fittedTo: observations)
    #expect(zip(constant, [0.6, 0, 1.8]).allSatisfy { Swift.abs(Double($0) - $1) < 1e-6 })
  }

  @Test func aDecodedPredictionIsUnitVectorsPixelByPixel() throws {
    let decoded = try task.decoded(directions([[0, 0, 7], [3, 0, 4]]))
    let expected: [Float] = [0, 0, 1, 0.6, 0, 0.8]
    #expect(zip(decoded, expected).allSatisfy { Swift.abs($0 - $1) < 1e-6 })
    #expect(decoded.count == 6)
  }

  @Test func normalsAreColouredByTheirComponents() {
    let range = ValueRange(low: 0, high: 1)
    #expect(task.colour(of: [0, 0, 1], in: range) == Colour(127, 127, 255))
    #expect(task.colour(of: [-1, 1, -1], in: range) == Colour(0, 255, 0))
  }

  @Test func errorsAreAnglesOfWhichLargeOnesLookAlike() {
    let angles = task.errors(of: [0, 0, 1, 1, 0, 0, 0, 0, 1], [0, 0, 2, 0, 1, 0, 0, 0, 0])
    #expect(angles[0] == 0 && Swift.abs(angles[1] - 90) < 1e-4 && angles[2].isNaN)
    #expect(task.largestError(in: []) == 60)
    let scales = task.scales(range: ValueRange(low: 0, high: 1), largestError: 60) { "\($0)" }
    #expect(scales.map(\.high) == ["60° or more"])
  }
}
