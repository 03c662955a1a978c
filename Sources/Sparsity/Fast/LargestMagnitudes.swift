// The largest of many magnitudes, in linear time and on all cores.

import Torch

/// The mask of `count` of the weights whose mask is `kind`, as ``forLargest(_:of:where:are:rank:_:)``
/// has them.
func largest(
  _ count: Int, of values: UnsafeBufferPointer<Float>, where mask: [UInt8], are kind: UInt8,
  rank: (Int) -> Int
) -> [UInt8] {
  var marks = [UInt8](repeating: 0, count: mask.count)
  marks.withUnsafeMutableBufferPointer { marks in
    nonisolated(unsafe) let marks = marks
    mask.withUnsafeBufferPointer {
      forLargest(count, of: values, where: $0, are: kind, rank: rank) { marks[$0] = 1 }
    }
  }
  return marks
}

/// Calls `body` from several threads with `count` of the weights whose mask is `kind`: those of the
/// largest magnitude, among equals those of the lowest rank. What is not a number comes last.
@inline(__always) func forLargest(
  _ count: Int, of values: UnsafeBufferPointer<Float>, where mask: UnsafeBufferPointer<UInt8>,
  are kind: UInt8, rank: (Int) -> Int, _ body: @Sendable (Int) -> Void
) {
  guard count > 0 else { return }
  nonisolated(unsafe) let (values, mask) = (values, mask)
  // Magnitudes order like their bit patterns.
  @Sendable @inline(__always) func key(_ index: Int) -> UInt32 {
    Float.infinity.bitPattern &- values[index].magnitude.bitPattern
  }
  let parts = inParallel(values.indices) { range in
    var counts = [Int](repeating: 0, count: 1 << 16)
    counts.withUnsafeMutableBufferPointer { counts in
      for index in range where mask[index] == kind { counts[Int(key(index) >> 16)] += 1 }
    }
    return counts
  }
  var missing = count
  var last: UInt32 = 0
  while last < UInt16.max {
    let size = parts.reduce(0) { $0 + $1[Int(last)] }
    if size >= missing { break }
    missing -= size
    last += 1
  }
  let edge = inParallel(values.indices) { [last] range -> [Int] in
    var edge: [Int] = []
    for index in range where mask[index] == kind {
      let digit = key(index) >> 16
      if digit < last { body(index) } else if digit == last { edge.append(index) }
    }
    return edge
  }.flatMap { $0 }
  let threshold = edge.map(key).withUnsafeBufferPointer { smallest(missing, of: $0) }
  var equal: [Int] = []
  for index in edge where key(index) <= threshold {
    if key(index) == threshold {
      equal.append(index)
    } else {
      body(index)
      missing -= 1
    }
  }
  if equal.count > missing { equal.sort { rank($0) < rank($1) } }
  for index in equal.prefix(missing) { body(index) }
}
