// The `scenes` data set.

import Artifacts
import Datasets
import Foundation
import TestSupport
import Testing

@Suite struct SceneDatasetTests {
  private static func write(
    _ path: String, _ counts: [(split: Split, count: Int)], tasks: [SceneTask] = SceneTask.allCases,
    seed: UInt64 = 4, threads: Int = 1, progress: (Int, Int) -> Void = { _, _ in }
  ) throws {
    try writeSceneDataset(
      SceneDatasetOptions(
        counts: counts, size: PixelSize(height: 24, width: 32), tasks: tasks, seed: seed,
        threads: threads),
      to: path, provenance: someProvenance, progress: progress)
  }

  @Test func theNumberOfThreadsDoesNotChangeAByte() async {
    await #expect(processExitsWith: .success) {
      setenv("SOURCE_DATE_EPOCH", "0", 1)
      try withFolder { folder in
        for threads in [1, 2] {
          try SceneDatasetTests.write(
            folder + "/\(threads).h5", [(.train, 19), (.test, 3)], threads: threads)
        }
        let first = try bytes(folder + "/1.h5")
        #expect(first.count > 10_000)
        #expect(try bytes(folder + "/2.h5") == first)
      }
    }
  }

  @Test func everySampleCanBeRead() throws {
    try withFolder { folder in
      let path = folder + "/scenes.h5"
      try Self.write(path, [(.train, 5), (.validation, 2), (.test, 1)], threads: 2)
      let file = try DatasetFile(opening: path)
      #expect(file.tasks.map(\.name) == ["seg", "sn", "depth", "keypoint", "edge"])
      #expect(file.tasks[0].classNames?.count == file.tasks[0].channels)
      #expect(file.tasks[2].metrics == .depth && file.tasks[3].metrics == .error)
      #expect(file.splits.map(\.count) == [5, 2, 1])
      #expect(try file.reader.computedDigest() == file.reader.recordedDigest)
      var images = Set<[UInt8]>()
      for info in file.splits {
        for index in 0..<info.count {
          let sample = try file.sample(index, of: info)
          images.insert(sample.image)
          let normals = sample.targets[1]
          for pixel in normals.valid.indices where normals.valid[pixel] {
            let length = normals.values[pixel * 3..<pixel * 3 + 3].reduce(0) { $0 + $1 * $1 }
            #expect(abs(length - 1) < 1e-3)
          }
          let depth = sample.targets[2]
          #expect(zip(depth.values, depth.valid).allSatisfy { $0 > 0 || !$1 })
          #expect(depth.valid.contains(true))
          #expect(sample.targets[3...].allSatisfy { $0.values.allSatisfy { 0...1 ~= $0 } })
        }
      }
      // No scene is in two splits.
      #expect(images.count == 8)
    }
  }

  @Test func tasksCanBeChosenAndKeepTheirOrder() throws {
    try withFolder { folder in
      try Self.write(folder + "/a.h5", [(.train, 1)], tasks: [.depth, .seg])
      let file = try DatasetFile(opening: folder + "/a.h5")
      #expect(file.tasks.map(\.name) == ["depth", "seg"])
      #expect(file.splits.count == 1)
      try Self.write(folder + "/b.h5", [(.train, 1)])
      let all = try DatasetFile(opening: folder + "/b.h5")
      let (a, b) = (
        try file.sample(0, of: file.info(.train)), try all.sample(0, of: all.info(.train))
      )
      #expect(a.image == b.image)
      #expect(a.targets == [b.targets[2], b.targets[0]])
    }
  }

  @Test func theSeedSettlesTheContent() throws {
    try withFolder { folder throws in
      func digest(_ seed: UInt64) throws -> String? {
        try Self.write(folder + "/a.h5", [(.train, 2)], seed: seed)
        return try ArtifactReader(opening: folder + "/a.h5").recordedDigest
      }
      #expect(try digest(1) == digest(1))
      #expect(try digest(1) != digest(2))
    }
  }

  @Test func progressCountsEveryImage() throws {
    try withFolder { folder in
      var calls: [[Int]] = []
      try Self.write(folder + "/a.h5", [(.train, 17), (.validation, 0), (.test, 2)]) {
        calls.append([$0, $1])
      }
      #expect(calls == (1...19).map { [$0, 19] })
    }
  }
}
