// Cityscapes in both of its layouts, file by file.

import Artifacts
import Datasets
import Foundation
import Testing

/// A street scene of 4×6 pixels whose every number tells where it stands.
private enum Street {
  static let size = PixelSize(height: 4, width: 6)
  /// 10 to 33.
  static let labels = (0..<24).map { UInt16($0 + 10) }
  static let disparity = (0..<24).map { UInt16($0 * 300) }

  /// Red counts the pixels, green their rows, blue is the scene's number.
  static func image(_ number: UInt16) -> [UInt16] {
    (0..<24).flatMap { [$0 * 4, $0 / 6 * 10, number] }
  }

  /// Writes the files of one scene in the official layout.
  static func write(
    _ folder: ForeignFolder, _ name: String, number: UInt16 = 0, labels: [UInt16] = labels
  ) throws {
    try folder.writePNG(
      "leftImg8bit/\(name)_leftImg8bit.png", height: 4, width: 6, image(number))
    try folder.writePNG("gtFine/\(name)_gtFine_labelIds.png", height: 4, width: 6, labels)
    try folder.writePNG(
      "disparity/\(name)_disparity.png", height: 4, width: 6, bitDepth: 16, disparity)
  }
}

@Suite struct CityscapesTests {
  @Test func findsSplits() throws {
    try ForeignFolder.with { folder in
      try Street.write(folder, "train/ulm/ulm_2")
      try Street.write(folder, "train/ulm/ulm_1")
      try Street.write(folder, "train/aachen/aachen_1")
      try Street.write(folder, "val/bonn/bonn_1", number: 7)
      try folder.write("leftImg8bit/train/ulm/notes.txt", text: "no image")
      // As the public test set: with label files, but without a label.
      let unlabelled = [UInt16](repeating: 3, count: 24)
      try Street.write(folder, "test/berlin/berlin_1", labels: unlabelled)
      let dataset = try CityscapesDataset(folder.input, size: Street.size)
      #expect(dataset.splits.map(\.split) == [.train, .validation])
      #expect(
        dataset.splits.map(\.names) == [
          ["aachen/aachen_1", "ulm/ulm_1", "ulm/ulm_2"], ["bonn/bonn_1"],
        ])
      #expect(try dataset.sample(0, of: .validation).image[2] == 7)

      try Street.write(folder, "test/berlin/berlin_1")
      let labelled = try CityscapesDataset(folder.input)
      #expect(labelled.splits.map(\.split) == [.train, .validation, .test])

      try FileManager.default.removeItem(atPath: folder.path + "/gtFine/test")
      let bare = try CityscapesDataset(folder.input)
      #expect(bare.splits.map(\.split) == [.train, .validation])
      #expect(bare.size == PixelSize(height: 256, width: 512))
    }
  }

  @Test func readsEveryValue() throws {
    try ForeignFolder.with { folder in
      try Street.write(folder, "train/ulm/ulm_1", number: 9)
      let dataset = try CityscapesDataset(folder.input, size: Street.size)
      let sample = try dataset.sample(0, of: .train)
      #expect((sample.height, sample.width) == (4, 6))
      #expect(sample.image == Street.image(9).map { UInt8($0) })
      let classes: [Float] = [
        -1, 2, 3, 4, -1, -1, -1, 5, -1, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, -1, -1, 16, 17, 18,
      ]
      #expect(sample.targets[0].values == classes.map { max($0, 0) })
      #expect(sample.targets[0].valid == classes.map { $0 >= 0 })
      #expect(
        sample.targets[1].values == Street.disparity.map { $0 == 0 ? 0 : (Float($0) - 1) / 256 })
      #expect(sample.targets[1].valid == Street.disparity.map { $0 > 0 })
      #expect(try stored(dataset, .train, 0) == sample)
      #expect(
        dataset.tasks == [
          DatasetTask(
            name: "seg", kind: .segmentation, channels: 19, lossWeight: 1,
            classNames: [
              "road", "sidewalk", "building", "wall", "fence", "pole", "traffic light",
              "traffic sign", "vegetation", "terrain", "sky", "person", "rider", "car", "truck",
              "bus", "train", "motorcycle", "bicycle",
            ]),
          DatasetTask(
            name: "depth", kind: .regression, channels: 1, lossWeight: 20, metrics: .depth),
        ])
    }
  }

  @Test func resizes() throws {
    try ForeignFolder.with { folder in
      try Street.write(folder, "train/ulm/ulm_1", number: 9)
      let half = PixelSize(height: 2, width: 3)
      let sample = try CityscapesDataset(folder.input, size: half).sample(0, of: .train)
      // Each pixel of the image is the mean of four; the targets come from the first of them.
      let corners = [0, 2, 4, 12, 14, 16]
      let means = corners.flatMap { corner -> [UInt8] in
        [UInt8(corner * 4 + 14), UInt8(corner / 6 * 10 + 5), 9]
      }
      #expect(sample.image == means)
      let whole = try CityscapesDataset(folder.input, size: Street.size).sample(0, of: .train)
      for (target, original) in zip(sample.targets, whole.targets) {
        #expect(target.values == corners.map { original.values[$0] })
        #expect(target.valid == corners.map { original.valid[$0] })
      }
    }
  }

  @Test(arguments: [
    (CityscapesClasses.benchmark, (0..<19).map { Float($0) }, nil),
    (
      .categories, [0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 4, 5, 5, 6, 6, 6, 6, 6, 6],
      ["flat", "construction", "object", "nature", "sky", "human", "vehicle"]
    ),
    (.things, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1], nil),
  ])
  func classesOfLabels(_ classes: CityscapesClasses, expected: [Float], names: [String]?) throws {
    try ForeignFolder.with { folder in
      let evaluated: [UInt16] = [
        7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33,
      ]
      try Street.write(folder, "train/ulm/ulm_1", labels: evaluated + [0, 9, 18, 29, 255])
      let dataset = try CityscapesDataset(folder.input, classes: classes, size: Street.size)
      let target = try dataset.sample(0, of: .train).targets[0]
      #expect(target.values == expected + [0, 0, 0, 0, 0])
      #expect(target.valid == (0..<24).map { $0 < 19 })
      #expect(dataset.tasks[0].channels == classes.rawValue)
      if classes != .benchmark { #expect(dataset.tasks[0].classNames == names) }
    }
  }

  @Test func infinitelyFarIsNoGroundTruth() throws {
    try ForeignFolder.with { folder in
      try Street.write(folder, "train/ulm/ulm_1")
      try folder.writePNG(
        "disparity/train/ulm/ulm_1_disparity.png", height: 4, width: 6, bitDepth: 16,
        [0, 1, 2, 65535] + [UInt16](repeating: 257, count: 20))
      let dataset = try CityscapesDataset(folder.input, size: Street.size)
      let sample = try dataset.sample(0, of: .train)
      let target = sample.targets[1]
      #expect(target.valid == [false, false] + [Bool](repeating: true, count: 22))
      #expect(
        target.values == [0, 0, 1.0 / 256, 65534.0 / 256] + [Float](repeating: 1, count: 20))
      #expect(try stored(dataset, .train, 0) == sample)
    }
  }

  @Test func namesBadFiles() throws {
    try ForeignFolder.with { folder in
      let input = try folder.input
      func noImages() -> String? { message(folder) { _ = try CityscapesDataset(input) } }
      #expect(noImages() == "FOLDER/leftImg8bit/train: no images")
      try Street.write(folder, "val/ulm/ulm_1")
      #expect(noImages() == "FOLDER/leftImg8bit/train: no images")

      try Street.write(folder, "train/ulm/ulm_1")
      let dataset = try CityscapesDataset(input)
      func problem() -> String? { message(folder) { _ = try dataset.sample(0, of: .train) } }
      let disparity = "disparity/train/ulm/ulm_1_disparity.png"
      try FileManager.default.removeItem(atPath: folder.path + "/" + disparity)
      #expect(problem() == "FOLDER/\(disparity): no such file")
      try folder.writePNG(disparity, height: 4, width: 6, Street.labels)
      #expect(problem() == "FOLDER/\(disparity): expected a PNG of 16-bit grey, found 8-bit grey")
      let labels = "gtFine/train/ulm/ulm_1_gtFine_labelIds.png"
      try folder.writePNG(labels, height: 2, width: 3, [UInt16](repeating: 0, count: 6))
      #expect(problem() == "FOLDER/\(labels): 2×3 pixels, but its image has 4×6")
    }
  }
}

@Suite struct AdaShareCityscapesTests {
  /// Writes one scene of 2×3 pixels, and an index that lists it once for training and twice for
  /// validation.
  private func write(
    _ folder: ForeignFolder, image: [Float] = (0..<18).map { Float($0) / 17 },
    imageShape: [Int] = [2, 3, 3], depthShape: [Int] = [2, 3]
  ) throws {
    try folder.writeNumpy("image.npy", shape: imageShape, image)
    let depth: [Float] = [0, -1, 0.25, .infinity, .nan, 100]
    try folder.writeNumpy("depth.npy", shape: depthShape, depth)
    for classes in CityscapesClasses.allCases.map(\.rawValue) {
      let last = Float(classes - 1)
      try folder.writeNumpy("label\(classes).npy", shape: [2, 3], [-1, 0, last, last, 0, -1])
    }
    let row = #"["image.npy", "depth.npy", "label2.npy", "label7.npy", "label19.npy"]"#
    try folder.write("cityscape.json", text: #"{"train": [\#(row)], "val": [\#(row), \#(row)]}"#)
  }

  @Test(arguments: CityscapesClasses.allCases, [[2, 3], [2, 3, 1]])
  func readsEveryValue(_ classes: CityscapesClasses, depthShape: [Int]) throws {
    try ForeignFolder.with { folder in
      try write(folder, depthShape: depthShape)
      let dataset = try AdaShareCityscapes(folder.input, classes: classes)
      #expect(dataset.size == PixelSize(height: 2, width: 3))
      #expect(dataset.splits.map(\.split) == [.train, .validation])
      #expect(dataset.splits.map(\.names) == [["image.npy"], ["image.npy", "image.npy"]])
      #expect(dataset.tasks.map(\.channels) == [classes.rawValue, 1])
      #expect(dataset.tasks.map(\.lossWeight) == [1, 20])
      let sample = try dataset.sample(1, of: .validation)
      let last = Float(classes.rawValue - 1)
      #expect(
        sample
          == Sample(
            height: 2, width: 3, image: (0..<18).map { UInt8($0 * 15) },
            targets: [
              TargetMap(
                values: [0, 0, last, last, 0, 0], valid: [false, true, true, true, true, false]),
              TargetMap(
                values: [0, 0, 0.25, 0, 0, 100], valid: [false, false, true, false, false, true]),
            ]))
      #expect(try stored(dataset, .validation, 1) == sample)
    }
  }

  @Test func namesBadFiles() throws {
    try ForeignFolder.with { folder in
      func problem() -> String? {
        message(folder) { _ = try AdaShareCityscapes(folder.input).sample(0, of: .train) }
      }
      try write(folder)
      try folder.writeNumpy("label19.npy", shape: [2, 3], [0, 0, 0, 0, 19, 0] as [Float])
      #expect(
        problem() == "FOLDER/label19.npy: label 19 at row 1, column 1 is neither in 0...18 nor -1 "
          + "for none")
      try folder.writeNumpy("label19.npy", shape: [3, 2], [0, 0, 0, 0, 0, 0] as [Float])
      #expect(
        problem() == "FOLDER/label19.npy: expected 2×3 pixels, as the first image has, found 3×2")
      try write(folder, image: [Float](repeating: 255, count: 18))
      #expect(problem() == "FOLDER/image.npy: has the value 255.0; an image's are in 0...1")
      try write(folder, imageShape: [3, 6])
      #expect(
        problem() == "FOLDER/image.npy: expected shape H×W×3 or 3×H×W, found 3×6")
      try FileManager.default.removeItem(atPath: folder.path + "/image.npy")
      #expect(problem() == "FOLDER/image.npy: no such file")
      try FileManager.default.removeItem(atPath: folder.path + "/cityscape.json")
      #expect(problem() == "FOLDER/cityscape.json: no such file")
      try folder.write("cityscape.json", text: #"{"test": []}"#)
      #expect(problem() == "FOLDER/cityscape.json: lists no samples under 'train'")
    }
  }
}
