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

  /// A backbone and a head per task.
  ///
  /// - Parameter ties: few different scores, many of them 0.
  init(seed: UInt64, tasks count: Int, ties: Bool) throws {
    var random = SeededRandom(seed)
    var owners = (0..<Int.random(in: 1...4, using: &random)).map { _ in Array(0..<count) }
    for task in 0..<count {
      owners += (0..<Int.random(in: 1...3, using: &random)).map { _ in [task] }
    }
    try self.init(owners: owners, tasks: count, ties: ties, &random)
  }

  /// Layers with owners drawn at random, at least one for each task.
  init(seed: UInt64, randomOwnersOf count: Int, ties: Bool) throws {
    var random = SeededRandom(seed)
    let more = (0..<Int.random(in: 1...7, using: &random)).map { _ in
      (0..<count).filter { _ in Bool.random(using: &random) }
    }
    let owners = more.filter { !$0.isEmpty } + (0..<count).map { [$0] }
    try self.init(owners: owners.shuffled(using: &random), tasks: count, ties: ties, &random)
  }

  private init(owners: [[Int]], tasks count: Int, ties: Bool, _ random: inout SeededRandom) throws {
    let layers = owners.enumerated().map { index, owners in
      PrunableLayer(
        name: "\(index)", shape: (0..<2).map { _ in Int.random(in: 1...7, using: &random) },
        owners: owners)
    }
    network = PrunableNetwork(tasks: (0..<count).map { "t\($0)" }, layers: layers)
    scores = (0..<count).map { [network] task in
      let scores: [Float] = (0..<network.count(ofTask: task)).map { _ in
        ties
          ? Float(max(0, Int.random(in: -3...4, using: &random)))
          : .random(in: 0..<1, using: &random)
      }
      // All 0 would be refused.
      return scores.contains { $0 > 0 } ? scores : scores.map { _ in 1 }
    }
    critical = try scores.map(criticalKeepRatios)
  }

  func merged(_ arbiter: Arbiter = .union, _ target: KeepTarget) throws -> MergedMasks {
    try merge(scores, of: network, arbiter: arbiter, target: target)
  }

  /// Of each kind so many cases of 1 to 5 tasks, with and without ties.
  static func many(_ count: Int) throws -> [RandomNetwork] {
    try (0..<count).flatMap {
      let (seed, ties) = (UInt64($0), $0 / 4 % 2 == 0)
      return [
        try RandomNetwork(seed: seed, tasks: 2 + $0 % 4, ties: ties),
        try RandomNetwork(seed: seed, randomOwnersOf: 1 + $0 % 5, ties: ties),
      ]
    }
  }

  /// Every arbiter that this number of tasks allows.
  var arbiters: [Arbiter] {
    [.union, .intersection, .majority] + (1...network.tasks.count).map { .atLeast($0) }
  }

  /// The whole network's mask by counting, for each weight, which of its owners keep it.
  func voted(_ masks: [[UInt8]], by arbiter: Arbiter) -> [UInt8] {
    network.layers.enumerated().flatMap { index, layer in
      let votes = layer.owners.map { task in
        let start = network.layers[..<index].reduce(0) {
          $0 + ($1.owners.contains(task) ? $1.count : 0)
        }
        return masks[task][start..<start + layer.count].map { Int($0) }
      }
      return (0..<layer.count).map { weight -> UInt8 in
        let kept = votes.reduce(0) { $0 + $1[weight] }
        return kept >= arbiter.requiredVotes(ofOwners: votes.count) ? 1 : 0
      }
    }
  }
}

/// Masks for one target from scores that are all there.
func merge(
  _ scores: [[Float]], of network: PrunableNetwork, arbiter: Arbiter = .union, target: KeepTarget
) throws -> MergedMasks {
  let results = try merge(network, MergeSettings(arbiter: arbiter), targets: [target]) {
    $1 = scores[$0]
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
