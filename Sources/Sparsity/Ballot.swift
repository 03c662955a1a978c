// The arbiter over rankings: letting tasks vote over masks {critical ≤ r} is, for every r at once, an
// order statistic over critical keep ratios.

import Torch

/// The smallest critical keep ratios that the tasks gave each shared weight.
struct Ballot<Ratio: Comparable & Sendable> {
  private let count: Int
  /// The number of tasks that must want a shared weight.
  private let votes: Int
  /// `votes` rows of `count` ratios, a weight's column ascending: row n is the ratio from which on
  /// n + 1 tasks want it.
  private var rows: [Ratio]

  /// - Parameter never: the ratio of weights that nobody wants.
  init(count: Int, votes: Int, never: Ratio) {
    self.count = count
    self.votes = votes
    rows = [Ratio](repeating: never, count: count * votes)
  }

  /// Enters one task's ratios for some of the weights; what it does not enter it does not want.
  @inline(__always) mutating func enter(_ range: Range<Int>, _ ratio: @Sendable (Int) -> Ratio) {
    let (count, votes) = (count, votes)
    rows.withUnsafeMutableBufferPointer { rows in
      nonisolated(unsafe) let rows = rows
      inParallel(range) { range in
        // The union needs one vote: a plain minimum.
        if votes == 1 {
          for weight in range { rows[weight] = min(rows[weight], ratio(weight)) }
        } else {
          for weight in range {
            // What falls off the column's end no longer matters.
            var entering = ratio(weight)
            for row in 0..<votes where entering < rows[row * count + weight] {
              swap(&entering, &rows[row * count + weight])
            }
          }
        }
      }
    }
  }

  /// From which ratio on each weight has its votes.
  var settled: ArraySlice<Ratio> { rows.suffix(count) }
}

extension KeepRatio {
  /// Of weights that every ratio keeps.
  static let always = KeepRatio(raw: 0)
  /// Of weights that only the ratio 1 keeps.
  static let never = KeepRatio(raw: .max)
}
