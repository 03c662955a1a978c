// What the five kinds of file have in common: the header and its check.

import Artifacts
import Foundation
import HDF5
import TestSupport
import Testing

@Suite struct ArtifactTests {
  private func writeEmpty(_ path: String, _ kind: ArtifactKind) throws {
    try ArtifactWriter(path, kind: kind, provenance: someProvenance).finish()
  }

  @Test(arguments: ArtifactKind.allCases) func aFileSaysWhatItIs(_ kind: ArtifactKind) throws {
    try withFolder { folder in
      let path = folder + "/file.h5"
      try writeEmpty(path, kind)
      #expect(try ArtifactReader(opening: path).kind == kind)
      #expect(try ArtifactReader(opening: path, as: kind).path == path)
      let other: ArtifactKind = kind == .model ? .scores : .model
      #expect(
        failure { _ = try ArtifactReader(opening: path, as: other) }?.description
          == "\(path): expected a \(other) file, found a \(kind) file")
    }
  }

  @Test func provenanceTellsToolCommandSeedAndInputs() throws {
    try withFolder { folder in
      let (first, second) = (folder + "/first.h5", folder + "/second.h5")
      try writeEmpty(first, .scores)
      let input = try ArtifactReader(opening: first)
      var provenance = Provenance(createdBy: "merge-masks 2", command: "merge-masks a b", seed: 3)
      try provenance.add(input)
      try ArtifactWriter(second, kind: .masks, provenance: provenance).finish()
      let reader = try ArtifactReader(opening: second)
      let found = reader.provenance
      #expect(found.createdBy == "merge-masks 2" && found.command == "merge-masks a b")
      #expect(found.inputs.map(\.name) == [first])
      #expect(found.inputs.map(\.sha256) == [try input.computedDigest()])
      #expect(try reader.root.attribute("seed") as Int == 3)
      let time: String = try reader.root.attribute("created_at")
      #expect(time.wholeMatch(of: /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ/) != nil)
    }
  }

  @Test func anInputWithoutADigestIsNamedByItsBytes() throws {
    try withFolder { folder in
      let path = folder + "/data.h5"
      try HandmadeDataset().write(path)
      var provenance = someProvenance
      try provenance.add(ArtifactReader(opening: path))
      let sum = try run("/usr/bin/sha256sum", [path], in: folder)
      #expect(provenance.inputs.map(\.sha256) == [String(sum.stdout.prefix(64))])
    }
  }

  @Test func aSeedBeyondWhatHDF5HoldsDoesNotCrash() throws {
    try withFolder { folder in
      let provenance = Provenance(createdBy: "t", command: "t", seed: .max)
      try ArtifactWriter(folder + "/a.h5", kind: .model, provenance: provenance).finish()
      let seed: Int = try ArtifactReader(opening: folder + "/a.h5").root.attribute("seed")
      #expect(seed == .max)
    }
  }

  @Test func whatIsNoFileOfOursSaysSo() throws {
    try withFolder { folder in
      let path = folder + "/file.h5"
      let file = try File.create(path)
      try file.root.setAttribute("title", "mine")
      try file.close()
      #expect(
        failure { _ = try ArtifactReader(opening: path) }?.reason
          == "not a disparse file (it has no attribute 'format')")
      #expect(
        failure { _ = try ArtifactReader(opening: path, as: .masks) }?.reason
          == "not a masks file (it has no attribute 'format')")
      #expect(
        failure { _ = try ArtifactReader(opening: folder + "/none.h5") }?.reason == "no such file")
      try "hello".write(toFile: path, atomically: false, encoding: .utf8)
      let reason = failure { _ = try ArtifactReader(opening: path) }?.reason
      #expect(reason?.contains("HDF5") == true)
    }
  }

  @Test func aTruncatedFileIsAnError() throws {
    try withFolder { folder in
      let path = folder + "/file.h5"
      try HandmadeDataset().write(path)
      let whole = try bytes(path)
      for share in [0.9, 0.5, 0.1] {
        let part = whole.prefix(Int(Double(whole.count) * share))
        try part.write(to: URL(fileURLWithPath: path))
        #expect(failure { _ = try DatasetFile(opening: path) }?.file == path)
      }
    }
  }

  @Test(arguments: [2, 99, .max]) func aNewerVersionAsksForANewerTool(_ version: Int) throws {
    var dataset = HandmadeDataset()
    dataset.version = version
    #expect(
      try dataset.openingError()
        == "format_version \(version) is newer than this tool reads (1); use a newer disparse")
  }

  @Test(arguments: [0, -1, .min]) func aVersionThatNeverWasIsAnError(_ version: Int) throws {
    var dataset = HandmadeDataset()
    dataset.version = version
    #expect(try dataset.openingError() == "format_version \(version) is none that there is")
  }
}
