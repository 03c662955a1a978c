// Where a file comes from: the tool, its command line, and the inputs with their digests.

import Foundation
import HDF5

public struct Provenance: Sendable {
  /// An input file and what it held.
  public struct Input: Codable, Equatable, Sendable {
    public let name: String
    public let sha256: String
  }

  public let createdBy: String
  public let command: String
  public let seed: UInt64?
  public private(set) var inputs: [Input] = []

  /// - Parameters:
  ///   - tool: the tool's name and version.
  ///   - command: the command line as run.
  public init(createdBy tool: String, command: String, seed: UInt64? = nil) {
    createdBy = tool
    self.command = command
    self.seed = seed
  }

  /// Records an input by its `content_sha256`, or by its bytes where it has none.
  @discardableResult
  public mutating func add(_ input: ArtifactReader) throws -> Input {
    let input = Input(name: input.path, sha256: try input.recordedDigest ?? fileDigest(input.path))
    inputs.append(input)
    return input
  }

  /// Records an input that is none of our files, by its bytes.
  public mutating func add(file path: String) throws {
    inputs.append(Input(name: path, sha256: try fileDigest(path)))
  }

  func write(to root: Group, kind: ArtifactKind) throws {
    try root.setAttribute("format", kind.rawValue)
    try root.setAttribute("format_version", ArtifactKind.formatVersion)
    try root.setAttribute("created_by", createdBy)
    try root.setAttribute("command", command)
    try root.setAttribute("created_at", Provenance.timestamp())
    if let seed { try root.setAttribute("seed", Int(clamping: seed)) }
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    try root.setAttribute(
      "inputs", String(decoding: try encoder.encode(inputs), as: UTF8.self))
  }

  /// ISO 8601 in UTC; SOURCE_DATE_EPOCH fixes it (reproducible-builds.org).
  private static func timestamp() -> String {
    let epoch = ProcessInfo.processInfo.environment["SOURCE_DATE_EPOCH"].flatMap(Int.init)
    // To the end of the year 9999, the last that ISO 8601 writes in four digits.
    let date = epoch.flatMap {
      (0...253_402_300_799).contains($0) ? Date(timeIntervalSince1970: Double($0)) : nil
    }
    return (date ?? Date()).ISO8601Format()
  }
}

extension ArtifactReader {
  public var provenance: (createdBy: String?, command: String?, inputs: [Provenance.Input]) {
    let json: String? = try? root.attribute("inputs")
    let inputs = json.flatMap {
      try? JSONDecoder().decode([Provenance.Input].self, from: Data($0.utf8))
    }
    return (
      try? root.attribute("created_by"), try? root.attribute("command"), inputs ?? []
    )
  }
}
