// The fast path against the method as the paper tells it: equal to the bit.

import Sparsity
import TestSupport
import Testing

@Suite struct DisparseTests {
  private static let sparsities = [0, 0.004, 0.13, 0.3, 0.5, 0.66, 0.8, 0.9, 0.97, 0.999]
  private static let keepRatios = [0.001, 0.02, 0.1, 0.25, 0.5, 0.77, 1]

  /// Random owners, or a backbone and heads.
  private func network(_ seed: Int) throws -> RandomNetwork {
    let (tasks, ties) = (1 + seed % 5, seed / 5 % 2 == 0)
    return seed % 4 == 3
      ? try RandomNetwork(seed: UInt64(seed), tasks: tasks, ties: ties)
      : try RandomNetwork(seed: UInt64(seed), randomOwnersOf: tasks, ties: ties)
  }

  @Test(arguments: Distribution.allCases) func mergingIsTheMethod(_ distribution: Distribution)
    throws
  {
    // Within layers there are more rankings, so fewer networks do.
    for seed in 0..<(distribution == .global ? 60 : 20) {
      let example = try network(seed)
      let targets =
        Self.sparsities.map { KeepTarget.sparsity($0) }
        + Self.keepRatios.map { KeepTarget.keepRatio($0) }
      for arbiter in example.arbiters {
        let settings = MergeSettings(arbiter: arbiter, distribution: distribution)
        let fast = try merge(example.network, settings, targets: targets) {
          $1 = example.scores[$0]
        }
        for (target, masks) in zip(targets, fast) {
          let plain = try disparse(
            example.scores, of: example.network, arbiter: arbiter, distribution: distribution,
            target: target)
          let place: Comment = "\(seed) \(arbiter) \(target)"
          #expect(masks.merged == plain.merged, place)
          #expect(masks.tasks == plain.tasks, place)
          #expect(masks.keepRatio == plain.keepRatio && masks.kept == plain.kept, place)
        }
      }
    }
  }

  @Test func largerNetworksToo() throws {
    // Owners change from layer to layer, and there are enough weights for several threads.
    let owners = [[0, 1, 2], [1], [0, 2], [0, 1, 2], [2], [0, 1], [0]]
    let network = PrunableNetwork(
      tasks: ["a", "b", "c"],
      layers: owners.enumerated().map {
        PrunableLayer(name: "\($0)", shape: [97, 151, 3, 3], owners: $1)
      })
    var random = SeededRandom(8)
    let scores = network.tasks.indices.map { task in
      // Half of them 0, and of the others some equal.
      random.floats(network.count(ofTask: task), in: 0..<1).map {
        $0 < 0.5 ? 0 : ($0 * 30_000).rounded() * Float(task + 1)
      }
    }
    for arbiter in [.union, .majority, .intersection] as [Arbiter] {
      let targets: [KeepTarget] = [.sparsity(0.2), .sparsity(0.9), .keepRatio(0.1)]
      let fast = try merge(network, MergeSettings(arbiter: arbiter), targets: targets) {
        $1 = scores[$0]
      }
      for (target, masks) in zip(targets, fast) {
        let plain = try disparse(scores, of: network, arbiter: arbiter, target: target)
        #expect(masks.merged == plain.merged && masks.tasks == plain.tasks)
        #expect(masks.keepRatio == plain.keepRatio)
      }
    }
  }

  @Test func whatCannotBeIsAnError() throws {
    let example = try network(1)
    for target in [KeepTarget.sparsity(1), .keepRatio(0)] {
      #expect(throws: SparsityError.self) {
        try disparse(example.scores, of: example.network, target: target)
      }
    }
    #expect(throws: SparsityError.self) {
      try disparse(
        example.scores, of: example.network, arbiter: .atLeast(3), target: .sparsity(0.5))
    }
  }
}
