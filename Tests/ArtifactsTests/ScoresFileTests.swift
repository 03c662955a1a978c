// scores.h5.

import Artifacts
import Foundation
import HDF5
import TestSupport
import Testing

@Suite struct ScoresFileTests {
  private func header(seed: UInt64? = 7) -> ScoresHeader {
    ScoresHeader(
      criterion: "static", joint: false, batches: 50, batchSize: 16, architecture: "{\"a\": 1}",
      modelDigest: "abc", seed: seed)
  }

  private let layers = [(name: "backbone.w", shape: [2, 1, 1, 1]), (name: "task1.w", shape: [3])]

  private func write(
    _ path: String, _ arrays: [NamedArray], provenance: Provenance = someProvenance
  ) throws {
    let writer = try ScoresWriter(path, header(), provenance: provenance)
    try writer.write(task: "seg", loss: 2.5, arrays)
    try writer.finish()
  }

  private let good = [
    NamedArray("task1.w", shape: [3], [3, 4, 5]),
    NamedArray("backbone.w", shape: [2, 1, 1, 1], [1, 2]),
  ]

  @Test func scoresComeBackInTheOrderThatIsAskedFor() throws {
    try withFolder { folder in
      let path = folder + "/scores.h5"
      try write(path, good)
      let file = try ScoresFile(opening: path)
      #expect(file.header == header())
      #expect(try file.tasks() == ["seg"])
      #expect(try file.scores(ofTask: "seg", layers: layers) == [1, 2, 3, 4, 5])
      #expect(try file.scores(ofTask: "seg", layers: layers.reversed()) == [3, 4, 5, 1, 2])
      #expect(try file.reader.root.group("scores/seg").attribute("loss") as Double == 2.5)
      #expect(try file.reader.computedDigest() == file.reader.recordedDigest)
    }
  }

  @Test func withoutASeedThereIsNone() throws {
    try withFolder { folder in
      let path = folder + "/scores.h5"
      try write(path, good, provenance: Provenance(createdBy: "t", command: "t"))
      #expect(try ScoresFile(opening: path).header == header(seed: nil))
    }
  }

  @Test func aNegativeSeedDoesNotCrash() throws {
    try withFolder { folder in
      let path = folder + "/scores.h5"
      let file = try File.create(path)
      for (name, value) in [
        ("format", "scores"), ("criterion", "static"), ("architecture", ""), ("model_sha256", ""),
      ] {
        try file.root.setAttribute(name, value)
      }
      for (name, value) in [
        ("format_version", 1), ("joint", 1), ("batches", -1), ("batch_size", .max), ("seed", -5),
      ] {
        try file.root.setAttribute(name, value)
      }
      try file.close()
      let header = try ScoresFile(opening: path).header
      #expect(header.joint && header.batches == -1 && header.batchSize == .max)
      #expect(header.seed == 0)
    }
  }

  @Test func whatIsClaimedIsCheckedBeforeMemoryIsSetAside() throws {
    try withFolder { folder in
      // 38 million values of which none is stored: beside a layer of another shape, that shape is told.
      let path = folder + "/scores.h5"
      let vast = [1 << 10, 1 << 12, 3, 3]
      let file = try File.create(path)
      for (name, value) in [
        ("format", "scores"), ("criterion", "static"), ("architecture", ""), ("model_sha256", ""),
      ] {
        try file.root.setAttribute(name, value)
      }
      for (name, value) in [("format_version", 1), ("joint", 0), ("batches", 1), ("batch_size", 1)]
      {
        try file.root.setAttribute(name, value)
      }
      let group = try file.root.createGroup("scores/seg")
      _ = try group.createDataset("vast", of: Float.self, shape: vast)
      _ = try group.createDataset(
        "packed", of: Float.self, shape: vast, chunk: [1, 1 << 12, 3, 3], compression: 1)
      try group.createDataset("small", of: Float.self, shape: [2]).write([1, 2])
      try file.close()
      #expect(try Data(contentsOf: URL(fileURLWithPath: path)).count < 20_000)
      let scores = try ScoresFile(opening: path)
      func reason(_ layers: [(name: String, shape: [Int])]) -> String {
        failure { _ = try scores.scores(ofTask: "seg", layers: layers) }?.reason ?? ""
      }
      #expect(
        reason([("vast", vast), ("packed", vast), ("small", [3])])
          == "claims 150994944 bytes of values, "
          + "more than the 0 stored ones can hold")
      #expect(
        reason([("small", [3]), ("vast", vast), ("packed", vast)]) == "expected shape 3, found 2")
      #expect(
        reason([("small", [2]), ("packed", vast), ("vast", vast)])
          == "claims 150994944 bytes of values, "
          + "more than the 0 stored ones can hold")
    }
  }

  @Test func largeLayersAreReadInParts() throws {
    try withFolder { folder in
      let path = folder + "/scores.h5"
      let shape = [700, 1000]
      let values = (0..<700_000).map { Float($0) }
      try write(
        path, [NamedArray("w", shape: shape, values), NamedArray("v", shape: [2], [8, 9])])
      let layers = [(name: "v", shape: [2]), (name: "w", shape: shape)]
      #expect(
        try ScoresFile(opening: path).scores(ofTask: "seg", layers: layers) == [8, 9] + values)
      // Of several faults the first is told.
      var faulty = values
      faulty[699_998] = .nan
      faulty[500_001] = -3
      try write(
        path, [NamedArray("w", shape: shape, faulty), NamedArray("v", shape: [2], [8, 9])])
      let error = failure {
        _ = try ScoresFile(opening: path).scores(ofTask: "seg", layers: layers)
      }
      #expect(error?.path == "/scores/seg/w" && error?.reason == "value 500001 is negative")
    }
  }

  @Test func scoresThatDoNotFitAreNamed() throws {
    func error(_ arrays: [NamedArray]) throws -> String {
      try withFolder { folder in
        let path = folder + "/scores.h5"
        try write(path, arrays)
        let file = try ScoresFile(opening: path)
        let error = failure { _ = try file.scores(ofTask: "seg", layers: layers) }
        return error.map { "\($0.path): \($0.reason)" } ?? ""
      }
    }
    let backbone = good[1]
    #expect(try error([backbone]) == "/scores/seg/task1.w: missing dataset")
    #expect(
      try error([backbone, NamedArray("task1.w", shape: [1, 3], [1, 2, 3])])
        == "/scores/seg/task1.w: expected shape 3, found 1×3")
    #expect(
      try error([backbone, NamedArray("task1.w", shape: [3], [1, -2, 3])])
        == "/scores/seg/task1.w: value 1 is negative")
    #expect(
      try error([backbone, NamedArray("task1.w", shape: [3], [1, 2, .nan])])
        == "/scores/seg/task1.w: value 2 is nan")
    #expect(
      try error([backbone, NamedArray("task1.w", shape: [3], [.infinity, 2, 3])])
        == "/scores/seg/task1.w: value 0 is inf")
    #expect(
      try error(good + [NamedArray("task2.w", shape: [1], [1])])
        == "/scores/seg/task2.w: not a prunable weight of this task's network")
  }

  @Test func aTaskWithoutScoresIsNamed() throws {
    try withFolder { folder in
      let path = folder + "/scores.h5"
      try write(path, good)
      let file = try ScoresFile(opening: path)
      let error = failure { _ = try file.scores(ofTask: "depth", layers: layers) }
      #expect(error?.path.hasPrefix("/scores/depth") == true)
    }
  }
}
