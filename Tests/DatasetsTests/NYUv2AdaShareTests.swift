// NYU-v2 as AdaShare published it.

import Artifacts
import Datasets
import Foundation
import TestSupport
import Testing

@Suite struct NYUv2AdaShareTests {
  private static let index = """
    {"train": [["img/1.png", "seg/1.png", "normal/1.png", "depth/1.npy"]],
     "test": [["img/2.png", "seg/2.png", "normal/2.png", "depth/2.npy"]]}
    """
  private static let image: [UInt16] = [
    1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 250, 251, 252, 253, 254, 255,
  ]
  private static let normals: [UInt16] = [
    0, 128, 255, 255, 255, 255, 255, 255, 254, 0, 0, 0, 51, 102, 153, 204, 5, 6,
  ]

  /// Two samples of 2×3, the second one's image darker by 1.
  private func write(_ folder: ForeignFolder) throws {
    try folder.write("nyu_v2_3task.json", text: Self.index)
    for number in 1...2 {
      try folder.writePNG(
        "img/\(number).png", height: 2, width: 3, Self.image.map { $0 - UInt16(number - 1) })
      try folder.writePNG("seg/\(number).png", height: 2, width: 3, [0, 39, 255, 7, 255, 1])
      try folder.writePNG("normal/\(number).png", height: 2, width: 3, Self.normals)
      try folder.writeNumpy(
        "depth/\(number).npy", shape: [2, 3],
        [1.5, 0, -1, Float.nan, .infinity, 9.25] as [Float])
    }
  }

  @Test func everyValueIsRead() throws {
    try ForeignFolder.with { folder in
      try write(folder)
      let dataset = try NYUv2AdaShare(folder.input, tasks: [.seg, .sn, .depth])
      #expect(dataset.tasks.map(\.name) == ["seg", "sn", "depth"])
      #expect(dataset.tasks.map(\.kind) == [.segmentation, .normals, .regression])
      #expect(dataset.tasks.map(\.channels) == [40, 3, 1])
      #expect(dataset.tasks.map(\.lossWeight) == [1, 20, 1])
      #expect(dataset.tasks[2].metrics == .depth)
      #expect(dataset.size == PixelSize(height: 2, width: 3))
      // Validation is on the test images, as in the published code.
      #expect(dataset.splits.map(\.split) == [.train, .validation])
      #expect(dataset.splits.map(\.names) == [["img/1.png"], ["img/2.png"]])

      let sample = try dataset.sample(0, of: .train)
      #expect(sample.image == Self.image.map { UInt8($0) })
      #expect(
        sample.targets[0]
          == TargetMap(values: [0, 39, 0, 7, 0, 1], valid: [true, true, false, true, false, true]))
      let values = Self.normals.enumerated().map {
        3..<6 ~= $0 ? 0 : Float($1) * 2 / 255 - 1
      }
      #expect(
        sample.targets[1]
          == TargetMap(values: values, valid: [true, false, true, true, true, true]))
      #expect(
        sample.targets[2]
          == TargetMap(
            values: [1.5, 0, 0, 0, 0, 9.25], valid: [true, false, false, false, false, true]))
      let second = try dataset.sample(0, of: .validation)
      #expect(second.image == Self.image.map { UInt8($0 - 1) })
    }
  }

  @Test(arguments: ByteNormals.allCases)
  func nothingIsLostInStorage(_ normals: ByteNormals) throws {
    try ForeignFolder.with { folder in
      try write(folder)
      let dataset = try NYUv2AdaShare(
        folder.input, tasks: [.depth, .seg, .sn], normals: normals)
      #expect(dataset.storage[2].encoding.signedX == (normals == .centred))
      let sample = try dataset.sample(0, of: .train)
      if normals == .raw {
        #expect(sample.targets[2].values[0..<6] == [0, 128, 255, 0, 0, 0])
      }
      let read = try stored(dataset, .train, 0)
      #expect(read.image == sample.image)
      #expect(read.targets.map(\.valid) == sample.targets.map(\.valid))
      #expect(read.targets[0] == sample.targets[0])
      #expect(read.targets[1] == sample.targets[1])
      #expect(largestDifference(read.targets[2].values, sample.targets[2].values) < 1e-6)
    }
  }

  @Test func onlyTheFilesOfTheTasksAreNeeded() throws {
    try ForeignFolder.with { folder in
      try folder.write("nyu_v2_3task.json", text: Self.index)
      try folder.writePNG("img/1.png", height: 1, width: 1, [1, 2, 3])
      try folder.writePNG("seg/1.png", height: 1, width: 1, [4])
      let dataset = try NYUv2AdaShare(folder.input, tasks: [.seg])
      #expect(try dataset.sample(0, of: .train).targets[0].values == [4])
      #expect(
        message(folder) { _ = try dataset.sample(0, of: .validation) }
          == "FOLDER/img/2.png: no such file")
    }
  }

  @Test func validationImagesLeaveTheTestImagesAlone() throws {
    try ForeignFolder.with { folder in
      let row = #"["a.png", "b", "c", "d"]"#
      try folder.writePNG("a.png", height: 1, width: 1, [1, 2, 3])
      func splits(_ json: String) throws -> [Split] {
        try folder.write("nyu_v2_3task.json", text: json)
        return try NYUv2AdaShare(folder.input, tasks: []).splits.map(\.split)
      }
      for name in ["val", "validation"] {
        #expect(
          try splits(#"{"train": [\#(row)], "\#(name)": [\#(row)], "test": [\#(row)]}"#)
            == [.train, .validation, .test])
      }
      #expect(try splits(#"{"train": [\#(row)], "val": []}"#) == [.train])
    }
  }

  @Test(arguments: [
    (nil, "no such file"),
    ("{", "not a JSON object with a list of samples per split"),
    ("[]", "not a JSON object with a list of samples per split"),
    ("{}", "lists no samples under 'train'"),
    (#"{"train": []}"#, "lists no samples under 'train'"),
    (#"{"train": "a.png"}"#, "'train' is not a list"),
    (#"{"train": [["a"]]}"#, "'train', row 1: expected 4 file names"),
    (#"{"train": [["a","b","c",4]]}"#, "'train', row 1: expected 4 file names"),
    (
      #"{"train": [["a","b","c","d"]], "test": [["a","b","c","d"],"e"]}"#,
      "'test', row 2: expected 4 file names"
    ),
    (
      #"{"train": [["a","b","c","d"]], "val": [["a","b","c","d"]], "#
        + #""validation": [["a","b","c","d"]]}"#,
      "has both 'val' and 'validation'; keep one"
    ),
  ]) func aBadIndexIsAnError(_ json: String?, _ reason: String) throws {
    try ForeignFolder.with { folder in
      if let json { try folder.write("nyu_v2_3task.json", text: json) }
      #expect(
        message(folder) { _ = try NYUv2AdaShare(folder.input, tasks: [.seg]) }
          == "FOLDER/nyu_v2_3task.json: \(reason)")
    }
  }

  @Test func aNameOutsideTheFolderIsAnError() throws {
    try ForeignFolder.with { folder in
      try folder.write("nyu_v2_3task.json", text: #"{"train": [["../a.png","b","c","d"]]}"#)
      #expect(
        message(folder) { _ = try NYUv2AdaShare(folder.input, tasks: [.seg]) }
          == "FOLDER: '../a.png' does not name a file inside this folder")
    }
  }

  @Test func badFilesAreErrors() throws {
    /// What reading the first sample says after `spoil`.
    func reason(_ spoil: (ForeignFolder) throws -> Void) throws -> String? {
      try ForeignFolder.with { folder in
        try write(folder)
        let dataset = try NYUv2AdaShare(folder.input, tasks: [.seg, .sn, .depth])
        try spoil(folder)
        return message(folder) { _ = try dataset.sample(0, of: .train) }
      }
    }
    #expect(try reason { _ in } == nil)
    #expect(
      try reason { try $0.writePNG("seg/1.png", height: 2, width: 3, [0, 1, 2, 3, 40, 5]) }
        == "FOLDER/seg/1.png: label 40 at row 1, column 1 is neither in 0...39 nor 255 for none")
    #expect(
      try reason { try $0.writePNG("seg/1.png", height: 3, width: 2, [0, 1, 2, 3, 4, 5]) }
        == "FOLDER/seg/1.png: expected 2×3 pixels, as the first image has, found 3×2")
    #expect(
      try reason { try $0.writePNG("seg/1.png", height: 2, width: 3, Self.image) }
        == "FOLDER/seg/1.png: expected a PNG of 8-bit grey, found 8-bit RGB")
    #expect(
      try reason {
        try $0.writePNG("normal/1.png", height: 2, width: 3, bitDepth: 16, Self.normals)
      } == "FOLDER/normal/1.png: expected a PNG of 8-bit RGB, found 16-bit RGB")
    #expect(
      try reason { try $0.writeNumpy("depth/1.npy", shape: [6], [Float](repeating: 1, count: 6)) }
        == "FOLDER/depth/1.npy: expected shape H×W×1 or 1×H×W or H×W, found 6")
    #expect(
      try reason {
        try $0.writeNumpy("depth/1.npy", shape: [3, 2], [Float](repeating: 1, count: 6))
      } == "FOLDER/depth/1.npy: expected 2×3 pixels, as the first image has, found 3×2")
    #expect(
      try reason { try $0.write("img/1.png", text: "hello") }?
        .hasPrefix("FOLDER/img/1.png: not a good PNG") == true)
  }

  private static let samples = ProcessInfo.processInfo.environment["DISPARSE_SAMPLES"].map {
    $0 + "/nyuv2-adashare"
  }

  @Test(
    .enabled(
      if: samples.map { FileManager.default.fileExists(atPath: $0) } ?? false,
      "needs DISPARSE_SAMPLES"))
  func publishedSamplesAreRead() throws {
    let folder = try InputFolder(Self.samples ?? "")
    let dataset = try NYUv2AdaShare(folder, tasks: [.seg, .sn, .depth])
    #expect(dataset.size == PixelSize(height: 480, width: 640))
    #expect(dataset.splits.map(\.names.count) == [2, 1])
    for (split, names) in dataset.splits {
      for index in names.indices {
        let sample = try dataset.sample(index, of: split)
        let (seg, normals, depth) = (sample.targets[0], sample.targets[1], sample.targets[2])
        #expect(sample.image.count == 480 * 640 * 3)
        // The frame around the picture is white and has no classes.
        #expect(sample.image[0..<3] == [255, 255, 255] && !seg.valid[0] && !normals.valid[0])
        #expect(seg.valid.filter { $0 }.count > 200_000)
        let lengths = normals.valid.indices.filter { normals.valid[$0] }.map { pixel in
          normals.values[pixel * 3..<pixel * 3 + 3].reduce(0) { $0 + $1 * $1 }.squareRoot()
        }.sorted()
        #expect(lengths.count > 180_000 && abs(lengths[lengths.count / 2] - 1) < 0.02)
        #expect(depth.valid.allSatisfy { $0 } && depth.values.allSatisfy { 1..<7 ~= $0 })
      }
    }
  }
}
