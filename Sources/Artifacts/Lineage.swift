// How a file came about: the commands behind its inputs, behind theirs, and so on.

import Foundation

/// A file that another one was made from, and how it was made itself.
public struct LineageEntry: Codable, Equatable, Sendable {
  /// As the command that read it named it.
  public let name: String
  public let sha256: String
  /// The command that wrote it; nil where the file was not found, or had changed since.
  public let command: String?
  public let inputs: [Provenance.Input]

  public init(name: String, sha256: String, command: String?, inputs: [Provenance.Input]) {
    self.name = name
    self.sha256 = sha256
    self.command = command
    self.inputs = inputs
  }
}

public enum Lineage {
  /// Follows inputs to the files that they name, and those files' inputs in turn, as long as a file
  /// has the recorded digest and is readable under its name, or beside the file that names it.
  ///
  /// - Returns: every file once, nearest first.
  public static func following(_ inputs: [Provenance.Input]) -> [LineageEntry] {
    var entries: [LineageEntry] = []
    var waiting = inputs.map { (input: $0, folder: "") }
    var seen: Set<String> = []
    while !waiting.isEmpty {
      let (input, folder) = waiting.removeFirst()
      guard seen.insert(input.sha256).inserted else { continue }
      let places = [input.name, folder + (input.name as NSString).lastPathComponent]
      let reader = places.lazy.compactMap { try? ArtifactReader(opening: $0) }
        .first { $0.recordedDigest == input.sha256 }
      let provenance = reader?.provenance
      entries.append(
        LineageEntry(
          name: input.name, sha256: input.sha256, command: provenance?.command,
          inputs: provenance?.inputs ?? []))
      if let reader, let provenance {
        let folder = (reader.path as NSString).deletingLastPathComponent
        waiting += provenance.inputs.map { ($0, folder.isEmpty ? "" : folder + "/") }
      }
    }
    return entries
  }

  /// What an attribute can hold: HDF5 allows 64 KiB.
  private static let largestSize = 60_000

  /// As JSON; without the farthest files where it would be too long.
  static func json(_ entries: [LineageEntry]) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    var entries = entries
    var data = try encoder.encode(entries)
    while data.count > largestSize, !entries.isEmpty {
      entries.removeLast(max(1, entries.count / 8))
      data = try encoder.encode(entries)
    }
    return String(decoding: data, as: UTF8.self)
  }

  /// None where the text is none of ``json(_:)``'s.
  static func entries(json: String) -> [LineageEntry] {
    guard json.utf8.count <= largestSize else { return [] }
    return (try? JSONDecoder().decode([LineageEntry].self, from: Data(json.utf8))) ?? []
  }
}
