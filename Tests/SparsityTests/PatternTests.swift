// N:M patterns: every group keeps its N best, in the tasks' masks and in the merged one.

import Sparsity
import TestSupport
import Testing

@Suite struct PatternTests {
  private let network = PrunableNetwork(
    tasks: ["a", "b"],
    layers: [
      PrunableLayer(name: "stem", shape: [4, 3, 3, 3], owners: [0, 1]),
      PrunableLayer(name: "conv", shape: [4, 8, 3, 3], owners: [0, 1]),
      PrunableLayer(name: "a", shape: [2, 4, 1, 1], owners: [0]),
      PrunableLayer(name: "b", shape: [2, 4, 1, 1], owners: [1]),
    ])

  @Test func namesReadAsTheyAreWritten() {
    #expect(GroupPattern("2:4")?.description == "2:4")
    for text in ["", "2", "4:2", "0:4", "-1:4", "2:4:8", "a:b", "1:1", "2:65"] {
      #expect(GroupPattern(text) == nil, "\(text)")
    }
  }

  @Test func whatCannotBeIsAnError() throws {
    func message(_ pattern: String, _ scores: [[Float]]) throws -> String? {
      let pattern = try #require(GroupPattern(pattern))
      return #expect(throws: SparsityError.self) {
        try merge(network, MergeSettings(), pattern: pattern) { $1 = scores[$0] }
      }?.description
    }
    let scores = [[Float]](
      repeating: [Float](repeating: 1, count: network.count(ofTask: 0)), count: 2)
    #expect(
      try message("3:7", scores)
        == "pattern 3:7 fits no layer: of none do the input channels divide into groups of 7")
    #expect(
      try message("2:4", [scores[0], scores[1].map { _ in 0 }])
        == "task b: all scores are 0, so there is nothing to choose by")
  }

  @Test(arguments: [Arbiter.union, .intersection]) func everyGroupKeepsItsBest(_ arbiter: Arbiter)
    throws
  {
    let pattern = try #require(GroupPattern("2:4"))
    var random = SeededRandom(4)
    let scores = (0..<2).map { random.floats(network.count(ofTask: $0), in: 0..<1) }
    let masks = try merge(network, MergeSettings(arbiter: arbiter), pattern: pattern) {
      $1 = scores[$0]
    }
    for (layer, mask) in slices(masks.merged, by: network.layers) {
      let kept = mask.reduce(0) { $0 + Int($1) }
      // Three input channels do not divide into groups of four.
      #expect(kept == (layer.name == "stem" ? layer.count : layer.count / 2))
    }
    // Weight (o, i, ky, kx) of "conv" lies at ((o · 8 + i) · 3 + ky) · 3 + kx.
    let conv = 4 * 27..<4 * 27 + 4 * 72
    for out in 0..<4 {
      for group in 0..<2 {
        for tap in 0..<9 {
          let members = (0..<4).map { conv.lowerBound + (out * 8 + group * 4 + $0) * 9 + tap }
          #expect(members.reduce(0) { $0 + Int(masks.merged[$1]) } == 2)
          for (task, mask) in masks.tasks.enumerated() {
            let best = members.sorted { scores[task][$0] > scores[task][$1] }.prefix(2)
            #expect(members.allSatisfy { mask[$0] == (best.contains($0) ? 1 : 0) })
          }
          // What both tasks want stays under either arbiter.
          for member in members where masks.tasks.allSatisfy({ $0[member] == 1 }) {
            let both = members.filter { index in masks.tasks.allSatisfy { $0[index] == 1 } }
            if both.count == 2 { #expect(masks.merged[member] == 1) }
          }
        }
      }
    }
  }
}
