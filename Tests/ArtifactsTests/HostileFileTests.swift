// Files that a stranger wrote, or a disk damaged: a result or an error, never a signal, a hang, or a
// reservation that the file's size does not justify.

import Artifacts
import CHDF5
import Foundation
import HDF5
import TestSupport
import Testing

@Suite struct HostileFileTests {
  private enum Kind: String, CaseIterable, Codable { case dataset, scores, masks, model, metrics }

  /// A small file of each kind with everything that it can hold.
  private static func write(_ kind: Kind, _ path: String) throws {
    let layers = LayerTable(
      tasks: ["seg"], rows: [.init(name: "w", weights: 4, kept: 2, iou: 0.5, taskDensities: [0.5])],
      totalIoU: 0.5, watershed: "w")
    var history = TrainingHistory(tasks: ["seg"])
    history.steps = [1]
    history.learningRates = [0.1]
    history.losses = [3]
    history.taskLosses = [("seg", [1])]
    history.seconds = [0.5]
    history.validations = [.init(step: 1, loss: 2, taskLosses: [2])]
    history.updates = [
      .init(
        step: 1, dropRate: 0.5, dropped: 1, grown: 1, densityBefore: 0.5, densityAfter: 0.5,
        agreement: 1)
    ]
    let mask = Mask("w", shape: [2, 2], [1, 0, 0, 1])
    let weights = NamedArray("w", shape: [2, 2], [1, 0, 0, 2])
    switch kind {
    case .dataset:
      let task = DatasetTask(
        name: "seg", kind: .segmentation, channels: 2, lossWeight: 1,
        classNames: ["wall", "floor"],
        classWeights: [1, 2])
      let writer = try DatasetWriter(
        path, tasks: [task], storage: [.init(.uint8, TargetEncoding(fillValue: 255))],
        provenance: someProvenance)
      let packer = try writer.begin(.train, count: 2, height: 2, width: 2)
      for name in ["a", "b"] {
        let target = TargetMap(values: [0, 1, 1, 0], valid: [true, true, true, false])
        let sample = Sample(
          height: 2, width: 2, image: [UInt8](repeating: 7, count: 12), targets: [target])
        try writer.append(packer.pack(sample), name: name)
      }
      try writer.finish()
    case .scores:
      let writer = try ScoresWriter(
        path,
        ScoresHeader(
          criterion: "static", joint: false, batches: 1, batchSize: 1, architecture: "{}",
          modelDigest: "abc", seed: 1), provenance: someProvenance)
      try writer.write(task: "seg", loss: 1, [weights])
      try writer.finish()
    case .masks:
      let slices = [MaskSlice(mask)]
      try MasksFile.write(
        path,
        MasksHeader(
          arbiter: "union", distribution: "global", sparsityTarget: 0.5, sparsity: 0.5,
          keepRatio: 0.5, architecture: "{}", modelDigest: "abc", seed: 1),
        masks: slices, taskMasks: [("seg", slices)], layers: layers, provenance: someProvenance)
    case .model:
      try ModelFile.write(
        path,
        Model(
          architecture: "{}", step: 1, parameters: [weights],
          buffers: [NamedArray("a.running_mean", shape: [1], [0.5])], masks: [mask],
          history: history, layers: layers,
          state: TrainingState(
            step: 1, optimizerSteps: 1, epoch: 0, position: 1, settings: "{}",
            firstMoments: [weights], secondMoments: [weights], bestLoss: 1,
            targetDensities: [0.5])), provenance: someProvenance)
    case .metrics:
      try MetricsFile.write(
        path,
        Metrics(
          split: .validation, images: 1,
          size: NetworkSize(
            sparsity: 0.5, parameters: 4, kept: 2, flopsDense: 8, flopsSparse: 4, bytesDense: 16,
            bytesSparse: 9),
          tasks: [
            TaskResult(
              task: "seg", kind: .segmentation, metrics: [MetricValue("miou", 0.5, constant: 0.1)],
              confusion: (2, [1, 2, 3, 4]), classNames: ["wall", "floor"])
          ], layers: layers,
          samples: ReportSamples(
            count: 1, height: 2, width: 1, images: [1, 2, 3, 4, 5, 6],
            tasks: [
              .init(
                task: "seg", target: SampleMap(values: [1, .nan], channels: 1),
                prediction: SampleMap(values: [0, 1], channels: 1), units: "1")
            ]), history: history,
          timing: Timing(
            dense: 0.5, sparse: 0.25, batchSize: 4, threads: 2, precision: "float32",
            processor: "p"),
          lineage: [LineageEntry(name: "m.h5", sha256: "ab", command: "c", inputs: [])]),
        provenance: someProvenance)
    }
  }

  /// Reads all that a tool might read of it.
  private static func read(_ kind: Kind, _ path: String) throws {
    let reader: ArtifactReader
    switch kind {
    case .dataset:
      let file = try DatasetFile(opening: path)
      reader = file.reader
      for info in file.splits {
        _ = try file.names(of: info.split)
        for index in 0..<min(info.count, 4) { _ = try file.sample(index, of: info) }
      }
    case .scores:
      let file = try ScoresFile(opening: path)
      reader = file.reader
      _ = try file.tasks()
      _ = try file.scores(ofTask: "seg", layers: [("w", [2, 2])])
    case .masks:
      let file = try MasksFile(opening: path)
      reader = file.reader
      _ = try file.reader.readLayersIfAny()
    case .model:
      let file = try ModelFile(opening: path)
      reader = file.reader
      _ = try file.history(tasks: ["seg"])
      _ = try file.state()
      _ = try file.reader.readLayersIfAny()
    case .metrics:
      reader = try ArtifactReader(opening: path, as: .metrics)
      _ = try MetricsFile.read(reader)
    }
    _ = reader.provenance
    _ = try reader.verifiedDigest()
  }

  /// Reads a file with some bytes changed.
  ///
  /// - Returns: whether that was an error.
  private static func isRefused(_ kind: Kind, _ path: String, _ bytes: [UInt8]) throws -> Bool {
    // In place: file systems send a file that was emptied to the disk.
    let descriptor = open(path, O_WRONLY)
    defer { close(descriptor) }
    _ = bytes.withUnsafeBytes { pwrite(descriptor, $0.baseAddress, $0.count, 0) }
    ftruncate(descriptor, off_t(bytes.count))
    do {
      try read(kind, path)
      return false
    } catch is ArtifactError {
      return true
    }
  }

  /// A change for the worse of every byte of a file, one after the other.
  private static func changeEveryByte(_ kind: Kind) throws {
    try withFolder { folder in
      let path = folder + "/a.h5"
      try write(kind, path)
      try read(kind, path)
      let good = [UInt8](try bytes(path))
      var random = SeededRandom(5)
      var refused = 0
      for place in good.indices {
        var changed = good
        changed[place] ^= .random(in: 1...255, using: &random)
        if try isRefused(kind, path, changed) { refused += 1 }
      }
      // Free space, times and the like may be anything.
      #expect(refused > good.count / 4, "\(refused) of \(good.count)")
    }
  }

  private static func changeAtRandom(_ kind: Kind) throws {
    try withFolder { folder in
      let path = folder + "/a.h5"
      try write(kind, path)
      let good = [UInt8](try bytes(path))
      var random = SeededRandom(99)
      var refused = 0
      for _ in 0..<10_000 {
        if try isRefused(kind, path, damaged(good, &random)) { refused += 1 }
      }
      #expect(refused > 5_000, "\(refused)")
    }
  }

  /// A signal or a hang ends the process that the test is in, and so fails it.
  @Test(.timeLimit(.minutes(10)), arguments: Kind.allCases)
  private func everyByte(_ kind: Kind) async {
    await #expect(processExitsWith: .success) { [kind] in
      alarm(500)
      try HostileFileTests.changeEveryByte(kind)
    }
  }

  @Test(.timeLimit(.minutes(10)), arguments: Kind.allCases)
  private func tenThousandChanges(_ kind: Kind) async {
    await #expect(processExitsWith: .success) { [kind] in
      alarm(500)
      try HostileFileTests.changeAtRandom(kind)
    }
  }

  // MARK: - What is refused by name

  /// A model with one parameter that `make` creates.
  private func reason(_ make: (Group) throws -> Void) throws -> String? {
    try withFolder { folder in
      let path = folder + "/m.h5"
      let file = try File.create(path)
      try file.root.setAttribute("format", "model")
      try file.root.setAttribute("format_version", 1)
      try file.root.setAttribute("architecture", "{}")
      for group in ["parameters", "buffers"] { try file.root.createGroup(group) }
      try make(try file.root.group("parameters"))
      try file.close()
      let error = failure { _ = try ModelFile(opening: path) }
      return error.map { "\($0.path): \($0.reason)" }
    }
  }

  /// A model that libhdf5 alone makes.
  ///
  /// - Parameter parameters: makes what is in that group.
  private static func writeRaw(_ path: String, _ parameters: (hid_t) -> Void) {
    let (none, scalar) = (chdf5_default(), H5Screate(H5S_SCALAR))
    let file = H5Fcreate(path, chdf5_truncate(), none, none)
    let text = H5Tcopy(chdf5_c_string())
    H5Tset_size(text, 16)
    for (name, value) in [("format", "model"), ("architecture", "{}")] {
      let attribute = H5Acreate2(file, name, text, scalar, none, none)
      H5Awrite(attribute, text, Array(value.utf8) + [UInt8](repeating: 0, count: 16))
      H5Aclose(attribute)
    }
    let version = H5Acreate2(file, "format_version", chdf5_native_int64(), scalar, none, none)
    H5Awrite(version, chdf5_native_int64(), [Int64(1)])
    H5Aclose(version)
    H5Gclose(H5Gcreate2(file, "buffers", none, none, none))
    let group = H5Gcreate2(file, "parameters", none, none, none)
    parameters(group)
    for close in [{ H5Gclose(group) }, { H5Tclose(text) }, { H5Sclose(scalar) }] { _ = close() }
    H5Fclose(file)
  }

  // In processes of their own, as ours forget how to make such links.

  @Test func valuesInAnotherFileAreNotRead() async {
    await #expect(processExitsWith: .success) {
      try withFolder { folder in
        let path = folder + "/m.h5"
        HostileFileTests.writeRaw(path) { group in
          let creation = H5Pcreate(chdf5_dataset_create())
          H5Pset_external(creation, "/etc/passwd", 0, 64)
          let space = H5Screate_simple(1, [16], nil)
          H5Dclose(
            H5Dcreate2(
              group, "w", chdf5_native_float(), space, chdf5_default(), creation, chdf5_default()))
        }
        #expect(
          failure { _ = try ModelFile(opening: path) }?.description
            == "\(path): /parameters/w: keeps its values in another file, which is not read")
      }
    }
  }

  @Test func linksIntoOtherFilesAreNotFollowed() async {
    await #expect(processExitsWith: .success) {
      try withFolder { folder in
        let (path, other) = (folder + "/m.h5", folder + "/other.h5")
        HostileFileTests.writeRaw(other) { group in
          H5Gclose(H5Gcreate2(group, "secret", chdf5_default(), chdf5_default(), chdf5_default()))
        }
        HostileFileTests.writeRaw(path) { group in
          H5Lcreate_external(
            "other.h5", "/parameters/secret", group, "w", chdf5_default(), chdf5_default())
        }
        #expect(
          failure { _ = try ModelFile(opening: path) }?.description
            == "\(path): /parameters/w: is a link into another file, which is not followed")
        // Nor through a link within the file.
        HostileFileTests.writeRaw(path) { group in
          H5Lcreate_external(
            "other.h5", "/parameters", group, "far", chdf5_default(), chdf5_default())
          H5Lcreate_soft(
            "/parameters/far/secret", group, "w", chdf5_default(), chdf5_default())
        }
        let root = try File.open(path).root
        #expect(!root.contains("parameters/w"))
        #expect(throws: HDF5Error.self) { try root.group("parameters/far/secret") }
      }
    }
  }

  @Test func aSmallFileReservesLittle() throws {
    // Never written: 4 GB of zeros, as it says.
    let claim = try reason { try $0.createDataset("w", of: Float.self, shape: [1 << 30]) }
    #expect(
      claim
        == "/parameters/w: claims 4294967296 bytes of values, more than the 0 stored ones can hold")
    let chunk = try reason {
      try $0.createDataset("w", of: Float.self, shape: [1 << 28], chunk: [1 << 28], compression: 1)
    }
    #expect(chunk?.hasPrefix("/parameters/w: claims ") == true)
  }

  @Test func aPipeIsNotWaitedFor() throws {
    try withFolder { folder in
      let path = folder + "/pipe"
      try #require(mkfifo(path, 0o600) == 0)
      #expect(
        #expect(throws: InputError.self) { try InputFile(path) }?.reason == "is not a plain file")
      #expect(failure { _ = try ModelFile(opening: path) }?.reason == "is not a plain file")
    }
  }

  @Test func shardsLieInTheMastersFolder() throws {
    try withFolder { folder in
      try FileManager.default.createDirectory(
        atPath: folder + "/in", withIntermediateDirectories: true)
      try HandmadeDataset().write(folder + "/other.h5")
      for name in ["../other.h5", folder + "/other.h5", "x/../../other.h5"] {
        var dataset = HandmadeDataset()
        dataset.spoil = { root in
          try root.remove("train/seg")
          try root.createVirtualDataset(
            "train/seg", of: .uint8, rowShape: [3, 4],
            blocks: [VirtualBlock(file: name, path: "/train/seg", rows: 2)])
        }
        let path = folder + "/in/m.h5"
        unlink(path)
        try dataset.write(path, holdsVirtual: true)
        #expect(
          failure { _ = try DatasetFile(opening: path) }?.reason
            == "its shard \(name) is not a file in its own folder, and is not read")
      }
      // Nor does anything else read through a virtual dataset.
      let path = folder + "/in/model.h5"
      let file = try File.create(path, holdsVirtual: true)
      try file.root.setAttribute("format", "model")
      try file.root.setAttribute("format_version", 1)
      try file.root.setAttribute("architecture", "{}")
      try file.root.createVirtualDataset(
        "parameters/w", of: .float32, rowShape: [3, 4],
        blocks: [VirtualBlock(file: "../other.h5", path: "/train/depth", rows: 2)])
      try file.close()
      #expect(
        failure { _ = try ModelFile(opening: path) }?.reason
          == "is virtual: its values lie in other datasets, which are not read")
    }
  }
}
