// Taskonomy in both of its layouts, file by file, and its table of buildings.

import Artifacts
import Datasets
import Foundation
import Testing

/// Rooms of 4×4 pixels.
enum Room {
  static let size = PixelSize(height: 4, width: 4)
  static let image = (0..<48).map { UInt16($0 * 5) }
  static let classes = (0..<16).map { UInt16($0 + 2) }
  static let normals = (0..<48).map { UInt16($0 * 4) }
  static let depth: [UInt16] = [
    0, 1, 2, 100, 1000, 5000, 10000, 20000, 30000, 40000, 50000, 60000, 64499, 64500, 65000,
    65535,
  ]
  static let keypoint: [UInt16] = [
    0, 1, 2, 100, 200, 300, 327, 328, 400, 1000, 65535, 0, 0, 0, 0, 0,
  ]
  static let edge = keypoint.map { $0 &* 15 }

  /// Writes all pictures of a view.
  ///
  /// - Parameter folder: of a building and domain.
  static func write(
    _ input: ForeignFolder, _ building: String, _ view: String = "point_0_view_1",
    segmentation: [UInt16] = classes,
    folder: (_ building: String, _ domain: String) -> String = { "\($1)/taskonomy/\($0)" }
  ) throws {
    func write(_ domain: String, inNames: String? = nil, bitDepth: Int = 8, _ samples: [UInt16])
      throws
    {
      let name = "\(folder(building, domain))/\(view)_domain_\(inNames ?? domain).png"
      try input.writePNG(name, height: 4, width: 4, bitDepth: bitDepth, samples)
    }
    try write("rgb", image)
    try write("segment_semantic", inNames: "segmentsemantic", segmentation)
    try write("normal", normals)
    try write("depth_zbuffer", bitDepth: 16, depth)
    try write("keypoints2d", bitDepth: 16, keypoint)
    try write("edge_texture", bitDepth: 16, edge)
  }

  static func writeSplit(_ input: ForeignFolder, _ rows: String...) throws -> String {
    try input.write("split.csv", text: (["id,train,val,test"] + rows).joined(separator: "\r"))
    return input.path + "/split.csv"
  }
}

@Suite struct TaskonomyTests {
  @Test(arguments: [false, true])
  func readsEveryValue(asReleased: Bool) throws {
    try ForeignFolder.with { folder in
      if asReleased {
        try Room.write(folder, "hanson") {
          "\($0)_\($1 == "segment_semantic" ? "segmentsemantic" : $1)"
        }
      } else {
        try Room.write(folder, "hanson")
      }
      let split = try Room.writeSplit(folder, "hanson,1,0,0")
      let dataset = try TaskonomyDataset(folder.input, splitFile: split, size: Room.size)
      #expect(dataset.splits.map(\.names) == [["hanson/point_0_view_1"]])
      #expect(dataset.missingBuildings.isEmpty)
      let sample = try dataset.sample(0, of: .train)
      #expect(sample.image == Room.image.map { UInt8($0) })
      let everywhere = [Bool](repeating: true, count: 16)
      #expect(
        sample.targets[0]
          == TargetMap(values: Room.classes.map { Float($0) - 1 }, valid: everywhere))
      #expect(
        sample.targets[1]
          == TargetMap(values: Room.normals.map { Float($0) * 2 / 255 - 1 }, valid: everywhere))
      let hits = Room.depth.map { $0 > 0 && $0 < 64500 }
      #expect(sample.targets[2].valid == hits)
      for (value, stored) in zip(sample.targets[2].values, Room.depth) {
        let expected = stored < 64500 ? log(1 + Double(stored)) / log(65536) : 0
        #expect(abs(Double(value) - expected) < 1e-6)
      }
      for (target, stored, highest) in [
        (sample.targets[3], Room.keypoint, 0.005), (sample.targets[4], Room.edge, 0.08),
      ] {
        #expect(target.valid == everywhere)
        for (value, stored) in zip(target.values, stored) {
          let expected = min(Double(stored) / 65536, highest) / highest * 2 - 1
          #expect(abs(Double(value) - expected) < 1e-6)
        }
      }

      let read = try stored(dataset, .train, 0)
      #expect(read.image == sample.image)
      for (read, original) in zip(read.targets, sample.targets) {
        #expect(read.valid == original.valid)
        // Half a step of 16 bits over −1...1.
        #expect(zip(read.values, original.values).allSatisfy { abs($0 - $1) < 1.6e-5 })
      }
    }
  }

  @Test func describesTasks() throws {
    try ForeignFolder.with { folder in
      try Room.write(folder, "hanson")
      let split = try Room.writeSplit(folder, "hanson,1,0,0")
      let weights = (0..<17).map { Double($0) / 4 }
      try folder.writeNumpy("weights.npy", shape: [17], type: "<f8", weights)
      func regression(_ name: String, _ weight: Double) -> DatasetTask {
        DatasetTask(
          name: name, kind: .regression, channels: 1, lossWeight: weight, metrics: .error)
      }
      let dataset = try TaskonomyDataset(
        folder.input, splitFile: split, classWeights: folder.path + "/weights.npy")
      #expect(dataset.size == PixelSize(height: 256, width: 256))
      #expect(
        dataset.tasks == [
          DatasetTask(
            name: "seg", kind: .segmentation, channels: 17, lossWeight: 1,
            classWeights: weights.map { Float($0) }),
          DatasetTask(name: "sn", kind: .normals, channels: 3, lossWeight: 3),
          regression("depth", 2), regression("keypoint", 7), regression("edge", 7),
        ])
      let some = try TaskonomyDataset(
        folder.input, splitFile: split, tasks: [.edge, .seg], size: Room.size)
      #expect(some.tasks.map(\.name) == ["edge", "seg"])
      let targets = try some.sample(0, of: .train).targets
      #expect(targets.count == 2)
      #expect(targets[1].values == Room.classes.map { Float($0) - 1 })
    }
  }

  @Test func uncertainClasses() throws {
    try ForeignFolder.with { folder in
      try Room.write(
        folder, "hanson", segmentation: [0, 1, 17] + [UInt16](repeating: 2, count: 13))
      let split = try Room.writeSplit(folder, "hanson,1,0,0")
      for isBackground in [false, true] {
        let target = try TaskonomyDataset(
          folder.input, splitFile: split, tasks: [.seg], size: Room.size,
          uncertainIsBackground: isBackground
        ).sample(0, of: .train).targets[0]
        #expect(target.values == [0, 0, 16] + [Float](repeating: 1, count: 13))
        #expect(target.valid == [isBackground] + [Bool](repeating: true, count: 15))
      }
    }
  }

  @Test func resizesToTheNearest() throws {
    try ForeignFolder.with { folder in
      try Room.write(folder, "hanson")
      let split = try Room.writeSplit(folder, "hanson,1,0,0")
      let sample = try TaskonomyDataset(
        folder.input, splitFile: split, size: PixelSize(height: 2, width: 3)
      ).sample(0, of: .train)
      #expect((sample.height, sample.width) == (2, 3))
      let sources = [0, 1, 2, 8, 9, 10]
      let components = sources.flatMap { Array($0 * 3..<$0 * 3 + 3) }
      #expect(sample.image == components.map { UInt8(Room.image[$0]) })
      #expect(sample.targets[0].values == sources.map { Float(Room.classes[$0]) - 1 })
      let normals = components.map { Float(Room.normals[$0]) * 2 / 255 - 1 }
      #expect(sample.targets[1].values == normals)
    }
  }

  @Test func findsBuildings() throws {
    try ForeignFolder.with { folder in
      try Room.write(folder, "hanson", "point_2_view_0")
      try Room.write(folder, "hanson", "point_1_view_3")
      try Room.write(folder, "merom") { "\($0)_\($1)" }
      try Room.write(folder, "darden")
      try Room.write(folder, "elsewhere")
      try folder.write("rgb/taskonomy/hanson/thumbs.db", text: "")
      let split = try Room.writeSplit(
        folder, "darden,0,1,0", "hanson,1,0,0", "ihlen,0,0,1", "merom,1,0,0", "onaga,1,0,0",
        "elsewhere,0,0,0", "")
      let dataset = try TaskonomyDataset(folder.input, splitFile: split, size: Room.size)
      #expect(dataset.splits.map(\.split) == [.train, .validation])
      #expect(
        dataset.splits.map(\.names) == [
          ["hanson/point_1_view_3", "hanson/point_2_view_0", "merom/point_0_view_1"],
          ["darden/point_0_view_1"],
        ])
      #expect(dataset.missingBuildings == ["ihlen", "onaga"])
      #expect(try dataset.sample(2, of: .train) == dataset.sample(0, of: .validation))
    }
  }

  @Test func namesBadFiles() throws {
    try ForeignFolder.with { folder in
      try Room.write(folder, "hanson")
      let split = try Room.writeSplit(folder, "hanson,1,0,0", "ihlen,0,1,0")
      func problem(split: String, classWeights: String? = nil) -> String? {
        message(folder) {
          _ = try TaskonomyDataset(
            folder.input, splitFile: split, size: Room.size, classWeights: classWeights
          ).sample(0, of: .train)
        }
      }
      let weights = folder.path + "/weights.npy"
      for values in [[1, 2, 3], [Float](repeating: -1, count: 17)] {
        try folder.writeNumpy("weights.npy", shape: [values.count], values)
        #expect(
          problem(split: split, classWeights: weights)
            == "FOLDER/weights.npy: expected 17 weights, all ≥ 0")
      }
      let segmentation =
        "segment_semantic/taskonomy/hanson/point_0_view_1_domain_segmentsemantic.png"
      try folder.writePNG(
        segmentation, height: 4, width: 4, [1, 2, 18] + [UInt16](repeating: 0, count: 13))
      #expect(
        problem(split: split) == "FOLDER/\(segmentation): label 18 at row 0, column 2 is neither "
          + "in 0...17 nor 0 for none")
      try folder.writePNG(segmentation, height: 2, width: 4, [UInt16](repeating: 1, count: 8))
      #expect(
        problem(split: split) == "FOLDER/\(segmentation): 2×4 pixels, but its image has 4×4")
      try FileManager.default.removeItem(atPath: folder.path + "/" + segmentation)
      #expect(problem(split: split) == "FOLDER/\(segmentation): no such file")
      try FileManager.default.removeItem(atPath: folder.path + "/segment_semantic")
      #expect(
        problem(split: split)
          == "FOLDER: building hanson has no folder segment_semantic or segmentsemantic")

      let other = try Room.writeSplit(folder, "hanson,0,1,0", "ihlen,1,0,0")
      #expect(
        message(folder) {
          _ = try TaskonomyDataset(folder.input, splitFile: other, tasks: [.sn])
        } == "FOLDER: no pictures of any training building of FOLDER/split.csv")
    }
  }
}

@Suite struct TaskonomySplitTests {
  @Test(arguments: ["\r", "\n", "\r\n"])
  func endsOfLines(_ end: String) throws {
    try ForeignFolder.with { folder in
      for building in ["a", "b", "c", "d"] { try Room.write(folder, building) }
      let rows = ["id,train,val,test", "a,1,0,0", "b,0,1,0", "c, 0, 0, 1", "e,0,1,0", "d,0,0,0"]
      for text in [rows.joined(separator: end), (rows + [""]).joined(separator: end)] {
        try folder.write("split.csv", text: text)
        let dataset = try TaskonomyDataset(folder.input, splitFile: folder.path + "/split.csv")
        #expect(dataset.splits.map(\.split) == [.train, .validation, .test])
        #expect(
          dataset.splits.map(\.names) == [
            ["a/point_0_view_1"], ["b/point_0_view_1"], ["c/point_0_view_1"],
          ])
        #expect(dataset.missingBuildings == ["e"])
      }
    }
  }

  @Test(arguments: [
    ("", "line 1: expected the header id,train,val,test"),
    ("id,train\na,1", "line 1: expected the header id,train,val,test"),
    ("id,train,val,test\na,1,0", "line 2: expected a building and three times 0 or 1"),
    ("id,train,val,test\n,1,0,0", "line 2: expected a building and three times 0 or 1"),
    ("id,train,val,test\n\na,yes,0,0", "line 3: expected a building and three times 0 or 1"),
    ("id,train,val,test\na,1,0,0\na,1,0,0", "line 3: a is listed twice"),
    ("id,train,val,test\na,1,1,0", "line 2: a is in several splits"),
  ])
  func namesBadLines(_ text: String, _ expected: String) throws {
    try ForeignFolder.with { folder in
      try folder.write("split.csv", text: text)
      #expect(
        message(folder) {
          _ = try TaskonomyDataset(folder.input, splitFile: folder.path + "/split.csv")
        } == "FOLDER/split.csv: \(expected)")
    }
  }
}

private let samples = ProcessInfo.processInfo.environment["DISPARSE_SAMPLES"]
  .map { $0 + "/taskonomy" }
  .flatMap { FileManager.default.fileExists(atPath: $0) ? $0 : nil }

@Suite(.enabled(if: samples != nil, "needs DISPARSE_SAMPLES"))
struct TaskonomySamplesTests {
  @Test func officialTables() throws {
    let samples = try #require(samples)
    try ForeignFolder.with { folder in
      for building in ["hanson", "ranchester", "wiconisco", "mcdade"] {
        try Room.write(folder, building)
      }
      let dataset = try TaskonomyDataset(
        folder.input, splitFile: samples + "/train_val_test_tiny.csv", tasks: [.seg],
        classWeights: samples + "/semseg_prior_factor.npy")
      #expect(
        dataset.splits.map(\.names) == [
          ["hanson/point_0_view_1", "ranchester/point_0_view_1"], ["wiconisco/point_0_view_1"],
          ["mcdade/point_0_view_1"],
        ])
      // Of 35 in all.
      #expect(dataset.missingBuildings.count == 31)
      let weights = try #require(dataset.tasks[0].classWeights)
      #expect(weights.count == 17)
      #expect(weights[0] == 0.54241015)
      #expect(weights[16] == 9.13736169)
    }
  }
}
