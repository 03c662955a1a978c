// What a checkpoint that cannot be read or written is answered with.

/// A file and what is wrong with it.
public struct CheckpointError: Error, CustomStringConvertible, Sendable {
  public let file: String
  public let reason: String
  public var description: String { "\(file): \(reason)" }

  public init(file: String, _ reason: String) {
    self.file = file
    self.reason = reason
  }
}
