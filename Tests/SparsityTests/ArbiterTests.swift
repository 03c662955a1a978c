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

  @Test func votesFollowFromTheNumberOfTasks() throws {
    for tasks in 1...6 {
      #expect(try Arbiter.union.requiredVotes(of: tasks) == 1)
      #expect(try Arbiter.intersection.requiredVotes(of: tasks) == tasks)
      let majority = try Arbiter.majority.requiredVotes(of: tasks)
      #expect(2 * majority > tasks && 2 * (majority - 1) <= tasks)
      #expect(try Arbiter.atLeast(tasks).requiredVotes(of: tasks) == tasks)
      for votes in [tasks + 1, .max] {
        #expect(throws: SparsityError.self) {
          try Arbiter.atLeast(votes).requiredVotes(of: tasks)
        }
      }
    }
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
      let network = example.network
      for arbiter in example.arbiters {
        let votes = try arbiter.requiredVotes(of: network.tasks.count)
        for sparsity in [0.1, 0.5, 0.9] {
          let masks = try example.merged(arbiter, .sparsity(sparsity))
          let vote = arbitrate(masks.tasks.map { $0[..<network.sharedCount] }, votes: votes)
          #expect(Array(masks.merged[..<network.sharedCount]) == vote)
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
