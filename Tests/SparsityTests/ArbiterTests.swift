// Arbiters: their names, their votes, and masks against critical ratios.

import Sparsity
import TestSupport
import Testing

@Suite struct ArbiterTests {
  @Test func namesReadAsTheyAreWritten() {
    for arbiter in [.union, .intersection, .majority, .atLeast(1), .atLeast(17)] as [Arbiter] {
      #expect(Arbiter(arbiter.description) == arbiter)
    }
    #expect(Arbiter("at-least:3") == .atLeast(3))
    for text in [
      "", "Union", "at-least", "at-least:", "at-least:0", "at-least:-1", "at-least:x",
      "at-least:1:2", "at-most:2", "union:1", "at-least:9223372036854775808",
      "at-least:99999999999999999999",
    ] {
      #expect(Arbiter(text) == nil, "\(text)")
    }
  }

  @Test func votesFollowFromTheNumberOfOwners() throws {
    for owners in 1...6 {
      #expect(Arbiter.union.requiredVotes(ofOwners: owners) == 1)
      #expect(Arbiter.intersection.requiredVotes(ofOwners: owners) == owners)
      let majority = Arbiter.majority.requiredVotes(ofOwners: owners)
      #expect(2 * majority > owners && 2 * (majority - 1) <= owners)
      for votes in [1, owners, owners + 1, .max] {
        let arbiter = Arbiter.atLeast(votes)
        #expect(arbiter.requiredVotes(ofOwners: owners) == min(votes, owners))
        if votes > owners {
          #expect(throws: SparsityError.self) { try arbiter.check(tasks: owners) }
        } else {
          try arbiter.check(tasks: owners)
        }
      }
    }
  }

  @Test func aColumnOfRatiosIsDecidedByItsOrder() {
    let column = [4, 1, 3, 2].map { KeepRatio(rank: $0, of: 4) }
    func decided(_ arbiter: Arbiter) -> Double { arbiter.decide(column).value }
    #expect(decided(.union) == 0.25 && decided(.intersection) == 1)
    #expect(decided(.majority) == 0.75 && decided(.atLeast(2)) == 0.5)
  }

  @Test func unionKeepsWhatAnyTaskKeepsAndIntersectionWhatAllKeep() {
    let masks: [[UInt8]] = [[0, 1, 0, 1, 1], [0, 0, 1, 1, 1], [0, 0, 0, 0, 1]]
    #expect(arbitrate(masks.map { $0[...] }, votes: 1) == [0, 1, 1, 1, 1])
    #expect(arbitrate(masks.map { $0[...] }, votes: 2) == [0, 0, 0, 1, 1])
    #expect(arbitrate(masks.map { $0[...] }, votes: 3) == [0, 0, 0, 0, 1])
    #expect(arbitrate(masks.map { $0[1..<3] }, votes: 1) == [1, 1])
    #expect(arbitrate([], votes: 1).isEmpty)
    // More voters than a byte counts.
    let many = [ArraySlice<UInt8>](repeating: [1, 0], count: 300) + [[0, 1]]
    #expect(arbitrate(many, votes: 1) == [1, 1])
    #expect(arbitrate(many, votes: 300) == [1, 0])
    #expect(arbitrate(many, votes: 301) == [0, 0])
  }

  @Test func theOrderStatisticOverRatiosIsTheArbiterOverMasks() throws {
    // Without ties a sparsity's cut is one keep ratio for all tasks, so what the ranking gives must
    // be what the vote over masks {critical ≤ ratio} gives.
    for example in try RandomNetwork.many(16) {
      for arbiter in example.arbiters {
        for sparsity in [0.1, 0.5, 0.9] {
          let masks = try example.merged(arbiter, .sparsity(sparsity))
          #expect(masks.merged == example.voted(masks.tasks, by: arbiter))
          for (ratios, mask) in zip(example.critical, masks.tasks) {
            for (ratio, kept) in zip(ratios, mask) where ratio.value != masks.keepRatio {
              #expect((ratio.value < masks.keepRatio) == (kept == 1))
            }
          }
        }
      }
    }
  }
}
