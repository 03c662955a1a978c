// Votes over masks, on all cores.

import Torch

/// Decides by vote: a weight stays where at least `votes` masks keep it.
///
/// - Parameter masks: over the same weights, 1 = kept.
public func arbitrate(_ masks: [ArraySlice<UInt8>], votes: Int) -> [UInt8] {
  guard let count = masks.first?.count else { return [] }
  return [UInt8](unsafeUninitializedCapacity: count) { merged, initialized in
    withMemory(of: masks) { arbitrate($0, votes: votes, into: merged) }
    initialized = count
  }
}

/// The whole network's mask from those of the tasks' own networks.
func mergedMask(_ tasks: [[UInt8]], of network: PrunableNetwork, by arbiter: Arbiter) -> [UInt8] {
  [UInt8](unsafeUninitializedCapacity: network.count) { merged, initialized in
    for section in network.sections {
      let masks = zip(section.owners, section.starts).map {
        tasks[$0][$1..<$1 + section.range.count]
      }
      withMemory(of: masks) {
        arbitrate(
          $0, votes: arbiter.requiredVotes(ofOwners: masks.count),
          into: UnsafeMutableBufferPointer(rebasing: merged[section.range]))
      }
    }
    initialized = network.count
  }
}

/// - Parameter merged: may be uninitialized.
private func arbitrate(
  _ masks: [UnsafeBufferPointer<UInt8>], votes: Int, into merged: UnsafeMutableBufferPointer<UInt8>
) {
  let needed = UInt32(clamping: votes)
  // A block's counts stay in the first cache.
  let block = 1 << 12
  nonisolated(unsafe) let (masks, merged) = (masks, merged)
  inParallel(merged.indices) { range in
    withUnsafeTemporaryAllocation(of: UInt32.self, capacity: block) { counts in
      for start in stride(from: range.lowerBound, to: range.upperBound, by: block) {
        let weights = start..<min(start + block, range.upperBound)
        let counts = UnsafeMutableBufferPointer(rebasing: counts[..<weights.count])
        counts.initialize(repeating: 0)
        for mask in masks {
          let mask = UnsafeBufferPointer(rebasing: mask[weights])
          for index in counts.indices { counts[index] &+= UInt32(mask[index]) }
        }
        let merged = UnsafeMutableBufferPointer(rebasing: merged[weights])
        for index in counts.indices {
          merged.initializeElement(at: index, to: counts[index] >= needed ? 1 : 0)
        }
      }
    }
  }
}

/// Calls `body` with the memory of all masks.
func withMemory<Result>(
  of masks: [ArraySlice<UInt8>], _ body: ([UnsafeBufferPointer<UInt8>]) -> Result
) -> Result {
  func open(_ rest: ArraySlice<ArraySlice<UInt8>>, _ opened: [UnsafeBufferPointer<UInt8>]) -> Result
  {
    guard let mask = rest.first else { return body(opened) }
    return mask.withUnsafeBufferPointer { open(rest.dropFirst(), opened + [$0]) }
  }
  return open(masks[...], [])
}
