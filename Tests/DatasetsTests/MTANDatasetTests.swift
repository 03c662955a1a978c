// NYU-v2 and Cityscapes as MTAN published them.

import Artifacts
import Datasets
import TestSupport
import Testing

@Suite struct MTANDatasetTests {
  /// 3×2×3, pixel by pixel.
  private static let bytes: [Float] = [
    0, 1, 2, 3, 4, 5, 6, 7, 8, 100, 101, 102, 200, 201, 202, 253, 254, 255,
  ]
  private static let labels: [Float] = [-1, 0, 1, 12, -1, 3]
  private static let depth: [Float] = [0, 1.5, -1, 9.25, .nan, 0.125]
  private static let normals: [Float] = [
    0, 0, 0, 0, 0, 1, -1, 0, 0, 0.6, -0.8, 0, .nan, 0, 1, 0, 1.005, 0,
  ]

  /// Channels×H×W of H×W×channels.
  private static func planes(_ values: [Float]) -> [Float] {
    (0..<3).flatMap { channel in stride(from: channel, to: values.count, by: 3).map { values[$0] } }
  }

  /// A sample of 3×2 in one of the orders of axes.
  private func write(
    _ folder: ForeignFolder, _ sample: String, number: Int, channelsFirst: Bool = false,
    scale: Float = 1.0 / 255
  ) throws {
    func path(_ kind: String) -> String { "\(sample)/\(kind)/\(number).npy" }
    func ordered(_ values: [Float]) -> [Float] { channelsFirst ? Self.planes(values) : values }
    let shape = channelsFirst ? [3, 3, 2] : [3, 2, 3]
    try folder.writeNumpy(path("image"), shape: shape, ordered(Self.bytes.map { $0 * scale }))
    try folder.writeNumpy(path("label"), shape: [3, 2], Self.labels)
    try folder.writeNumpy(
      path("depth"), shape: channelsFirst ? [1, 3, 2] : [3, 2, 1], Self.depth)
    try folder.writeNumpy(path("normal"), shape: shape, ordered(Self.normals))
  }

  @Test(arguments: [false, true], [1.0 / 255, 1])
  func everyValueIsRead(channelsFirst: Bool, scale: Double) throws {
    try ForeignFolder.with { folder in
      for sample in ["train", "val"] {
        try write(
          folder, sample, number: 0, channelsFirst: channelsFirst, scale: Float(scale))
      }
      let dataset = try MTANDataset(folder.input, tasks: [.sn, .depth, .seg], classes: 13)
      #expect(dataset.tasks.map(\.name) == ["sn", "depth", "seg"])
      #expect(dataset.tasks.map(\.channels) == [3, 1, 13])
      #expect(dataset.tasks.map(\.lossWeight) == [20, 1, 1])
      #expect(dataset.storage[1].encoding.units == "m")
      #expect(dataset.size == PixelSize(height: 3, width: 2))
      #expect(dataset.splits.map(\.split) == [.train, .validation])
      #expect(dataset.splits.map(\.names) == [["train/image/0.npy"], ["val/image/0.npy"]])
      for split in [Split.train, .validation] {
        let sample = try dataset.sample(0, of: split)
        #expect(sample.image == Self.bytes.map { UInt8($0) })
        #expect(
          sample.targets[0]
            == TargetMap(
              values: [0, 0, 0, 0, 0, 1, -1, 0, 0, 0.6, -0.8, 0, 0, 0, 0, 0, 1, 0],
              valid: [false, true, true, true, false, true]))
        #expect(
          sample.targets[1]
            == TargetMap(
              values: [0, 1.5, 0, 9.25, 0, 0.125], valid: [false, true, false, true, false, true]))
        #expect(
          sample.targets[2]
            == TargetMap(
              values: [0, 0, 1, 12, 0, 3], valid: [false, true, true, true, false, true]))
        let read = try stored(dataset, split, 0)
        #expect(read.image == sample.image && read.targets[1...] == sample.targets[1...])
        #expect(read.targets[0].valid == sample.targets[0].valid)
        #expect(largestDifference(read.targets[0].values, sample.targets[0].values) < 1.6e-5)
      }
    }
  }

  @Test func samplesAreInNumericOrder() throws {
    try ForeignFolder.with { folder in
      for number in [10, 9, 0, 2] { try write(folder, "train", number: number) }
      try folder.write("train/image/mean.npy", text: "")
      try folder.write("train/image/3.npy.bak", text: "")
      let dataset = try MTANDataset(folder.input, tasks: [.seg], classes: 13)
      #expect(dataset.splits.map(\.split) == [.train])
      #expect(
        dataset.splits[0].names == [0, 2, 9, 10].map { "train/image/\($0).npy" })
    }
  }

  @Test func cityscapesHasDisparitiesAndOtherClasses() throws {
    try ForeignFolder.with { folder in
      try write(folder, "train", number: 0)
      try folder.writeNumpy(
        "train/label/0.npy", shape: [3, 2], type: "|i1", [-1, 0, 6, 5, 4, 3] as [Int8])
      try folder.writeNumpy("train/depth/0.npy", shape: [3, 2], Self.depth)
      let dataset = try MTANDataset(
        folder.input, tasks: [.seg, .depth], classes: 7, depth: .disparity)
      #expect(dataset.tasks.map(\.channels) == [7, 1])
      #expect(dataset.tasks.map(\.lossWeight) == [1, 20])
      #expect(dataset.storage[1].encoding.units == nil)
      let sample = try dataset.sample(0, of: .train)
      #expect(sample.targets[0].values == [0, 0, 6, 5, 4, 3])
      #expect(sample.targets[1].valid == [false, true, false, true, false, true])
    }
  }

  @Test func badFilesAreErrors() throws {
    /// What opening and reading says after `spoil`.
    func reason(_ spoil: (ForeignFolder) throws -> Void) throws -> String? {
      try ForeignFolder.with { folder in
        for number in 0...1 { try write(folder, "train", number: number) }
        try spoil(folder)
        return message(folder) {
          let dataset = try MTANDataset(folder.input, tasks: [.seg, .sn, .depth], classes: 13)
          _ = try dataset.sample(1, of: .train)
        }
      }
    }
    let ones = [Float](repeating: 1, count: 18)
    #expect(try reason { _ in } == nil)
    #expect(
      try reason { try $0.writeNumpy("train/image/0.npy", shape: [3, 6], ones) }
        == "FOLDER/train/image/0.npy: expected shape H×W×3 or 3×H×W, found 3×6")
    #expect(
      try reason { try $0.writeNumpy("train/image/0.npy", shape: [0, 6, 3], [] as [Float]) }
        == "FOLDER/train/image/0.npy: expected shape H×W×3 or 3×H×W, found 0×6×3")
    #expect(
      try reason { try $0.writeNumpy("train/image/1.npy", shape: [1, 6, 3], ones) }
        == "FOLDER/train/image/1.npy: expected 3×2 pixels, as the first image has, found 1×6")
    #expect(
      try reason {
        try $0.writeNumpy("train/image/1.npy", shape: [3, 2, 3], ones.map { $0 * .nan })
      } == "FOLDER/train/image/1.npy: has the value nan; an image cannot")
    #expect(
      try reason {
        try $0.writeNumpy("train/label/1.npy", shape: [3, 2], [0, 1, 2, 3, 13, 5] as [Float])
      }
        == "FOLDER/train/label/1.npy: label 13 at row 2, column 0 is neither in 0...12 nor -1 for "
        + "none")
    #expect(
      try reason {
        try $0.writeNumpy("train/label/1.npy", shape: [3, 2], [0, 0.5, 2, 3, 1, 5] as [Float])
      }
        == "FOLDER/train/label/1.npy: label 0.5 at row 0, column 1 is neither in 0...12 nor -1 "
        + "for none")
    #expect(
      try reason {
        try $0.writeNumpy("train/normal/1.npy", shape: [3, 2, 3], ones.map { $0 * 255 })
      }
        == "FOLDER/train/normal/1.npy: has the value 255.0; components of normals are in -1...1")
    #expect(
      try reason { try $0.write("train/depth/1.npy", text: "hello, world") }
        == "FOLDER/train/depth/1.npy: not an .npy file")
    try ForeignFolder.with { folder in
      try write(folder, "val", number: 0)
      #expect(
        message(folder) { _ = try MTANDataset(folder.input, tasks: [.seg], classes: 13) }
          == "FOLDER/train/image: has no files 0.npy, 1.npy, ...")
    }
  }
}
