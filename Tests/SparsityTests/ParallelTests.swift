// The same masks from one thread and from several, on inputs that are large enough to be split.

import Sparsity
import TestSupport
import Testing
import Torch

@Suite(.serialized) struct ParallelTests {
  /// Three tasks; sections lie across several pieces, and none is a multiple of 8 long.
  private static let network = PrunableNetwork(
    tasks: ["a", "b", "c"],
    layers: [
      PrunableLayer(name: "stem", shape: [33, 3, 7, 7], owners: [0, 1, 2]),
      PrunableLayer(name: "conv", shape: [211, 116, 3, 3], owners: [0, 1, 2]),
      PrunableLayer(name: "a and c", shape: [67, 341, 3, 3], owners: [0, 2]),
      PrunableLayer(name: "a", shape: [131, 212, 3, 3], owners: [0]),
      PrunableLayer(name: "b", shape: [1, 212, 1, 1], owners: [1]),
      PrunableLayer(name: "c", shape: [333, 211, 1, 3], owners: [2]),
    ])

  /// - Parameter ties: a few different scores, so that cuts fall into large ties.
  private static func scores(ties: Bool) -> [[Float]] {
    var random = SeededRandom(11)
    return network.tasks.indices.map { task in
      (0..<network.count(ofTask: task)).map { _ in
        ties ? Float(Int.random(in: 0..<5, using: &random)) : .random(in: 0..<1, using: &random)
      }
    }
  }

  /// What `body` gives on one thread is what it gives on two.
  private func compare<Result: Equatable>(_ body: () throws -> Result) throws {
    defer { try? Runtime.setThreads(2) }
    try Runtime.setThreads(1)
    let alone = try body()
    try Runtime.setThreads(2)
    #expect(try body() == alone)
  }

  private struct Masks: Equatable {
    let merged: [UInt8]
    let tasks: [[UInt8]]
    let keepRatio: Double

    init(_ masks: MergedMasks) {
      merged = masks.merged
      tasks = masks.tasks
      keepRatio = masks.keepRatio
    }
  }

  @Test(arguments: [false, true]) func theBestOfManyScores(_ ties: Bool) throws {
    let scores = Self.scores(ties: ties)[0]
    try compare { try selectTopK(scores, keepRatio: 0.3) }
    try compare { try criticalKeepRatios(of: scores) }
  }

  @Test(arguments: [Arbiter.union, .majority, .intersection], [Distribution.global, .erk])
  func masksAtSparsitiesAndKeepRatios(_ arbiter: Arbiter, _ distribution: Distribution) throws {
    for ties in [false, true] {
      let scores = Self.scores(ties: ties)
      for floor in [0, 0.05] {
        let settings = MergeSettings(
          arbiter: arbiter, distribution: distribution, minimumLayerDensity: floor)
        let targets: [KeepTarget] = [.sparsity(0.9), .sparsity(0.4), .keepRatio(0.2)]
        try compare {
          try merge(Self.network, settings, targets: targets) { $1 = scores[$0] }.map(Masks.init)
        }
      }
    }
  }

  @Test func masksOfAPattern() throws {
    let scores = Self.scores(ties: true)
    let pattern = try #require(GroupPattern("2:4"))
    try compare {
      Masks(try merge(Self.network, MergeSettings(), pattern: pattern) { $1 = scores[$0] })
    }
  }

  @Test func votesAndAgreement() throws {
    let scores = Self.scores(ties: false)
    let masks = try #require(
      try merge(Self.network, MergeSettings(), targets: [.sparsity(0.7)]) { $1 = scores[$0] }.first)
    // What all tasks own comes first.
    let shared = 0..<33 * 3 * 7 * 7 + 211 * 116 * 3 * 3
    for votes in 1...3 {
      try compare { arbitrate(masks.tasks.map { $0[shared] }, votes: votes) }
    }
    try compare {
      let agreement = Agreement(of: masks)
      return agreement.layers.map { "\($0.kept) \($0.taskDensities) \($0.iou)" }
        + ["\(agreement.totalIoU) \(agreement.taskShares)"]
    }
    // Against counting byte by byte; the layer of a and c follows in both their networks.
    let two = shared.upperBound..<shared.upperBound + 67 * 341 * 3 * 3
    let all =
      shared.count { weight in masks.tasks.allSatisfy { $0[weight] == 1 } }
      + two.count { masks.tasks[0][$0] == 1 && masks.tasks[2][$0] == 1 }
    let any =
      shared.count { weight in masks.tasks.contains { $0[weight] == 1 } }
      + two.count { masks.tasks[0][$0] == 1 || masks.tasks[2][$0] == 1 }
    #expect(Agreement(of: masks).totalIoU == Double(all) / Double(any))
    #expect(masks.kept == masks.merged.reduce(0) { $0 + Int($1) })
  }
}
