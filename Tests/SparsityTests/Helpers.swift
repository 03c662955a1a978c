// What the tests of Sparsity share: random networks with random scores, and plain ranks.

import Sparsity
import TestSupport
import Testing

/// A multi-task network with scores for every task, drawn from a seed.
struct RandomNetwork {
  let network: PrunableNetwork
  /// Per task over its own network.
  let scores: [[Float]]
  let critical: [[KeepRatio]]

  /// - Parameter ties: few different scores, many of them 0.
  init(seed: UInt64, tasks count: Int, ties: Bool) throws {
    var random = SeededRandom(seed)
    func layer(_ name: String, _ task: Int?) -> PrunableLayer {
      let shape = (0..<2).map { _ in Int.random(in: 1...7, using: &random) }
      return PrunableLayer(name: name, shape: shape, task: task)
    }
    var layers = (0..<Int.random(in: 1...4, using: &random)).map { layer("backbone.\($0)", nil) }
    for task in 0..<count {
      for index in 0..<Int.random(in: 1...3, using: &random) {
        layers.append(layer("task\(task + 1).\(index)", task))
      }
    }
    network = PrunableNetwork(tasks: (0..<count).map { "t\($0)" }, layers: layers)
    scores = (0..<count).map { [network] task in
      (0..<network.count(ofTask: task)).map { _ in
        ties
          ? Float(max(0, Int.random(in: -3...4, using: &random)))
          : .random(in: 0..<1, using: &random)
      }
    }
    critical = try scores.map(criticalKeepRatios)
  }

  func merged(_ arbiter: Arbiter = .union, _ target: KeepTarget) throws -> MergedMasks {
    try merge(scores, of: network, arbiter: arbiter, target: target)
  }

  /// Cases of 2 to 5 tasks, with and without ties.
  static func many(_ count: Int) throws -> [RandomNetwork] {
    try (0..<count).map {
      try RandomNetwork(seed: UInt64($0), tasks: 2 + $0 % 4, ties: $0 / 4 % 2 == 0)
    }
  }

  /// Every arbiter that this number of tasks allows.
  var arbiters: [Arbiter] {
    [.union, .intersection, .majority] + (1...network.tasks.count).map { .atLeast($0) }
  }

  /// For each weight of the whole network, how many tasks keep it, and how many would have to.
  func votes(_ masks: [[UInt8]], required: Int) -> [(votes: Int, required: Int)] {
    let shared = (0..<network.sharedCount).map { weight in
      (masks.reduce(0) { $0 + Int($1[weight]) }, required)
    }
    return shared + masks.flatMap { $0[network.sharedCount...].map { (Int($0), 1) } }
  }
}

/// Masks for one target from scores that are all there.
func merge(
  _ scores: [[Float]], of network: PrunableNetwork, arbiter: Arbiter = .union, target: KeepTarget
) throws -> MergedMasks {
  let results = try merge(network, MergeSettings(arbiter: arbiter), targets: [target]) {
    scores[$0]
  }
  return try #require(results.first)
}

/// Rank among scores, best first, equal scores sharing the first rank of their tie; O(n²).
func naiveRanks(_ scores: [Float]) -> [Int] {
  scores.map { score in 1 + scores.count { $0 > score } }
}

/// The same by sorting.
func sortedRanks(_ scores: [Float]) -> [Int] {
  var ranks = [Float: Int]()
  for (index, score) in scores.sorted(by: >).enumerated() where ranks[score] == nil {
    ranks[score] = index + 1
  }
  return scores.map { ranks[$0] ?? 0 }
}

/// A critical keep ratio is rank / count, rounded up to a multiple of 2⁻³².
func ranks(_ ratios: [KeepRatio]) -> [Int] {
  ratios.map { Int($0.value * Double(ratios.count)) }
}
