// Surface normals: the cosine loss, and angles.

import Foundation
import Tasks
import Testing
import Torch

@Suite struct NormalsTests {
  private let task = Normals(name: "sn")

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
}
