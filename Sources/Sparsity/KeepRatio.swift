// Critical keep ratios: at which keep ratio a task begins to keep a weight. One ranking per task
// answers for every sparsity.

/// A share of a task's weights, in 0 < r ≤ 1, held as ⌈r · 2³²⌉ − 1. Ranks among fewer than 2³²
/// weights stay distinct and in order.
public struct KeepRatio: Comparable, Hashable, Sendable {
  let raw: UInt32

  init(raw: UInt32) { self.raw = raw }

  /// The ratio `rank` / `count`, for 1 ≤ rank ≤ count.
  init(rank: Int, of count: Int) {
    raw = UInt32(((rank << 32) - 1) / count)
  }

  public var value: Double { (Double(raw) + 1) / 4_294_967_296 }

  public static func < (a: KeepRatio, b: KeepRatio) -> Bool { a.raw < b.raw }
}

/// The critical keep ratio of every weight: its rank among `scores`, best first, over their number.
/// Equal scores share the first rank of their tie, so that a keep ratio keeps a tie whole.
///
/// Sorting by radix, so the cost is linear: three passes over (score, position) pairs.
///
/// - Parameter scores: finite and at least 0; fewer than 2³².
/// - Throws: ``SparsityError`` when a score is negative, infinite or not a number.
public func criticalKeepRatios(of scores: [Float]) throws -> [KeepRatio] {
  guard scores.allSatisfy({ $0 >= 0 && $0.isFinite }) else {
    throw SparsityError("a score is negative, infinite or not a number")
  }
  let sorted = sortedDescending(scores)
  return [KeepRatio](unsafeUninitializedCapacity: scores.count) { ratios, initialized in
    var tie = KeepRatio(raw: 0)
    for (index, entry) in sorted.enumerated() {
      if index == 0 || entry.key != sorted[index - 1].key {
        tie = KeepRatio(rank: index + 1, of: scores.count)
      }
      ratios.initializeElement(at: Int(entry.position), to: tie)
    }
    initialized = scores.count
  }
}

private struct Entry {
  /// Ascending in this is descending in the score.
  let key: UInt32
  let position: UInt32
}

/// Radix sort: bit patterns of floats that are at least 0 order like the floats.
private func sortedDescending(_ scores: [Float]) -> [Entry] {
  let digitBits = 11
  let digits = 1 << digitBits
  var entries = scores.enumerated().map { position, score in
    // Adding 0 turns −0 into 0.
    Entry(key: ~(score + 0).bitPattern, position: UInt32(position))
  }
  var scratch = entries
  for shift in stride(from: 0, to: 32, by: digitBits) {
    var starts = [Int](repeating: 0, count: digits + 1)
    for entry in entries { starts[Int(entry.key >> UInt32(shift)) % digits + 1] += 1 }
    for digit in 1..<digits { starts[digit] += starts[digit - 1] }
    for entry in entries {
      let digit = Int(entry.key >> UInt32(shift)) % digits
      scratch[starts[digit]] = entry
      starts[digit] += 1
    }
    swap(&entries, &scratch)
  }
  return entries
}

/// The `count`-th smallest ratio (1-based), by counting in two passes of 16 bits.
func smallest(_ count: Int, of ratios: [KeepRatio]) -> KeepRatio {
  var remaining = count
  func digit(where belongs: (UInt32) -> Bool, _ extract: (UInt32) -> UInt32) -> UInt32 {
    var counts = [Int](repeating: 0, count: 1 << 16)
    for ratio in ratios where belongs(ratio.raw) { counts[Int(extract(ratio.raw))] += 1 }
    var digit = 0
    while counts[digit] < remaining {
      remaining -= counts[digit]
      digit += 1
    }
    return UInt32(digit)
  }
  let high = digit(where: { _ in true }, { $0 >> 16 })
  let low = digit(where: { $0 >> 16 == high }, { $0 & 0xFFFF })
  return KeepRatio(raw: high << 16 | low)
}

/// Why scores cannot become masks.
public struct SparsityError: Error, CustomStringConvertible, Sendable {
  public let description: String

  public init(_ description: String) { self.description = description }
}
