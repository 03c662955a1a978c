// Selection: the smallest of many keys, in linear time and on all cores.

import Torch

/// The `rank`-th smallest (1-based) of many keys, by counting their upper, then their lower 16 bits.
func smallest(_ rank: Int, of keys: UnsafeBufferPointer<UInt32>) -> UInt32 {
  var remaining = rank
  /// The digit of the key sought: the first by which the counts reach what remains.
  func select(_ parts: [[Int]]) -> UInt32 {
    var counts = parts[0]
    for part in parts.dropFirst() {
      for digit in counts.indices { counts[digit] += part[digit] }
    }
    var selected = 0
    while counts[selected] < remaining {
      remaining -= counts[selected]
      selected += 1
    }
    return UInt32(selected)
  }
  nonisolated(unsafe) let keys = keys
  let high = select(
    inParallel(keys.indices) { range in
      var counts = [Int](repeating: 0, count: 1 << 16)
      counts.withUnsafeMutableBufferPointer { counts in
        for index in range { counts[Int(keys[index] >> 16)] += 1 }
      }
      return counts
    })
  let low = select(
    inParallel(keys.indices) { range in
      var counts = [Int](repeating: 0, count: 1 << 16)
      counts.withUnsafeMutableBufferPointer { counts in
        for index in range where keys[index] >> 16 == high {
          counts[Int(keys[index] & 0xFFFF)] += 1
        }
      }
      return counts
    })
  return high << 16 | low
}

/// Marks the `count` smallest keys, the first among equals; the threshold is the largest that is
/// marked, nil when none is.
func select(_ count: Int, of keys: UnsafeBufferPointer<UInt32>) -> (
  threshold: UInt32?, mask: [UInt8]
) {
  guard count > 0 else { return (nil, [UInt8](repeating: 0, count: keys.count)) }
  let threshold = smallest(count, of: keys)
  let mask = [UInt8](unsafeUninitializedCapacity: keys.count) { mask, initialized in
    nonisolated(unsafe) let (keys, mask) = (keys, mask)
    let better = inParallel(keys.indices) { range in
      var better = 0
      for index in range {
        let isBetter = keys[index] < threshold
        mask.initializeElement(at: index, to: isBetter ? 1 : 0)
        better += isBetter ? 1 : 0
      }
      return better
    }.reduce(0, +)
    var ties = count - better
    for index in keys.indices where ties > 0 && keys[index] == threshold {
      mask[index] = 1
      ties -= 1
    }
    initialized = keys.count
  }
  return (threshold, mask)
}

extension ArraySlice<KeepRatio> {
  /// The ratios as numbers that order like them.
  func withKeys<Result>(_ body: (UnsafeBufferPointer<UInt32>) throws -> Result) rethrows -> Result {
    try withUnsafeBufferPointer { try $0.withMemoryRebound(to: UInt32.self, body) }
  }
}
