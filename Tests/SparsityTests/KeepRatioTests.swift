// Critical keep ratios: against plain ranks, with ties, zeros and every size.

import Sparsity
import TestSupport
import Testing

@Suite struct KeepRatioTests {
  /// Scores of all sorts: distinct, tied, zero of either sign, tiny and huge.
  private func randomScores(_ count: Int, _ random: inout SeededRandom) -> [Float] {
    let kind = Int.random(in: 0..<5, using: &random)
    return (0..<count).map { _ in
      switch kind {
      case 0: .random(in: 0..<1, using: &random)
      case 1: Float(Int.random(in: 0..<4, using: &random))
      case 2:
        [0, -0.0, Float(bitPattern: 700), .leastNonzeroMagnitude].randomElement(using: &random) ?? 0
      case 3: Float(bitPattern: .random(in: 0..<0x7F80_0000, using: &random))
      default:
        Bool.random(using: &random) ? 0 : .random(in: 1e-20..<1e-19, using: &random)
      }
    }
  }

  @Test func ranksAreThoseOfPlainCounting() throws {
    var random = SeededRandom(1)
    for _ in 0..<600 {
      let scores = randomScores(.random(in: 1...120, using: &random), &random)
      #expect(try ranks(criticalKeepRatios(of: scores)) == naiveRanks(scores))
    }
  }

  @Test(arguments: [5_000, 300_000]) func ranksAreThoseOfSorting(count: Int) throws {
    var random = SeededRandom(UInt64(count))
    for _ in 0..<3 {
      let scores = randomScores(count, &random)
      #expect(try ranks(criticalKeepRatios(of: scores)) == sortedRanks(scores))
    }
  }

  @Test func betterScoresHaveSmallerRatiosAndEqualOnesTheSame() throws {
    let ratios = try criticalKeepRatios(of: [0.5, 2, 0.5, 0, 1e-30, 2])
    #expect(ratios[1] == ratios[5] && ratios[0] == ratios[2])
    #expect(ratios[1] < ratios[0] && ratios[0] < ratios[4] && ratios[4] < ratios[3])
    #expect(ratios.map(\.value).allSatisfy { $0 > 0 && $0 <= 1 })
  }

  @Test func equalScoresAllShareTheFirstRank() throws {
    for score: Float in [0, 1, .greatestFiniteMagnitude] {
      let ratios = try criticalKeepRatios(of: [Float](repeating: score, count: 1000))
      #expect(Set(ranks(ratios)) == [1])
    }
  }

  @Test func ranksAreDistinctAndInOrderUpToTheLargest() {
    let count = Int(UInt32.max)
    for rank in [1, 2, 1 << 30, 1 << 31, 1 << 31 + 1, count - 1, count] {
      let ratio = KeepRatio(rank: rank, of: count)
      #expect(ratio.value >= Double(rank) / Double(count) && ratio.value <= 1)
      #expect(rank == 1 || KeepRatio(rank: rank - 1, of: count) < ratio)
    }
    #expect(KeepRatio(rank: 1 << 31, of: 1 << 31).value == 1)
  }

  @Test func minusZeroIsZero() throws {
    let ratios = try criticalKeepRatios(of: [-0.0, 0, 1, -0.0])
    #expect(ranks(ratios) == [2, 2, 1, 2])
  }

  @Test func aSingleWeightIsKeptOnlyByTheFullRatio() throws {
    #expect(try criticalKeepRatios(of: [0.3]).map(\.value) == [1])
    #expect(try criticalKeepRatios(of: []) == [])
  }

  @Test(arguments: [-1, -.leastNonzeroMagnitude, .nan, -.nan, .infinity, -.infinity] as [Float])
  func aScoreThatIsNoneIsAnError(_ score: Float) {
    #expect(throws: SparsityError.self) { try criticalKeepRatios(of: [1, score, 0]) }
  }

  @Test func topKKeepsTheFloorOfTheShareAndTheTieAtItsEnd() throws {
    var random = SeededRandom(2)
    for _ in 0..<400 {
      let scores = randomScores(.random(in: 1...90, using: &random), &random)
      let keepRatio = Double.random(in: 0...1, using: &random)
      let mask = try selectTopK(scores, keepRatio: keepRatio)
      let k = Int(keepRatio * Double(scores.count))
      let threshold = k == 0 ? Float.infinity : scores.sorted(by: >)[k - 1]
      #expect(mask == scores.map { $0 >= threshold ? 1 : 0 })
    }
  }

  @Test func theEndsOfTheRangeKeepNothingAndEverything() throws {
    let scores: [Float] = [3, 1, 0, 0]
    #expect(try selectTopK(scores, keepRatio: 0) == [0, 0, 0, 0])
    #expect(try selectTopK(scores, keepRatio: 0.2) == [0, 0, 0, 0])
    #expect(try selectTopK(scores, keepRatio: 0.5) == [1, 1, 0, 0])
    #expect(try selectTopK(scores, keepRatio: 0.75) == [1, 1, 1, 1])
    #expect(try selectTopK(scores, keepRatio: 1) == [1, 1, 1, 1])
  }
}
