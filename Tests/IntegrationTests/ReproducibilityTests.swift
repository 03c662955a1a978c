// The same commands give the same bytes, and a changed byte is found.

import Foundation
import HDF5
import TestSupport
import Testing

@Suite(.serialized) struct ReproducibilityTests {
  @Test("Under SOURCE_DATE_EPOCH every stage writes the same bytes again")
  func sameBytes() throws {
    let experiment = try Experiment.run().folder
    let again = try Folder()
    for (tool, arguments, output) in Experiment.stages {
      try again.succeed(tool, "\(arguments) -o \(output)", epoch: Experiment.epoch)
      #expect(try again.bytes(output) == experiment.bytes(output), "\(output)")
    }
    try again.succeed(
      .evaluate, "compare dense-metrics.h5 disparse-metrics.h5 --report report.html",
      epoch: Experiment.epoch)
    #expect(try again.bytes("report.html") == experiment.bytes("report.html"))
  }

  @Test("Scenes are the same however many threads render them, and other with another seed")
  func threads() throws {
    let folder = try Folder()
    func digest(_ options: String) throws -> String {
      try folder.succeed(
        .prepareData,
        "scenes --train 5 --validation 2 --test 0 --height 32 --width 48 \(options) -o scenes.h5")
      return try folder.open("scenes.h5").attribute("content_sha256")
    }
    let one = try digest("--seed 3 --threads 1")
    #expect(try digest("--seed 3 --threads 2") == one)
    #expect(try digest("--seed 4 --threads 1") != one)
  }

  @Test("Metrics of a constant are the same to the bit however many threads measure and fit it")
  func constantThreads() throws {
    let folder = try Folder()
    // Images of several pieces each.
    try folder.succeed(
      .prepareData, "scenes --train 9 --validation 3 --test 0 --height 96 --width 128 -o data.h5")
    try folder.succeed(
      .sparseTrain,
      "--data data.h5 --stages 1,1,1,1 --width 2 --head-width 4 --steps 0 -o model.h5")
    for threads in [1, 3] {
      try folder.succeed(
        .evaluate,
        "--data data.h5 --model model.h5 --batch-size 2 --threads \(threads) -o \(threads).h5")
    }
    let (one, three) = (try folder.open("1.h5"), try folder.open("3.h5"))
    for task in try one.group("constant").groupNames() {
      for metric in try one.group("constant/\(task)").datasetNames() {
        let path = "constant/\(task)/\(metric)"
        #expect(try one.doubles(path) == three.doubles(path), "\(path)")
        #expect(try one.doubles(path)[0].isFinite, "\(path)")
      }
    }
  }

  @Test("check --verify passes on every kind of file", arguments: Experiment.files)
  func verifies(_ file: String) throws {
    let folder = try Experiment.run().folder
    let outcome = try folder.succeed(.prepareData, "check --verify \(file)")
    let digest: String = try folder.open(file).attribute("content_sha256")
    #expect(outcome.stdout.contains("content_sha256 \(digest) verified\n"))
    #expect(outcome.stderr == "")
  }

  @Test(
    "check --verify finds a flipped bit in every kind of file",
    arguments: [
      ("dataset.h5", "/tasks/seg/class_names"), ("scores.h5", "/scores/sn/backbone.conv1.weight"),
      ("masks.h5", "/layers/density"), ("disparse.h5", "/parameters/backbone.bn1.weight"),
      ("disparse-metrics.h5", "/layers/density"),
    ])
  func flippedBit(_ file: String, _ dataset: String) throws {
    let folder = try Folder()
    try folder.add(Experiment.run().folder.path(file), as: file)
    let values = try storedBytes(of: try folder.open(file).dataset(dataset))
    var bytes = try folder.bytes(file)
    let place = try #require(bytes.range(of: values))
    bytes[place.lowerBound] ^= 1
    try folder.write(bytes, to: file)
    let outcome = try folder.run(.prepareData, "check --verify \(file)")
    #expect(outcome.status == 1)
    #expect(outcome.stdout == "")
    #expect(
      outcome.stderr == "prepare-data: \(file): content differs from content_sha256: "
        + "the file was changed or damaged\n")
  }

  @Test("check --verify finds a flipped bit in compressed images")
  func flippedBitInImages() throws {
    let folder = try Folder()
    try folder.add(Experiment.run().folder.path("dataset.h5"), as: "dataset.h5")
    var bytes = try folder.bytes("dataset.h5")
    bytes[bytes.count / 2] ^= 1
    try folder.write(bytes, to: "dataset.h5")
    let outcome = try folder.run(.prepareData, "check --verify dataset.h5")
    #expect(outcome.status == 1)
    #expect(outcome.stderr.filter(\.isNewline).count == 1)
    #expect(outcome.stderr.hasPrefix("prepare-data: dataset.h5: "))
  }

  @Test("check --verify says that there is nothing to verify with")
  func noDigest() throws {
    let inputs = try Inputs()
    let reason = try inputs.failure(
      of: .prepareData, "check --verify dataset.h5", naming: "dataset.h5")
    #expect(reason == "/@content_sha256: missing, so there is nothing to compare with")
  }

  /// Bytes of an uncompressed dataset as the file has them.
  private func storedBytes(of dataset: Dataset) throws -> Data {
    switch dataset.elementType {
    case .string: Data(try dataset.readStrings()[0].utf8)
    case .float32: try dataset.read(as: Float.self).withUnsafeBytes { Data($0) }
    default: try dataset.read(as: Double.self).withUnsafeBytes { Data($0) }
    }
  }
}
