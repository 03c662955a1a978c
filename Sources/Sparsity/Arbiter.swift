// Arbiters: how tasks that disagree about a shared weight come to one decision (paper, section 3.3).

/// The number of a weight's owners that must keep it for it to stay. A new arbiter is a case here.
public enum Arbiter: Equatable, Sendable, CustomStringConvertible {
  /// The paper's: one owner suffices, so a weight goes only by unanimity.
  case union
  case intersection
  /// More than half of the owners.
  case majority
  /// So many owners, or all of a weight that has fewer.
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

  /// The votes that a weight needs to stay: at least 1, at most `owners`.
  public func requiredVotes(ofOwners owners: Int) -> Int {
    switch self {
    case .union: 1
    case .intersection: owners
    case .majority: owners / 2 + 1
    case .atLeast(let votes): min(votes, owners)
    }
  }

  /// A weight's critical keep ratio from those of its owners: the smallest at which enough of them keep
  /// it. Masks are {critical ≤ r}, so this is the vote over masks for every r at once.
  public func decide(_ column: [KeepRatio]) -> KeepRatio {
    column.sorted()[requiredVotes(ofOwners: column.count) - 1]
  }

  /// - Throws: ``SparsityError`` when more votes are asked for than there are tasks.
  public func check(tasks: Int) throws {
    if case .atLeast(let votes) = self, votes > tasks {
      throw SparsityError("arbiter \(self) asks for more votes than there are tasks (\(tasks))")
    }
  }
}
