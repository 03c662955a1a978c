// Counting the ones of masks, eight bytes at a time and on all cores.

import Torch

/// The number of ones in a mask.
func keptCount(_ mask: [UInt8]) -> Int { keptCount(mask[...]) }

func keptCount(_ mask: ArraySlice<UInt8>) -> Int {
  mask.withUnsafeBytes { bytes in
    nonisolated(unsafe) let bytes = bytes
    let words = bytes.count / 8
    let counts = inParallel(0..<words) { range in
      var count = 0
      for word in range {
        count &+= ones(bytes.loadUnaligned(fromByteOffset: 8 * word, as: UInt64.self))
      }
      return count
    }
    return counts.reduce(0, +) + bytes.dropFirst(8 * words).reduce(0) { $0 + Int($1) }
  }
}

/// What masks over the same weights have in common.
struct Overlap {
  /// Weights that each keeps.
  private(set) var kept: [Int]
  /// Weights that all keep.
  private(set) var all = 0
  /// Weights that any keeps.
  private(set) var any = 0

  init(of masks: [ArraySlice<UInt8>]) {
    kept = masks.map { _ in 0 }
    guard let count = masks.first?.count else { return }
    let words = count / 8
    let parts = withMemory(of: masks) { masks in
      nonisolated(unsafe) let masks = masks.map { UnsafeRawBufferPointer($0) }
      return inParallel(0..<words) { Overlap(of: masks, words: $0) }
    }
    for part in parts {
      all += part.all
      any += part.any
      for mask in masks.indices { kept[mask] += part.kept[mask] }
    }
    for index in 8 * words..<count {
      let keeping = masks.indices.filter { masks[$0][masks[$0].startIndex + index] == 1 }
      for mask in keeping { kept[mask] += 1 }
      all += keeping.count == masks.count ? 1 : 0
      any += keeping.isEmpty ? 0 : 1
    }
  }

  /// Eight weights at a time, block by block, so that each mask is read once.
  private init(of masks: [UnsafeRawBufferPointer], words: Range<Int>) {
    kept = masks.map { _ in 0 }
    let block = 512
    withUnsafeTemporaryAllocation(of: UInt64.self, capacity: 2 * block) { memory in
      for start in stride(from: words.lowerBound, to: words.upperBound, by: block) {
        let size = min(block, words.upperBound - start)
        let every = UnsafeMutableBufferPointer(rebasing: memory[..<size])
        let some = UnsafeMutableBufferPointer(rebasing: memory[block..<block + size])
        every.initialize(repeating: .max)
        some.initialize(repeating: 0)
        for (index, mask) in masks.enumerated() {
          var count = 0
          for word in 0..<size {
            let bytes = mask.loadUnaligned(fromByteOffset: 8 * (start + word), as: UInt64.self)
            count &+= ones(bytes)
            every[word] &= bytes
            some[word] |= bytes
          }
          kept[index] += count
        }
        for word in 0..<size {
          all &+= ones(every[word])
          any &+= ones(some[word])
        }
      }
    }
  }
}

/// The number of ones among eight bytes that are 0 or 1: the product's highest byte is their sum.
@inline(__always) private func ones(_ bytes: UInt64) -> Int {
  Int(truncatingIfNeeded: (bytes &* 0x0101_0101_0101_0101) >> 56)
}
