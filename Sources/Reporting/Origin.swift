// How the page came about: every command behind it and every file with its digest, in the order in
// which they can be made again.

import Artifacts

struct Origin {
  private let models: [EvaluatedModel]
  private let command: String

  /// - Parameter command: the one that made the page.
  init(_ models: [EvaluatedModel], command: String) {
    self.models = models
    self.command = command
  }

  /// The files behind the page, inputs before what was made of them, each once.
  var files: [LineageEntry] {
    let metrics = models.map {
      LineageEntry(
        name: $0.path, sha256: $0.sha256 ?? "", command: $0.command, inputs: $0.inputs)
    }
    var known: [String: LineageEntry] = [:]
    for entry in models.flatMap(\.metrics.lineage)
    where known[entry.sha256]?.command == nil { known[entry.sha256] = entry }
    var ordered: [LineageEntry] = []
    var seen: Set<String> = []
    func add(_ entry: LineageEntry) {
      guard seen.insert(entry.sha256 + (entry.sha256.isEmpty ? entry.name : "")).inserted else {
        return
      }
      for input in entry.inputs {
        add(
          known[input.sha256]
            ?? LineageEntry(name: input.name, sha256: input.sha256, command: nil, inputs: []))
      }
      ordered.append(entry)
    }
    for entry in metrics { add(entry) }
    return ordered
  }

  /// The commands that wrote them, each once, and the page's own.
  var commands: [String] {
    var seen: Set<String> = []
    return (files.compactMap(\.command) + [command]).filter {
      !$0.isEmpty && seen.insert($0).inserted
    }
  }

  var context: [String: Any] {
    [
      "commands": commands,
      "files": files.map {
        ["name": $0.name, "sha256": $0.sha256, "isUnknown": $0.command == nil] as [String: Any]
      },
      "hasUnknown": files.contains { $0.command == nil },
    ]
  }
}
