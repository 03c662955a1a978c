// NYU-v2 as its authors published it, with MATLAB's files.

import Artifacts
import Datasets
import HDF5
import TestSupport
import Testing

/// nyu_depth_v2_labeled.mat with three images of 4×5, and what lies beside it.
struct Official {
  static let (count, height, width) = (3, 4, 5)

  var depth: (_ image: Int, _ row: Int, _ column: Int) -> Float = { image, row, column in
    Float(100 * image + 10 * row + column) / 8
  }
  var label: (_ image: Int, _ row: Int, _ column: Int) -> UInt16 = { image, row, column in
    UInt16((image + row * 5 + column) % 4)
  }

  static func byte(_ image: Int, _ row: Int, _ column: Int, _ channel: Int) -> UInt8 {
    UInt8(80 * image + 16 * row + 3 * column + channel)
  }

  func write(_ folder: ForeignFolder) throws {
    let file = try File.create(folder.path + "/nyu_depth_v2_labeled.mat")
    let (n, h, w) = (Self.count, Self.height, Self.width)
    /// As MATLAB orders them: the axes reversed.
    func maps<T>(_ value: (Int, Int, Int) -> T) -> [T] {
      (0..<n).flatMap { image in
        (0..<w).flatMap { column in (0..<h).map { row in value(image, row, column) } }
      }
    }
    let images = (0..<n).flatMap { image in
      (0..<3).flatMap { channel in
        (0..<w).flatMap { column in
          (0..<h).map { row in Self.byte(image, row, column, channel) }
        }
      }
    }
    try file.root.createDataset("images", of: UInt8.self, shape: [n, 3, w, h]).write(images)
    try file.root.createDataset("depths", of: Float.self, shape: [n, w, h]).write(maps(depth))
    try file.root.createDataset("labels", of: UInt16.self, shape: [n, w, h]).write(maps(label))
    try file.close()
    try folder.write("train.txt", text: "3\n1\n")
    try folder.write("test.txt", text: "2\n")
    // Labels 1, 2, 3 become classes 39, none and 4.
    try folder.write("classMapping40.txt", text: "40 0 5\n")
  }

  /// Of each pixel, row by row.
  static func pixels<T>(_ value: (_ row: Int, _ column: Int) -> T) -> [T] {
    (0..<height).flatMap { row in (0..<width).map { value(row, $0) } }
  }
}

@Suite struct NYUv2OfficialTests {
  @Test func everyValueIsRead() throws {
    try ForeignFolder.with { folder in
      try Official().write(folder)
      let dataset = try NYUv2Official(folder.input, tasks: [.depth, .seg])
      #expect(dataset.tasks.map(\.name) == ["depth", "seg"])
      #expect(dataset.tasks.map(\.channels) == [1, 40])
      #expect(dataset.size == PixelSize(height: 4, width: 5))
      #expect(dataset.splits.map(\.split) == [.train, .validation])
      #expect(dataset.splits.map(\.names) == [["3", "1"], ["2"]])
      for (split, index, number) in [(Split.train, 0, 2), (.train, 1, 0), (.validation, 0, 1)] {
        let sample = try dataset.sample(index, of: split)
        let image = Official.pixels { row, column in
          (0..<3).map { Official.byte(number, row, column, $0) }
        }
        #expect(sample.image == image.flatMap { $0 })
        let depth = Official.pixels { Official().depth(number, $0, $1) }
        #expect(sample.targets[0].values == depth)
        #expect(sample.targets[0].valid == depth.map { $0 > 0 })
        let labels = Official.pixels { Official().label(number, $0, $1) }
        #expect(sample.targets[1].values == labels.map { [0, 39, 0, 4][Int($0)] })
        #expect(sample.targets[1].valid == labels.map { $0 == 1 || $0 == 3 })
        #expect(try stored(dataset, split, index) == sample)
      }
    }
  }

  @Test func normalsOfAPlaneAreComputed() throws {
    // The plane n·p = −2 in axes x right, y up, z towards the camera.
    let length = Double(0.09 + 0.04 + 0.64).squareRoot()
    let n = (x: 0.3 / length, y: 0.2 / length, z: 0.8 / length)
    var official = Official()
    official.depth = { _, row, column in
      let x = (Double(column + 1) - 325.58244941119034) / 518.85790117450188
      let y = -(Double(row + 1) - 253.73616633400465) / 519.46961112127485
      return Float(-2 / (n.x * x + n.y * y - n.z))
    }
    let plane = official.depth
    try ForeignFolder.with { folder in
      try official.write(folder)
      let dataset = try NYUv2Official(folder.input, tasks: [.sn])
      let encoding = dataset.storage[0].encoding
      #expect(
        encoding.comment?.hasPrefix("computed from depth with the official intrinsics") == true)
      #expect(encoding.signedX)
      let target = try dataset.sample(0, of: .train).targets[0]
      #expect(target.valid == Official.pixels { 1..<3 ~= $0 && 1..<4 ~= $1 })
      for pixel in target.valid.indices {
        let expected = target.valid[pixel] ? [n.x, n.y, n.z] : [0, 0, 0]
        let found = Array(target.values[pixel * 3..<pixel * 3 + 3])
        #expect(largestDifference(found, expected) < 1e-3)
      }
      #expect(try stored(dataset, .train, 0).targets[0].valid == target.valid)
    }
    // A hole takes the normals of its neighbours.
    official.depth = { $1 == 1 && $2 == 2 ? 0 : plane($0, $1, $2) }
    try ForeignFolder.with { folder in
      try official.write(folder)
      let target = try NYUv2Official(folder.input, tasks: [.sn]).sample(0, of: .train).targets[0]
      #expect(target.valid == Official.pixels { $0 == 2 && ($1 == 1 || $1 == 3) })
    }
  }

  @Test func normalsAreReadFromPictures() throws {
    try ForeignFolder.with { folder in
      try Official().write(folder)
      let bytes = (0..<60).map { UInt16($0 < 3 ? 255 : 4 * $0) }
      try folder.writePNG("normals/3.png", height: 4, width: 5, bytes)
      try folder.writePNG("normals/0001.png", height: 4, width: 5, bytes.reversed())
      try folder.writePNG("normals/0002.png", height: 5, width: 4, bytes)
      let dataset = try NYUv2Official(
        folder.input, tasks: [.sn], normals: .pictures(folder: "normals", .raw))
      #expect(dataset.storage[0].encoding == TargetEncoding(fillValue: 255))
      let first = try dataset.sample(0, of: .train).targets[0]
      #expect(first.values == bytes.map { $0 == 255 ? 0 : Float($0) })
      #expect(first.valid == (0..<20).map { $0 > 0 })
      let second = try dataset.sample(1, of: .train).targets[0]
      #expect(second.valid == (0..<20).map { $0 < 19 })
      #expect(
        message(folder) { _ = try dataset.sample(0, of: .validation) }
          == "FOLDER/normals/0002.png: expected 4×5 pixels, as the first image has, found 5×4")
      let centred = try NYUv2Official(
        folder.input, tasks: [.sn], normals: .pictures(folder: "normals", .centred))
      #expect(
        try centred.sample(0, of: .train).targets[0].values
          == bytes.map { $0 == 255 ? 0 : Float($0) * 2 / 255 - 1 })
    }
  }

  // MARK: MATLAB's files

  private static let mapping = [40.0, 0, 5]

  /// The names of the training and the validation images, and the classes of the first image,
  /// with `splits` and `mapping` as MAT files.
  private func read(_ folder: ForeignFolder, splits: [UInt8], mapping: [UInt8]) throws -> (
    names: [[String]], classes: TargetMap
  ) {
    try Official().write(folder)
    try folder.write("splits.mat", splits)
    try folder.write("classMapping40.mat", mapping)
    let dataset = try NYUv2Official(folder.input, tasks: [.seg])
    return (dataset.splits.map(\.names), try dataset.sample(0, of: .train).targets[0])
  }

  @Test(arguments: [false, true], [false, true])
  func matFilesOfEitherByteOrderAreRead(isBigEndian: Bool, isCompressed: Bool) throws {
    let mat = MatWriter(isBigEndian: isBigEndian)
    func packed(_ element: [UInt8]) -> [UInt8] { isCompressed ? mat.compressed(element) : element }
    let text = mat.element(14, mat.element(6, mat.number(UInt32(4)) + mat.number(UInt32(0))))
    let splits = mat.file(
      packed(text), packed(mat.doubles("trainNdxs", [2, 3])),
      // Doubles are stored as bytes where that loses nothing.
      packed(mat.matrix("testNdxs", count: 1, type: 2, [1])))
    try ForeignFolder.with { folder in
      let (names, classes) = try read(
        folder, splits: splits, mapping: mat.file(packed(mat.doubles("mapClass", Self.mapping))))
      #expect(names == [["2", "3"], ["1"]])
      let labels = Official.pixels { Official().label(1, $0, $1) }
      #expect(classes.values == labels.map { [0, 39, 0, 4][Int($0)] })
      #expect(classes.valid == labels.map { $0 == 1 || $0 == 3 })
    }
  }

  @Test func numbersOfAnyTypeAreRead() throws {
    let mat = MatWriter()
    let values: [(kind: Int, type: Int, bytes: [UInt8])] = [
      (8, 1, littleEndian([2, 3] as [Int8])), (9, 2, littleEndian([2, 3] as [UInt8])),
      (10, 3, littleEndian([2, 3] as [Int16])), (11, 4, littleEndian([2, 3] as [UInt16])),
      (12, 5, littleEndian([2, 3] as [Int32])), (13, 6, littleEndian([2, 3] as [UInt32])),
      (7, 7, littleEndian([2, 3] as [Float])), (6, 9, littleEndian([2, 3] as [Double])),
      (14, 12, littleEndian([2, 3] as [Int64])), (15, 13, littleEndian([2, 3] as [UInt64])),
    ]
    for (kind, type, bytes) in values {
      try ForeignFolder.with { folder in
        let splits = mat.file(
          mat.matrix("trainNdxs", count: 2, kind: kind, type: type, bytes),
          mat.doubles("testNdxs", []))
        let (names, _) = try read(
          folder, splits: splits, mapping: mat.file(mat.doubles("mapClass", Self.mapping)))
        #expect(names == [["2", "3"]])
      }
    }
  }

  @Test func badMatFilesAreErrors() throws {
    let mat = MatWriter()
    let good = mat.file(mat.doubles("trainNdxs", [1, 2]), mat.doubles("testNdxs", [3]))
    func reason(_ splits: [UInt8]) throws -> String? {
      try ForeignFolder.with { folder in
        message(folder) {
          _ = try read(
            folder, splits: splits, mapping: mat.file(mat.doubles("mapClass", Self.mapping)))
        }
      }
    }
    func named(_ reason: String) -> String { "FOLDER/splits.mat: " + reason }
    let short = named("the file ends too early, or is damaged")
    #expect(try reason(good) == nil)
    #expect(try reason([1, 2, 3]) == named("not a MATLAB file"))
    #expect(try reason([UInt8](repeating: 0, count: 200)) == named("not a MATLAB 5 file"))
    #expect(
      try reason(Array("MATLAB 7.3 MAT-file".utf8))
        == named("is a MATLAB 7.3 file; save it with -v7"))
    // Wherever it is cut, the file is damaged or lacks a variable.
    for count in 128..<good.count {
      let text = try reason(Array(good.prefix(count)))
      #expect(text == short || text?.contains("has no numeric variable") == true)
    }
    #expect(
      try reason(mat.file(mat.doubles("trainNdxs", [1])))
        == named("has no numeric variable 'testNdxs'"))
    #expect(
      try reason(
        mat.file(
          mat.matrix("trainNdxs", count: 1, flags: 0x800, type: 2, [1]),
          mat.doubles("testNdxs", [3])))
        == named("has no numeric variable 'trainNdxs'"))
    #expect(
      try reason(mat.file(mat.matrix("trainNdxs", count: 3, type: 2, [1]))) == short)
    #expect(
      try reason(mat.file(mat.number(UInt32(14)) + mat.number(UInt32.max))) == short)
    var packed = mat.compressed(mat.doubles("trainNdxs", [1, 2]))
    packed[20] ^= 0xFF
    #expect(try reason(mat.file(packed)) == named("its packed content is damaged"))
    #expect(
      try reason(mat.file(mat.compressed([UInt8](repeating: 0, count: 65 << 20))))
        == named("unpacks to more than 64 MiB"))
    #expect(
      try reason(mat.file(mat.doubles("trainNdxs", [4]), mat.doubles("testNdxs", [1])))
        == named("4 is no number of an image; there are 1...3"))
    #expect(
      try reason(mat.file(mat.doubles("trainNdxs", [1.5]), mat.doubles("testNdxs", [1])))
        == named("1.5 is no number of an image; there are 1...3"))
    #expect(
      try reason(mat.file(mat.doubles("trainNdxs", []), mat.doubles("testNdxs", [1])))
        == named("names no training images"))
  }

  @Test func whatIsMissingOrBrokenIsNamed() throws {
    func reason(_ spoil: (ForeignFolder) throws -> Void) throws -> String? {
      try ForeignFolder.with { folder in
        try Official().write(folder)
        try spoil(folder)
        return message(folder) {
          _ = try NYUv2Official(folder.input, tasks: [.seg]).sample(0, of: .train)
        }
      }
    }
    func replace(
      _ folder: ForeignFolder, images: [Int], depths: [Int], labels: [Int]
    ) throws {
      let file = try File.create(folder.path + "/nyu_depth_v2_labeled.mat")
      for (name, shape) in [("images", images), ("depths", depths), ("labels", labels)] {
        try file.root.createDataset(name, of: UInt8.self, shape: shape)
      }
      try file.close()
    }
    #expect(try reason { _ in } == nil)
    #expect(
      try reason { try $0.write("train.txt", text: "1 x") }
        == "FOLDER/train.txt: 'x' is not a number")
    #expect(
      try reason { try $0.write("test.txt", text: "0") }
        == "FOLDER/test.txt: 0 is no number of an image; there are 1...3")
    #expect(
      try reason { try $0.write("train.txt", text: "\n") }
        == "FOLDER/train.txt: names no training images")
    #expect(
      try reason { try $0.write("classMapping40.txt", text: "1, 2, 41") }
        == "FOLDER/classMapping40.txt: 41 is no class; there are 1...40, 0 none")
    #expect(
      try reason { try $0.write("classMapping40.txt", text: "1 2") }
        == "FOLDER/nyu_depth_v2_labeled.mat: image 3 has label 3; the class map knows 1...2")
    #expect(
      try reason { try $0.write("nyu_depth_v2_labeled.mat", text: "hello") }
        == "FOLDER/nyu_depth_v2_labeled.mat: not an HDF5 file")
    #expect(
      try reason { try replace($0, images: [3, 4, 5], depths: [3], labels: [3]) }
        == "FOLDER/nyu_depth_v2_labeled.mat: /images: expected shape N×3×W×H, found 3×4×5")
    #expect(
      try reason { try replace($0, images: [3, 3, 5, 4], depths: [3, 4, 5], labels: [3, 5, 4]) }
        == "FOLDER/nyu_depth_v2_labeled.mat: /depths: expected shape 3×5×4, found 3×4×5")
    try ForeignFolder.with { folder in
      func reason() -> String? {
        message(folder) { _ = try NYUv2Official(folder.input, tasks: [.seg]) }
      }
      #expect(reason() == "FOLDER/nyu_depth_v2_labeled.mat: no such file")
      try replace(folder, images: [3, 3, 5, 4], depths: [3, 5, 4], labels: [3, 5, 4])
      #expect(reason() == "FOLDER: has neither splits.mat nor train.txt")
      try folder.write("train.txt", text: "1")
      #expect(
        reason()
          == "FOLDER: has neither classMapping40.mat nor classMapping40.txt, which seg needs")
      #expect(try NYUv2Official(folder.input, tasks: [.depth]).splits.map(\.names) == [["1"]])
    }
  }
}
