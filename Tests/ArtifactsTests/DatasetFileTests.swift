// dataset.h5: what is refused on opening and on reading, and with which words.

import Artifacts
import Foundation
import HDF5
import TestSupport
import Testing

@Suite struct DatasetOpeningTests {
  /// The error when the attribute or dataset that `spoil` changes is as it is then.
  private func error(
    at location: SourceLocation = #_sourceLocation, _ spoil: @escaping (Group) throws -> Void
  ) throws -> String {
    var dataset = HandmadeDataset()
    dataset.spoil = spoil
    return try dataset.openingError(location)
  }

  @Test func aDatasetByHandIsReadAsItIs() throws {
    try HandmadeDataset().open { dataset in
      #expect(dataset.tasks.map(\.name) == ["seg", "depth"])
      #expect(dataset.tasks.map(\.kind) == [.segmentation, .regression])
      #expect(dataset.tasks.map(\.channels) == [3, 1])
      #expect(dataset.tasks.map(\.lossWeight) == [1.5, 1.5])
      #expect(dataset.tasks.map(\.metrics) == [nil, .depth])
      #expect(dataset.tasks.allSatisfy { $0.classNames == nil && $0.classWeights == nil })
      let info = try dataset.info(.train)
      #expect((info.count, info.height, info.width) == (2, 3, 4))
      #expect(dataset.splits.map(\.split) == [.train])
      let sample = try dataset.sample(1, of: info)
      #expect(sample.image == [UInt8](repeating: 9, count: 36))
      #expect(sample.targets[1].values == [Float](repeating: 2, count: 12))
      #expect(sample.targets[0].valid == [Bool](repeating: true, count: 12))
    }
  }

  @Test func aSplitThatIsNotThereIsNamed() throws {
    try HandmadeDataset().open { dataset in
      let error = failure { _ = try dataset.info(.test) }
      #expect(error?.path == "/test")
      #expect(error?.reason == "missing; this data set has no such split")
    }
  }

  @Test func anotherFormatIsAnError() throws {
    var dataset = HandmadeDataset()
    dataset.format = "movie"
    #expect(try dataset.openingError() == "expected a dataset file, found a movie file")
    dataset.format = nil
    #expect(
      try dataset.openingError() == "not a dataset file (it has no attribute 'format')")
  }

  @Test func tasksMustBeNamedOnceAndDescribed() throws {
    var dataset = HandmadeDataset()
    dataset.tasks = []
    #expect(try dataset.openingError().hasPrefix("/@tasks: "))
    dataset.tasks = ["seg", "seg"]
    #expect(try dataset.openingError() == "/@tasks: names a task twice")
    dataset.tasks = ["seg", "edge"]
    #expect(try dataset.openingError() == "/tasks/edge: missing group")
  }

  @Test func aTasksAttributesAreChecked() throws {
    #expect(
      try error { try $0.group("tasks/seg").setAttribute("kind", "poetry") }
        == "/tasks/seg@kind: 'poetry' is none of segmentation, normals, regression")
    #expect(
      try error { try $0.group("tasks/depth").setAttribute("channels", 2) }
        == "/tasks/depth@channels: 2 is not in 1...1 as regression needs")
    for channels in [0, -3, 65536, .max, .min] {
      #expect(
        try error { try $0.group("tasks/seg").setAttribute("channels", channels) }
          == "/tasks/seg@channels: \(channels) is not in 1...65535 as segmentation needs")
    }
    for weight in [-0.5, .nan, .infinity] {
      #expect(
        try error { try $0.group("tasks/seg").setAttribute("loss_weight", weight) }
          == "/tasks/seg@loss_weight: \(weight) is not a number ≥ 0")
    }
    #expect(
      try error { try $0.group("tasks/depth").setAttribute("metrics", "rmse") }
        == "/tasks/depth@metrics: 'rmse' is neither depth nor error")
  }

  @Test func anAttributeOfAnotherTypeIsAnErrorAndNoCrash() throws {
    let huge = try error { try $0.group("tasks/seg").setAttribute("channels", typed: UInt64.max) }
    #expect(huge.hasPrefix("/tasks/seg@channels: "))
    let fraction = try error { try $0.group("tasks/seg").setAttribute("channels", 1e300) }
    #expect(fraction.hasPrefix("/tasks/seg@channels: "))
    let text = try error { try $0.group("tasks/seg").setAttribute("loss_weight", "heavy") }
    #expect(text.hasPrefix("/tasks/seg@loss_weight: "))
    let list = try error { try $0.setAttribute("format_version", [1, 2]) }
    #expect(list.hasPrefix("/@format_version: "))
  }

  @Test func classListsMustFitTheChannels() throws {
    #expect(
      try error { try $0.writeStrings("tasks/seg/class_names", ["a", "b"]) }
        == "/tasks/seg/class_names: expected 3 values, found 2")
    #expect(
      try error {
        try $0.createDataset("tasks/seg/class_weights", of: Float.self, shape: [4])
      } == "/tasks/seg/class_weights: expected 3 values, found 4")
    for weight: Float in [-1, .nan, .infinity] {
      #expect(
        try error {
          try $0.createDataset("tasks/seg/class_weights", of: Float.self, shape: [3])
            .write([1, weight, 1])
        } == "/tasks/seg/class_weights: a weight is not a number ≥ 0")
    }
  }

  @Test func imagesMustBeColouredBytes() throws {
    var dataset = HandmadeDataset()
    for shape in [[2, 3, 4], [2, 3, 4, 1], [2, 0, 4, 3]] {
      dataset.imageShape = shape
      let found = shape.map(String.init).joined(separator: "×")
      #expect(
        try dataset.openingError() == "/train/image: expected shape N×H×W×3, found \(found)")
    }
    dataset.imageShape = [0, 3, 4, 3]
    #expect(try dataset.openingError() == "/train/image: has no images")
    #expect(
      try error { try $0.createDataset("test/image", of: Float.self, shape: [1, 3, 4, 3]) }
        == "/test/image: expected uint8, found float32")
  }

  @Test func targetsMustLieOverTheImages() throws {
    var dataset = HandmadeDataset()
    dataset.labelShape = [2, 4, 3]
    #expect(try dataset.openingError() == "/train/seg: expected shape 2×3×4, found 2×4×3")
    dataset.labelShape = [24]
    #expect(try dataset.openingError() == "/train/seg: expected shape 2×3×4, found 24")
  }

  @Test func aMissingPartIsNamed() throws {
    let withImage: @Sendable (Group) throws -> Void = {
      try $0.createDataset("test/image", of: UInt8.self, shape: [1, 3, 4, 3])
    }
    #expect(try error { try $0.createGroup("test") } == "/test/image: missing dataset")
    #expect(try self.error(withImage) == "/test/seg: missing dataset")
    #expect(
      try error {
        try withImage($0)
        try $0.createDataset("test/seg", of: Float.self, shape: [1, 3, 4])
      } == "/test/seg: expected uint8 or uint16, found float32")
    #expect(
      try error {
        try withImage($0)
        try $0.createDataset("test/seg", of: UInt16.self, shape: [1, 3, 4])
        try $0.createDataset("test/depth", of: Double.self, shape: [1, 3, 4])
      } == "/test/depth: expected float32 or uint8 or uint16, found float64")
  }
}

@Suite struct DatasetReadingTests {
  private func sampleError(_ dataset: HandmadeDataset, sample: Int) throws -> String {
    try dataset.open { file in
      let error = failure { _ = try file.sample(sample, of: file.info(.train)) }
      return error.map { "\($0.path): \($0.reason)" } ?? ""
    }
  }

  @Test func aLabelOutOfRangeIsNamedWithItsSample() throws {
    var dataset = HandmadeDataset()
    dataset.labels[12 + 5] = 3
    #expect(
      try sampleError(dataset, sample: 1)
        == "/train/seg: sample 1: label 3 at row 1, column 1 is outside 0...2")
    try dataset.open { file in _ = try file.sample(0, of: file.info(.train)) }
  }

  @Test func aHugeLabelIsAnErrorAndNoCrash() throws {
    var dataset = HandmadeDataset()
    dataset.spoil = { try $0.dataset("train/seg").setAttribute("scale_factor", 1e30) }
    #expect(
      try sampleError(dataset, sample: 0).contains(
        "label 1e+30 at row 0, column 0 is outside 0...2"))
    dataset.spoil = { try $0.dataset("train/seg").setAttribute("scale_factor", 1e300) }
    #expect(try sampleError(dataset, sample: 0).contains("value inf at row 0, column 0"))
    dataset.spoil = { try $0.dataset("train/seg").setAttribute("add_offset", -5) }
    #expect(
      try sampleError(dataset, sample: 0).contains("label -4 at row 0, column 0 is outside 0...2"))
  }

  @Test(arguments: [Float.nan, .infinity, -.infinity])
  func aValueThatIsNotFiniteIsNamedWithItsSample(_ value: Float) throws {
    var dataset = HandmadeDataset()
    dataset.depth[6] = value
    let reason = "/train/depth: sample 0: value \(value) at row 1, column 2 is not a finite number"
    #expect(try sampleError(dataset, sample: 0) == reason)
    // Nor does a limit hide it, or a fill value that is another.
    dataset.spoil = {
      let depth = try $0.dataset("train/depth")
      try depth.setAttribute("valid_min", 0)
      try depth.setAttribute("valid_max", 10)
      try depth.setAttribute("_FillValue", typed: Float(-1))
    }
    #expect(try sampleError(dataset, sample: 0) == reason)
  }

  @Test(arguments: [Float(0), -0.0, -3])
  func aDepthNotAboveZeroIsNamedUnlessItIsNoGroundTruth(_ value: Float) throws {
    var dataset = HandmadeDataset()
    dataset.depth[12 + 7] = value
    let reason =
      "/train/depth: sample 1: depth \(value + 0) at row 1, column 3 is not above 0, and neither "
      + "valid_min nor _FillValue makes it no ground truth"
    #expect(try sampleError(dataset, sample: 1) == reason)
    for (attribute, limit) in [("valid_min", -4.0), ("_FillValue", 7), ("valid_max", -5)] {
      dataset.spoil = { try $0.dataset("train/depth").setAttribute(attribute, limit) }
      #expect(try sampleError(dataset, sample: 1) == reason, "\(attribute)")
    }
    for (attribute, limit) in [("valid_min", 0), ("valid_min", 1.5), ("_FillValue", Double(value))]
    {
      dataset.spoil = { try $0.dataset("train/depth").setAttribute(attribute, limit) }
      try dataset.open { file in
        let map = try file.sample(1, of: file.info(.train)).targets[1]
        #expect(map.valid == (0..<12).map { $0 != 7 }, "\(attribute) \(limit)")
      }
    }
    // A number that is no depth may be anything finite.
    dataset.spoil = { try $0.group("tasks/depth").setAttribute("metrics", "error") }
    try dataset.open { file in
      let values = try file.sample(1, of: file.info(.train)).targets[1].values
      #expect(values[7] == value)
    }
  }

  @Test func aFillValueThatIsNoNumberHidesNoOtherFault() throws {
    var dataset = HandmadeDataset()
    dataset.depth[3] = .nan
    dataset.depth[9] = 0
    dataset.spoil = { try $0.dataset("train/depth").setAttribute("_FillValue", typed: Float.nan) }
    #expect(
      try sampleError(dataset, sample: 0).contains("depth 0.0 at row 2, column 1 is not above 0"))
  }

  @Test(arguments: ["valid_min", "valid_max"])
  func aLimitThatIsNoNumberIsAnError(_ name: String) throws {
    var dataset = HandmadeDataset()
    dataset.spoil = { try $0.dataset("train/depth").setAttribute(name, Double.nan) }
    #expect(try dataset.openingError() == "/train/depth@\(name): is not a number")
  }

  /// Depth values and their validity, of samples that hold these numbers first.
  private func decode(_ stored: [Float], _ attributes: [String: Double]) throws -> TargetMap {
    var dataset = HandmadeDataset()
    dataset.depth.replaceSubrange(..<stored.count, with: stored)
    dataset.spoil = { root in
      // Any number may be one, not those above 0 alone.
      try root.group("tasks/depth").setAttribute("metrics", "error")
      let depth = try root.dataset("train/depth")
      for (name, value) in attributes { try depth.setAttribute(name, value) }
    }
    return try dataset.open { file in
      let map = try file.sample(0, of: file.info(.train)).targets[1]
      return TargetMap(
        values: Array(map.values.prefix(stored.count)),
        valid: Array(map.valid.prefix(stored.count)))
    }
  }

  @Test func theFillValueIsNoGroundTruth() throws {
    #expect(
      try decode([0, 1, 0], ["_FillValue": 0])
        == TargetMap(values: [0, 1, 0], valid: [false, true, false]))
    #expect(
      try decode([7, 1], ["_FillValue": 7, "scale_factor": 2, "add_offset": 1])
        == TargetMap(values: [0, 3], valid: [false, true]))
    #expect(
      try decode([.nan, 1], ["_FillValue": .nan])
        == TargetMap(values: [0, 1], valid: [false, true]))
    #expect(
      try decode([.infinity, 1], ["_FillValue": .infinity])
        == TargetMap(values: [0, 1], valid: [false, true]))
  }

  @Test func storedNumbersAreScaledAndShifted() throws {
    #expect(
      try decode([0, 2, -4], ["scale_factor": 0.5, "add_offset": 10])
        == TargetMap(values: [10, 11, 8], valid: [true, true, true]))
  }

  @Test func theLowestValueIsOutsideAndTheHighestInside() throws {
    #expect(
      try decode([0.9, 1, 1.1, 5, 5.1], ["valid_min": 1, "valid_max": 5]).valid
        == [false, false, true, true, false])
    #expect(
      try decode([1, 2, 3], ["valid_min": 10, "valid_max": 20, "scale_factor": 10]).valid
        == [false, true, false])
  }

  @Test func bytesAndShortsAreDecodedAlike() throws {
    var dataset = HandmadeDataset()
    dataset.tasks = ["seg", "depth", "edge", "sn"]
    dataset.spoil = { root in
      for (name, kind, channels) in [("edge", "regression", 1), ("sn", "normals", 3)] {
        let group = try root.createGroup("tasks/" + name)
        try group.setAttribute("kind", kind)
        try group.setAttribute("channels", channels)
        try group.setAttribute("loss_weight", 1)
      }
      let edge = try root.createDataset("train/edge", of: UInt16.self, shape: [2, 3, 4])
      try edge.write((0..<24).map { UInt16($0 == 2 ? 65535 : 1000 * $0) })
      try edge.setAttribute("_FillValue", typed: UInt16.max)
      try edge.setAttribute("scale_factor", 0.001)
      let normals = try root.createDataset("train/sn", of: UInt8.self, shape: [2, 3, 4, 3])
      try normals.write([0, 0, 0, 0, 0, 9] + [UInt8](repeating: 100, count: 66))
      try normals.setAttribute("_FillValue", typed: UInt8(0))
      try normals.setAttribute("add_offset", -100)
      try normals.setAttribute("signed_x", 1)
    }
    try dataset.open { file in
      let info = try file.info(.train)
      let targets = try file.sample(0, of: info).targets
      let expected: [Float] = (0..<12).map { $0 == 2 ? 0 : Float($0) }
      #expect(largestDifference(targets[2].values, expected) < 1e-5)
      #expect(targets[2].valid == (0..<12).map { $0 != 2 })
      // A normal is missing where all its components are.
      #expect(targets[3].valid == (0..<12).map { $0 != 0 })
      #expect(Array(targets[3].values[..<6]) == [0, 0, 0, -100, -100, -91])
      #expect(info.encoding(ofTask: 3).signedX && !info.encoding(ofTask: 2).signedX)
    }
  }

  @Test func encodingsWithNumbersOfAnyTypeDoNotCrash() throws {
    var dataset = HandmadeDataset()
    dataset.spoil = {
      let depth = try $0.dataset("train/depth")
      try depth.setAttribute("_FillValue", -1e308)
      try depth.setAttribute("valid_min", typed: Int64.min)
      try depth.setAttribute("valid_max", typed: UInt64.max)
      try depth.setAttribute("signed_x", -7)
    }
    try dataset.open { file in
      let map = try file.sample(0, of: file.info(.train)).targets[1]
      #expect(map.valid == [Bool](repeating: true, count: 12))
    }
  }

  @Test func aSampleBeyondTheEndIsAnError() throws {
    try HandmadeDataset().open { file in
      let info = try file.info(.train)
      #expect(failure { _ = try file.sample(2, of: info) } != nil)
      #expect(failure { _ = try file.sample(-1, of: info) } != nil)
    }
  }
}

@Suite struct DatasetWriterTests {
  private let tasks = [
    DatasetTask(
      name: "seg", kind: .segmentation, channels: 3, lossWeight: 1, classNames: ["a", "b", "c"],
      classWeights: [1, 0.5, 2]),
    DatasetTask(name: "sn", kind: .normals, channels: 3, lossWeight: 20),
    DatasetTask(name: "depth", kind: .regression, channels: 1, lossWeight: 2),
    DatasetTask(name: "edge", kind: .regression, channels: 1, lossWeight: 7),
  ]

  private let storage: [DatasetWriter.Storage] = [
    .init(.uint8, TargetEncoding(fillValue: 255)),
    .init(
      .uint16,
      TargetEncoding(fillValue: 65535, scaleFactor: 2.0 / 65534, addOffset: -1, signedX: true)),
    .init(.uint16, TargetEncoding(fillValue: 0, scaleFactor: 0.001, units: "m")),
    .init(.float32, TargetEncoding(fillValue: -1, validMax: 2, comment: "from images")),
  ]

  private func sample(_ seed: UInt64) -> Sample {
    var random = SeededRandom(seed)
    let pixels = 5 * 4
    let valid = (0..<4).map { _ in
      (0..<pixels).map { _ in Int.random(in: 0..<4, using: &random) > 0 }
    }
    func map(_ task: Int, _ channels: Int, _ make: (inout SeededRandom) -> Float) -> TargetMap {
      let values = (0..<pixels * channels).map { valid[task][$0 / channels] ? make(&random) : 0 }
      return TargetMap(values: values, valid: valid[task])
    }
    return Sample(
      height: 5, width: 4,
      image: (0..<pixels * 3).map { _ in .random(in: 0...255, using: &random) },
      targets: [
        map(0, 1) { Float(Int.random(in: 0..<3, using: &$0)) },
        map(1, 3) { .random(in: -1...1, using: &$0) },
        map(2, 1) { .random(in: 0.5...60, using: &$0) },
        map(3, 1) { .random(in: 0...1, using: &$0) },
      ])
  }

  @Test func samplesComeBackAsExactlyAsTheirStorageAllows() throws {
    try withFolder { folder in
      let path = folder + "/data.h5"
      let writer = try DatasetWriter(
        path, tasks: tasks, storage: storage, provenance: someProvenance)
      try writer.begin(.train, count: 3, height: 5, width: 4)
      for seed in 0..<3 { try writer.append(sample(UInt64(seed))) }
      try writer.begin(.validation, count: 1, height: 5, width: 4)
      try writer.append(sample(3))
      try writer.finish()

      let file = try DatasetFile(opening: path)
      #expect(file.tasks == tasks)
      #expect(file.splits.map(\.split) == [.train, .validation])
      #expect(file.splits.map(\.count) == [3, 1])
      #expect(try file.reader.recordedDigest == file.reader.computedDigest())
      for (task, storage) in storage.enumerated() {
        #expect(try file.info(.train).encoding(ofTask: task) == storage.encoding)
      }
      let places = (0..<3).map { (Split.train, $0) } + [(.validation, 0)]
      for (seed, (split, index)) in places.enumerated() {
        let (written, read) = (sample(UInt64(seed)), try file.sample(index, of: file.info(split)))
        #expect(read.image == written.image)
        #expect(read.targets.map(\.valid) == written.targets.map(\.valid))
        #expect(read.targets[0] == written.targets[0])
        #expect(largestDifference(read.targets[1].values, written.targets[1].values) < 1.6e-5)
        #expect(largestDifference(read.targets[2].values, written.targets[2].values) < 5.1e-4)
        #expect(read.targets[3] == written.targets[3])
      }
    }
  }

  @Test func aSampleTooFewIsAnErrorAndLeavesNothing() throws {
    try withFolder { folder in
      let path = folder + "/data.h5"
      do {
        let writer = try DatasetWriter(
          path, tasks: tasks, storage: storage, provenance: someProvenance)
        try writer.begin(.train, count: 2, height: 5, width: 4)
        try writer.append(sample(0))
        #expect(
          failure { try writer.finish() }?.description
            == "\(path): /train/image: expected 2 samples, wrote 1")
      }
      #expect(try contents(folder).isEmpty)
    }
  }

  @Test func aSampleTooManyOrTooLargeIsAnError() throws {
    func error(count: Int, height: Int) throws -> String? {
      try withFolder { folder in
        let writer = try DatasetWriter(
          folder + "/data.h5", tasks: tasks, storage: storage, provenance: someProvenance)
        try writer.begin(.train, count: count, height: height, width: 4)
        return failure { try writer.append(sample(0)) }?.path
      }
    }
    #expect(try error(count: 1, height: 4) == "/train/image")
    #expect(try error(count: 0, height: 5) == "/train/image")
  }
}
