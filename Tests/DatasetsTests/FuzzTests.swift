// Damaged files of every format, 10,000 each: an error or a result, never a crash or a hang.

import Artifacts
import CDeflate
import Datasets
import Foundation
import TestSupport
import Testing

@Suite struct FuzzTests {
  private static let count = 10_000

  /// Makes the check sums of a PNG's chunks right again, so that damage gets past them.
  private func repaired(_ png: [UInt8]) -> [UInt8] {
    var result = png
    var place = 8
    while place + 12 <= result.count {
      let length = result[place..<place + 4].reduce(0) { $0 << 8 | Int($1) }
      guard length <= result.count - place - 12 else { break }
      let content = Array(result[place + 4..<place + 8 + length])
      let sum = bigEndian(libdeflate_crc32(0, content, content.count))
      result.replaceSubrange(place + 8 + length..<place + 12 + length, with: sum)
      place += 12 + length
    }
    return result
  }

  private func bytes(_ folder: ForeignFolder, _ name: String) throws -> [UInt8] {
    [UInt8](try Data(contentsOf: URL(fileURLWithPath: folder.path + "/" + name)))
  }

  /// Reads a file again and again, damaged in another way each time; some must still be good, and
  /// most must not, else nothing is tested.
  private func fuzz(
    _ folder: ForeignFolder, _ name: String, repair: ([UInt8]) -> [UInt8] = { $0 },
    read: () throws -> Void
  ) throws {
    let good = try bytes(folder, name)
    try read()
    var random = SeededRandom(99)
    var errors = 0
    for _ in 0..<Self.count {
      try folder.write(name, repair(damaged(good, &random)))
      do {
        try read()
      } catch let error as InputError {
        errors += 1
        #expect(!error.reason.isEmpty)
      } catch let error as ArtifactError {
        // A .mat file of version 7.3 is an HDF5 file.
        errors += 1
        #expect(!error.reason.isEmpty)
      }
    }
    #expect(errors > Self.count / 20 && errors <= Self.count, "\(errors)")
  }

  private func adaShare(_ folder: ForeignFolder) throws {
    let pixels = 6 * 7
    try folder.write(
      "nyu_v2_3task.json", text: #"{"train": [["i.png", "s.png", "n.png", "d.npy"]]}"#)
    try folder.writePNG(
      "i.png", height: 6, width: 7, (0..<pixels * 3).map { UInt16($0 % 256) })
    try folder.writePNG("s.png", height: 6, width: 7, (0..<pixels).map { UInt16($0 % 40) })
    try folder.writePNG(
      "n.png", height: 6, width: 7, (0..<pixels * 3).map { UInt16($0 % 200) })
    try folder.writeNumpy("d.npy", shape: [6, 7], (0..<pixels).map(Float.init))
  }

  private func readAdaShare(_ folder: ForeignFolder) throws {
    let dataset = try NYUv2AdaShare(
      folder.input, tasks: [.seg, .sn, .depth], normals: .centred)
    _ = try dataset.sample(0, of: .train)
  }

  @Test(arguments: ["i.png", "s.png", "d.npy", "nyu_v2_3task.json"])
  func aDamagedPictureArrayOrIndex(_ name: String) throws {
    try ForeignFolder.with { folder in
      try adaShare(folder)
      try fuzz(folder, name, repair: name.hasSuffix("png") ? repaired : { $0 }) {
        try readAdaShare(folder)
      }
    }
  }

  @Test func aDamagedTableOfBuildings() throws {
    try ForeignFolder.with { folder in
      try Room.write(folder, "hanson")
      try Room.write(folder, "wiconisco")
      let split = try Room.writeSplit(
        folder, "hanson,1,0,0", "merom,0,1,0", "wiconisco,0,1,0", "ihlen,0,0,1")
      try fuzz(folder, "split.csv") {
        let dataset = try TaskonomyDataset(
          folder.input, splitFile: split, tasks: [.seg], size: Room.size)
        _ = try dataset.sample(0, of: .train)
      }
    }
  }

  @Test(arguments: [false, true])
  func aDamagedMatFile(_ isCompressed: Bool) throws {
    try ForeignFolder.with { folder in
      try Official().write(folder)
      let mat = MatWriter()
      func packed(_ element: [UInt8]) -> [UInt8] {
        isCompressed ? mat.compressed(element) : element
      }
      for name in ["train.txt", "test.txt"] {
        try FileManager.default.removeItem(atPath: folder.path + "/" + name)
      }
      try folder.write(
        "splits.mat",
        mat.file(
          packed(mat.doubles("trainNdxs", [3, 1])), packed(mat.doubles("testNdxs", [2]))))
      try fuzz(folder, "splits.mat") {
        _ = try NYUv2Official(folder.input, tasks: [.seg])
      }
    }
  }

  /// An HDF5 file of numbers: libhdf5 1.10 itself reads beyond its memory where the lengths of
  /// variable-length strings are damaged, so files that have some cannot be tested like this.
  @Test func aDamagedHDF5File() throws {
    try ForeignFolder.with { folder in
      try Official().write(folder)
      try fuzz(folder, "nyu_depth_v2_labeled.mat") {
        let dataset = try NYUv2Official(folder.input, tasks: [.seg, .depth])
        for (split, names) in dataset.splits {
          for index in names.indices { _ = try dataset.sample(index, of: split) }
        }
      }
    }
  }
}
