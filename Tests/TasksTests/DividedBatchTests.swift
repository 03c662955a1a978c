// Batches that several processes divide: losses and metrics of parts add up to those of the whole.

import Tasks
import TestSupport
import Testing
import Torch

@Suite struct DividedBatchTests {
  struct Case: Sendable, CustomStringConvertible {
    let description: String
    let task: any TaskKind

    static let all = [
      Case(
        description: "segmentation",
        task: Segmentation(
          TaskDescription(name: "seg", channels: 3, classWeights: [1, 0.25, 3]))),
      Case(description: "normals", task: Normals(TaskDescription(name: "sn", channels: 3))),
      Case(
        description: "depth",
        task: Regression(TaskDescription(name: "depth", channels: 1, metrics: "depth"))),
      Case(description: "edge", task: Regression(TaskDescription(name: "edge", channels: 1))),
    ]

    /// A prediction and the truth of an image, some of it missing.
    func image(_ random: inout SeededRandom, known: Double) throws -> (Tensor, Target) {
      let (size, channels) = (6, task.targetChannels)
      let prediction = try Tensor(
        random.floats(task.channels * size * size, in: 0.1..<2),
        shape: [1, task.channels, size, size])
      let values =
        task is Segmentation
        ? (0..<size * size).map { _ in Float(Int.random(in: 0..<3, using: &random)) }
        : random.floats(size * size * channels, in: 0.1..<2)
      let valid = (0..<size * size).map { _ in
        Double.random(in: 0..<1, using: &random) < known ? Float(1) : 0
      }
      let target = try task.target(
        Tensor(values, shape: [1, size, size, channels]),
        valid: Tensor(valid, shape: [1, size, size]))
      return (prediction, target)
    }
  }

  @Test("The shares of a loss add up to the loss", arguments: Case.all)
  func losses(_ some: Case) throws {
    var random = SeededRandom(3)
    let images = try [0.9, 0.3, 0].map { try some.image(&random, known: $0) }
    let whole = try some.task.loss(
      Tensor.concatenated(images.map(\.0), along: 0),
      Target(
        values: Tensor.concatenated(images.map(\.1.values), along: 0),
        valid: Tensor.concatenated(images.map(\.1.valid), along: 0)))
    let expected = try #require(whole).item()
    let weight = try images.map { try some.task.weight($0.1) }.reduce(0, +)
    let shares = try images.map { try some.task.loss($0.0, $0.1, weight: weight).item() }
    #expect(abs(shares.reduce(0, +) - expected) < 1e-6 * abs(expected))
    #expect(shares[2] == 0, "nothing is known of the last image")
  }

  @Test("Metrics of parts add up to those of all", arguments: Case.all)
  func metrics(_ some: Case) throws {
    var random = SeededRandom(4)
    let images = try [0.9, 0.5, 0, 0.7].map { try some.image(&random, known: $0) }
    var whole = some.task.makeMetrics()
    for (prediction, target) in images { try whole.add(prediction, target) }
    // The third process has nothing.
    var parts = [images[..<1], images[1...], []].map { _ in some.task.makeMetrics() }
    for (part, share) in [images[..<1], images[1...]].enumerated() {
      for (prediction, target) in share { try parts[part].add(prediction, target) }
    }
    // What the others give into each sum, one after the other.
    var given: [[[Double]]] = [[], []]
    for other in 1...2 {
      parts[other].sum {
        given[other - 1].append($0)
        return $0
      }
    }
    var number = 0
    parts[0].sum { mine in
      defer { number += 1 }
      return mine.indices.map { mine[$0] + given[0][number][$0] + given[1][number][$0] }
    }
    #expect(parts[0].confusion == whole.confusion)
    for (value, expected) in zip(parts[0].values, whole.values) {
      #expect(relativeDifference(value.value, expected.value) < 1e-12, "\(value.name)")
    }
  }
}
