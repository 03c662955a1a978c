// The `/components` table of metrics.h5: how many weights are left of what the tasks share, and of what
// each has alone.

import HDF5

/// All prunable weights with the same owners.
public struct ComponentSize: Sendable, Equatable {
  /// The tasks that own them, or "all tasks".
  public let owners: String
  public let weights: Int
  public let kept: Int

  public var density: Double { Double(kept) / Double(weights) }

  public init(owners: String, weights: Int, kept: Int) {
    self.owners = owners
    self.weights = weights
    self.kept = kept
  }
}

extension ArtifactWriter {
  func write(_ components: [ComponentSize]) throws {
    let count = [components.count]
    _ = try root.createGroup("components")
    try writeStrings("components/owners", components.map(\.owners))
    try write("components/weights", components.map { Int64($0.weights) }, shape: count)
    try write("components/kept", components.map { Int64($0.kept) }, shape: count)
  }
}

extension ArtifactReader {
  /// Empty where the file has no such table.
  ///
  /// - Throws: ``ArtifactError`` when columns differ in length, or more is kept than there is.
  func readComponents() throws -> [ComponentSize] {
    guard root.contains("components") else { return [] }
    let group = try root.group("components")
    let owners = try group.dataset("owners").readStrings()
    func column(_ name: String) throws -> [Int] {
      let values = try group.dataset(name).read(as: Int64.self)
      guard values.count == owners.count else {
        throw error(
          "/components/" + name, "expected \(owners.count) rows, found \(values.count)")
      }
      return try values.map { try checkCount(Int($0), "/components/" + name) }
    }
    let (weights, kept) = (try column("weights"), try column("kept"))
    return try owners.indices.map {
      ComponentSize(
        owners: owners[$0], weights: weights[$0],
        kept: try checkCount(kept[$0], upTo: weights[$0], "/components/kept"))
    }
  }
}
