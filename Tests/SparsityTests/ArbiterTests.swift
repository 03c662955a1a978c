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
      "at-least:1:2", "at-most:2", "union:1", "at-least:99999999999999999999",
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
      #expect(throws: SparsityError.self) {
        try Arbiter.atLeast(tasks + 1).requiredVotes(of: tasks)
      }
    }
  }

  @Test func theArbiterOverMasksIsTheOrderStatisticOverRatios() throws {
    var random = SeededRandom(3)
    for example in try RandomNetwork.many(80) {
      let network = example.network
      let shared = example.critical.map { $0[..<network.sharedCount] }
      for arbiter in example.arbiters {
        let votes = try arbiter.requiredVotes(of: network.tasks.count)
        let settled = arbitrate(shared, votes: votes)
        #expect(settled.count == network.sharedCount)
        for _ in 0..<5 {
          let threshold = try #require(
            example.critical.randomElement(using: &random)?.randomElement(using: &random))
          let byMasks = (0..<network.sharedCount).map { weight in
            shared.count { $0[weight] <= threshold } >= votes
          }
          #expect(settled.map { $0 <= threshold } == byMasks)
        }
      }
    }
  }

  @Test func unionTakesTheSmallestAndIntersectionTheLargest() throws {
    for example in try RandomNetwork.many(20) {
      let shared = example.critical.map { $0[..<example.network.sharedCount] }
      let columns = (0..<example.network.sharedCount).map { weight in shared.map { $0[weight] } }
      #expect(arbitrate(shared, votes: 1) == columns.compactMap { $0.min() })
      #expect(arbitrate(shared, votes: shared.count) == columns.compactMap { $0.max() })
      #expect(arbitrate(shared, votes: 2) == columns.map { $0.sorted()[1] })
    }
  }

  @Test func slicesThatDoNotBeginAtZeroAreReadFromTheirStart() throws {
    let ratios = try criticalKeepRatios(of: [1, 2, 3, 4, 5, 6])
    let settled = arbitrate([ratios[1..<3], ratios[4..<6]], votes: 1)
    #expect(settled == [ratios[4], ratios[5]])
    #expect(arbitrate([], votes: 1).isEmpty)
  }
}
