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
  let needed = UInt8(clamping: votes)
  return [UInt8](unsafeUninitializedCapacity: count) { merged, initialized in
    merged.initialize(repeating: 0)
    nonisolated(unsafe) let merged = merged
    for mask in masks {
      mask.withUnsafeBufferPointer { mask in
        nonisolated(unsafe) let mask = mask
        inParallel(0..<count) { range in
          for weight in range { merged[weight] &+= mask[weight] }
        }
      }
    }
    inParallel(0..<count) { range in
      for weight in range { merged[weight] = merged[weight] >= needed ? 1 : 0 }
    }
    initialized = count
  }
}
