// Following files to the commands that made them.

import Artifacts
import Foundation
import HDF5
import TestSupport
import Testing

@Suite struct LineageTests {
  /// Writes a file of some kind that was made of others; returns itself as an input.
  private func write(_ path: String, _ command: String, from inputs: [Provenance.Input] = [])
    throws -> Provenance.Input
  {
    var provenance = Provenance(createdBy: "tests 1.0", command: command)
    for input in inputs { try provenance.add(ArtifactReader(opening: input.name)) }
    let writer = try ArtifactWriter(path, kind: .scores, provenance: provenance)
    try writer.write("values", command.utf8.map(Int64.init), shape: [command.utf8.count])
    try writer.finish()
    let digest = try ArtifactReader(opening: path).recordedDigest ?? ""
    let json = try JSONEncoder().encode(["name": path, "sha256": digest])
    return try JSONDecoder().decode(Provenance.Input.self, from: json)
  }

  @Test("Inputs are followed to the first command, each file once, nearest first")
  func chain() throws {
    try withFolder { folder in
      let data = try write(folder + "/data.h5", "make data")
      let scores = try write(folder + "/scores.h5", "make scores", from: [data])
      let model = try write(folder + "/model.h5", "make model", from: [data, scores])
      let entries = Lineage.following([data, model])
      #expect(entries.map(\.command) == ["make data", "make model", "make scores"])
      #expect(entries[1].inputs == [data, scores])
      #expect(entries.map(\.sha256) == [data, model, scores].map(\.sha256))
    }
  }

  @Test("Files that moved together are found beside each other")
  func moved() throws {
    try withFolder { folder in
      let old = folder + "/old"
      try FileManager.default.createDirectory(atPath: old, withIntermediateDirectories: true)
      let data = try write(old + "/data.h5", "make data")
      _ = try write(old + "/model.h5", "make model", from: [data])
      try FileManager.default.moveItem(atPath: old, toPath: folder + "/new")
      let model = try ArtifactReader(opening: folder + "/new/model.h5")
      var provenance = Provenance(createdBy: "tests 1.0", command: "evaluate")
      try provenance.add(model)
      #expect(
        Lineage.following(provenance.inputs).map(\.command) == ["make model", "make data"])
    }
  }

  @Test("A file that is gone, changed or no HDF5 file has no command")
  func unknown() throws {
    try withFolder { folder in
      let gone = try write(folder + "/gone.h5", "make gone")
      let changed = try write(folder + "/changed.h5", "make changed")
      let broken = try write(folder + "/broken.h5", "make broken")
      let model = try write(folder + "/model.h5", "make model", from: [gone, changed, broken])
      unlink(folder + "/gone.h5")
      _ = try write(folder + "/changed.h5", "make other")
      try Data("no HDF5".utf8).write(to: URL(fileURLWithPath: folder + "/broken.h5"))
      // Opening it would wait for a writer.
      #expect(mkfifo(folder + "/gone.h5", 0o600) == 0)
      let entries = Lineage.following([model])
      #expect(entries.map(\.command) == ["make model", nil, nil, nil])
      #expect(entries.dropFirst().allSatisfy { $0.inputs.isEmpty })
    }
  }
}
