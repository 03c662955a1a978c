// Merging: exact, nested, and the same as letting the tasks vote.

import Sparsity
import TestSupport
import Testing

@Suite struct MergingTests {
  private static let sparsities = [0, 0.013, 0.1, 0.25, 0.5, 0.7, 0.9, 0.95, 0.99]

  @Test func theSparsityIsMetToTheWeight() throws {
    for example in try RandomNetwork.many(16) {
      let count = example.network.count
      for arbiter in example.arbiters {
        for sparsity in Self.sparsities {
          let masks = try example.merged(arbiter, .sparsity(sparsity))
          let pruned = Int((sparsity * Double(count)).rounded())
          #expect(masks.merged.count == count && masks.kept == count - pruned)
          #expect(abs(masks.sparsity - Double(pruned) / Double(count)) < 1e-12)
        }
      }
    }
  }

  @Test func aSparserMaskLiesInsideADenserOne() throws {
    for example in try RandomNetwork.many(16) {
      for arbiter in example.arbiters {
        var denser = [UInt8](repeating: 1, count: example.network.count)
        for sparsity in Self.sparsities {
          let mask = try example.merged(
            arbiter, .sparsity(sparsity)
          ).merged
          #expect(zip(mask, denser).allSatisfy { $0 <= $1 })
          denser = mask
        }
      }
    }
  }

  @Test func aWeightStaysExactlyWhereEnoughTasksKeepIt() throws {
    for example in try RandomNetwork.many(16) {
      for arbiter in example.arbiters {
        let targets =
          Self.sparsities.map { KeepTarget.sparsity($0) }
          + [0.001, 0.1, 0.4, 0.77, 1].map { .keepRatio($0) }
        for target in targets {
          let masks = try example.merged(arbiter, target)
          #expect(masks.merged == example.voted(masks.tasks, by: arbiter))
        }
      }
    }
  }

  @Test func aKeepRatioLetsEveryTaskKeepItsShareWithTies() throws {
    for example in try RandomNetwork.many(12) {
      for keepRatio in [0.05, 0.3, 0.5, 1] {
        let masks = try example.merged(.union, .keepRatio(keepRatio))
        #expect(masks.keepRatio == keepRatio)
        for (scores, mask) in zip(example.scores, masks.tasks) {
          let k = Int(keepRatio * Double(scores.count))
          let threshold = k == 0 ? Float.infinity : scores.sorted(by: >)[k - 1]
          #expect(mask == scores.map { $0 >= threshold ? 1 : 0 })
        }
      }
    }
  }

  @Test func theReportedKeepRatioIsTheOneAtWhichTheLastWeightCame() throws {
    for example in try RandomNetwork.many(12) {
      let masks = try example.merged(.union, .sparsity(0.6))
      let kept = zip(example.critical, masks.tasks).flatMap { ratios, mask -> [Double] in
        zip(ratios, mask).filter { $0.1 == 1 }.map(\.0.value)
      }
      #expect(kept.max() == masks.keepRatio)
    }
  }

  @Test func aLargeTieIsSplitByPosition() throws {
    let network = PrunableNetwork(
      tasks: ["a", "b"],
      layers: [
        PrunableLayer(name: "backbone", shape: [1000], owners: [0, 1]),
        PrunableLayer(name: "a", shape: [500], owners: [0]),
        PrunableLayer(name: "b", shape: [500], owners: [1]),
      ])
    let scores = [Float](repeating: 1, count: 3) + [Float](repeating: 0, count: 1497)
    let tasks = [scores, scores]
    for pruned in [0, 1, 777, 1500, 1990, 1996, 1997, 1998, 1999, 2000] {
      let sparsity = Double(pruned) / 2000
      guard sparsity < 1 else { continue }
      let masks = try merge(tasks, of: network, target: .sparsity(sparsity))
      let kept = 2000 - pruned
      #expect(
        masks.merged
          == [UInt8](repeating: 1, count: kept) + [UInt8](repeating: 0, count: pruned))
    }
  }

  @Test func everythingMayGo() throws {
    let network = PrunableNetwork(
      tasks: ["a"], layers: [PrunableLayer(name: "backbone", shape: [3], owners: [0])])
    let masks = try merge([[1, 2, 3]], of: network, target: .sparsity(0.9))
    #expect(masks.merged == [0, 0, 0] && masks.tasks == [[0, 0, 0]] && masks.keepRatio == 0)
    #expect(masks.sparsity == 1)
  }

  @Test func layersWithoutAWeightAreDead() throws {
    let network = PrunableNetwork(
      tasks: ["a"],
      layers: [
        PrunableLayer(name: "first", shape: [2], owners: [0]),
        PrunableLayer(name: "second", shape: [2], owners: [0]),
        PrunableLayer(name: "head", shape: [1], owners: [0]),
      ])
    func dead(_ sparsity: Double) throws -> [String] {
      try merge([[5, 0, 2, 1, 4]], of: network, target: .sparsity(sparsity))
        .deadLayers.map(\.name)
    }
    #expect(try dead(0.4) == [])
    #expect(try dead(0.6) == ["second"])
    #expect(try dead(0.8) == ["second", "head"])
  }

  @Test func whatCannotBeIsAnError() throws {
    let example = try RandomNetwork(seed: 1, tasks: 2, ties: false)
    func message(
      _ target: KeepTarget, arbiter: Arbiter = .union, scores: [[Float]]? = nil
    ) -> String? {
      #expect(throws: SparsityError.self) {
        try merge(
          scores ?? example.scores, of: example.network, arbiter: arbiter, target: target)
      }?.description
    }
    for ratio in [0, -0.1, 1.0001, .nan, .infinity] {
      #expect(message(.keepRatio(ratio)) == "keep ratio \(ratio) is not in (0, 1]")
    }
    for sparsity in [-0.1, 1, 2, .nan, -.infinity] {
      #expect(message(.sparsity(sparsity)) == "sparsity \(sparsity) is not in [0, 1)")
    }
    #expect(
      message(.sparsity(0.5), arbiter: .atLeast(3))
        == "arbiter at-least:3 asks for more votes than there are tasks (2)")
    let silent = [example.scores[0], example.scores[1].map { _ in 0 }]
    for target in [KeepTarget.sparsity(0.5), .keepRatio(0.5)] {
      #expect(
        message(target, scores: silent)
          == "task t1: all scores are 0, so there is nothing to choose by")
    }
    let count = example.network.count(ofTask: 1)
    let short = [example.scores[0], Array(example.scores[1].dropLast())]
    #expect(
      message(.sparsity(0.5), scores: short)
        == "task t1: expected \(count) scores, found \(count - 1)")
  }

  @Test func moreWeightsThanRanksAreRefused() throws {
    let network = PrunableNetwork(
      tasks: ["a"],
      layers: [PrunableLayer(name: "vast", shape: [1 << 16, 1 << 16, 3, 3], owners: [0])])
    let pattern = try #require(GroupPattern("2:4"))
    for merging in [
      { try merge(network, MergeSettings(), targets: [.keepRatio(0.5)]) { _, _ in } },
      { [try merge(network, MergeSettings(), pattern: pattern) { _, _ in }] },
    ] {
      let error = #expect(throws: SparsityError.self) { _ = try merging() }
      #expect(
        error?.description
          == "38654705664 weights of a task are more than can be ranked (4294967295)")
    }
  }
}
