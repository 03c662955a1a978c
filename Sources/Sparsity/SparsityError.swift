// What can go wrong between scores and masks.

/// Why scores cannot become masks.
public struct SparsityError: Error, CustomStringConvertible, Sendable {
  public let description: String

  public init(_ description: String) { self.description = description }
}
