// Arbiters: how tasks that disagree about a shared weight settle it (paper, section 3.3).

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
  guard var counts = masks.first.map(Array.init) else { return [] }
  for mask in masks.dropFirst() {
    for (weight, kept) in mask.enumerated() { counts[weight] += kept }
  }
  return counts.map { Int($0) >= votes ? 1 : 0 }
}
