// Arbiters: how tasks that disagree about a shared weight settle it (paper, section 3.3).

import Torch

/// The number of tasks that must want a shared weight for it to stay.
public enum Arbiter: Equatable, Sendable, CustomStringConvertible {
  /// The paper's: one task suffices, so a weight goes only by unanimity.
  case union
  case intersection
  /// More than half of the tasks.
  case majority
  case atLeast(Int)

  /// Reads union, intersection, majority or at-least:M.
  public init?(_ text: String) {
    switch text {
    case "union": self = .union
    case "intersection": self = .intersection
    case "majority": self = .majority
    default:
      let parts = text.split(separator: ":", omittingEmptySubsequences: false)
      guard parts.count == 2, parts[0] == "at-least", let votes = Int(parts[1]), votes >= 1 else {
        return nil
      }
      self = .atLeast(votes)
    }
  }

  public var description: String {
    switch self {
    case .union: "union"
    case .intersection: "intersection"
    case .majority: "majority"
    case .atLeast(let votes): "at-least:\(votes)"
    }
  }

  /// - Throws: ``SparsityError`` when more votes are asked for than there are tasks.
  public func requiredVotes(of tasks: Int) throws -> Int {
    switch self {
    case .union: return 1
    case .intersection: return tasks
    case .majority: return tasks / 2 + 1
    case .atLeast(let votes):
      guard votes <= tasks else {
        throw SparsityError("arbiter \(self) asks for more votes than there are tasks (\(tasks))")
      }
      return votes
    }
  }
}

/// Settles shared weights by vote: a weight stays where at least `votes` tasks keep it.
///
/// - Parameter masks: per task over the same weights, 1 = kept.
public func arbitrate(_ masks: [ArraySlice<UInt8>], votes: Int) -> [UInt8] {
  guard let count = masks.first?.count else { return [] }
  return [UInt8](unsafeUninitializedCapacity: count) { merged, initialized in
    withMemory(of: masks) { arbitrate($0, votes: votes, into: merged) }
    initialized = count
  }
}

/// The same into memory, which may be uninitialized.
func arbitrate(
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

/// The whole network's mask from those of the tasks' own networks: shared weights by vote, a head's as
/// its task has them.
func assembled(_ tasks: [[UInt8]], of network: PrunableNetwork, votes: Int) -> [UInt8] {
  [UInt8](unsafeUninitializedCapacity: network.count) { merged, initialized in
    withMemory(of: tasks.map { $0[...] }) { tasks in
      let shared = 0..<network.sharedCount
      arbitrate(
        tasks.map { UnsafeBufferPointer(rebasing: $0[shared]) }, votes: votes,
        into: UnsafeMutableBufferPointer(rebasing: merged[shared]))
      for (task, head) in zip(tasks, network.heads) {
        nonisolated(unsafe) let (task, merged) = (task, merged)
        inParallel(head) { range in
          let offset = network.sharedCount - head.lowerBound
          _ = UnsafeMutableBufferPointer(rebasing: merged[range]).initialize(
            fromContentsOf: task[range.lowerBound + offset..<range.upperBound + offset])
        }
      }
    }
    initialized = network.count
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
