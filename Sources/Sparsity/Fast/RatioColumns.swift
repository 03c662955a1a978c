// The arbiter over rankings: each weight's column of critical keep ratios, one per owner, as far as its
// vote needs them. The m-th smallest is the ratio from which on m owners keep the weight.

import Torch

/// The smallest values of each column, for columns that are entered owner by owner.
final class RatioColumns<Value: Comparable & BitwiseCopyable & Sendable> {
  /// Weights.
  private let count: Int
  /// Values per weight and owner; each is part of a column of its own.
  private let width: Int
  /// The number of owners that must keep a weight.
  private let votes: Int
  private var entered = 0
  /// Row m holds each column's (m + 1)-th smallest value of those entered; `votes` rows, of which those
  /// behind the number entered are uninitialized.
  private let rows: [UnsafeMutableBufferPointer<Value>]

  init(count: Int, width: Int = 1, votes: Int) {
    self.count = count
    self.width = width
    self.votes = votes
    rows = (0..<votes).map { _ in .allocate(capacity: count * width) }
  }

  deinit {
    for row in rows { row.deallocate() }
  }

  /// Enters the next owner's values.
  ///
  /// - Parameter fill: writes the values of some weights to memory.
  func enter(_ fill: @Sendable (Range<Int>, UnsafeMutableBufferPointer<Value>) -> Void) {
    let width = width
    let isAnotherRow = entered < votes
    nonisolated(unsafe) let filled = rows.prefix(entered)
    nonisolated(unsafe) let new = isAnotherRow ? rows[entered] : nil
    inParallel(0..<count) { range in
      // Blocks stay in the first cache.
      let size = 1 << 12
      withUnsafeTemporaryAllocation(of: Value.self, capacity: size * width) { spare in
        for start in stride(from: range.lowerBound, to: range.upperBound, by: size) {
          let weights = start..<min(start + size, range.upperBound)
          let block = weights.lowerBound * width..<weights.upperBound * width
          let values = UnsafeMutableBufferPointer(
            rebasing: new.map { $0[block] } ?? spare[..<block.count])
          fill(weights, values)
          for row in filled { Self.sort(UnsafeMutableBufferPointer(rebasing: row[block]), values) }
        }
      }
    }
    entered += isAnotherRow ? 1 : 0
  }

  /// Moves the smaller value of each pair to the first row and the larger to the second.
  @inline(__always) private static func sort(
    _ low: UnsafeMutableBufferPointer<Value>, _ high: UnsafeMutableBufferPointer<Value>
  ) {
    for index in low.indices {
      let (first, second) = (low[index], high[index])
      low[index] = min(first, second)
      high[index] = max(first, second)
    }
  }

  /// Calls `body` with the values at which each weight has its votes, once all owners have been entered.
  func withDecided<Result>(_ body: (UnsafeBufferPointer<Value>) throws -> Result) rethrows -> Result
  {
    try body(UnsafeBufferPointer(rows[votes - 1]))
  }
}
