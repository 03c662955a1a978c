// What PNG and .npy files can be besides what the layouts promise: converted, or named.

import Artifacts
import Datasets
import Foundation
import TestSupport
import Testing

@Suite struct FormatTests {
  /// A row of the AdaShare layout of 2×3 pixels, of which `spoil` changes something.
  private func read(_ spoil: (ForeignFolder) throws -> Void) throws -> (Sample?, String?) {
    try ForeignFolder.with { folder in
      try folder.write(
        "nyu_v2_3task.json", text: #"{"train": [["i.png", "s.png", "n.png", "d.npy"]]}"#)
      try folder.writePNG("i.png", height: 2, width: 3, (0..<18).map { UInt16($0) })
      try folder.writePNG("s.png", height: 2, width: 3, [0, 1, 2, 3, 4, 5])
      try folder.writePNG("n.png", height: 2, width: 3, (0..<18).map { UInt16($0) })
      try folder.writeNumpy("d.npy", shape: [2, 3], [1, 2, 3, 4, 5, 6] as [Float])
      try spoil(folder)
      var sample: Sample?
      let text = message(folder) {
        sample = try NYUv2AdaShare(folder.input, tasks: [.seg, .sn, .depth]).sample(0, of: .train)
      }
      return (sample, text)
    }
  }

  @Test func arraysOfAnyOrderAndTypeAreConverted() throws {
    let values = [1, 2, 3, 4, 5, 6]
    func depth(_ write: (ForeignFolder) throws -> Void) throws -> [Float]? {
      try read(write).0?.targets[2].values
    }
    let expected = values.map(Float.init)
    #expect(
      try depth { try $0.writeNumpy("d.npy", shape: [2, 3], type: "<f8", values.map(Double.init)) }
        == expected)
    #expect(
      try depth {
        try $0.writeNumpy(
          "d.npy", shape: [2, 3], type: ">f4", values.map { Float($0).bitPattern.byteSwapped })
      } == expected)
    #expect(
      try depth {
        try $0.writeNumpy(
          "d.npy", shape: [2, 3], type: ">i2", values.map { Int16($0).byteSwapped })
      } == expected)
    #expect(
      try depth {
        try $0.writeNumpy("d.npy", shape: [2, 3], type: "|u1", values.map { UInt8($0) })
      }
        == expected)
    #expect(
      try depth {
        try $0.writeNumpy(
          "d.npy", shape: [2, 3], isFortran: true, [1, 4, 2, 5, 3, 6] as [Float])
      } == expected)
  }

  @Test func arraysThatAreNoNumbersAreNamed() throws {
    func reason(_ write: (ForeignFolder) throws -> Void) throws -> String? { try read(write).1 }
    #expect(
      try reason { try $0.writeNumpy("d.npy", shape: [2, 3], type: "|O", [UInt8](0..<80)) }
        == "FOLDER/d.npy: holds pickled Python objects; save it as a plain array of numbers")
    #expect(
      try reason {
        try $0.writeNumpy("d.npy", shape: [2, 3], type: "<c8", [Float](repeating: 1, count: 12))
      }
        == "FOLDER/d.npy: element type '<c8' is none that is read")
    #expect(
      try reason { try $0.writeNumpy("d.npy", shape: [2, 3], [1, 2, 3, 4, 5] as [Float]) }
        == "FOLDER/d.npy: expected 24 bytes of values, found 20")
    #expect(
      try reason {
        try $0.writeNumpy("d.npy", shape: [2, 3, 2, 1], [Float](repeating: 1, count: 12))
      }
        == "FOLDER/d.npy: expected shape H×W×1 or 1×H×W or H×W, found 2×3×2×1")
    #expect(
      try reason { try FileManager.default.removeItem(atPath: $0.path + "/d.npy") }
        == "FOLDER/d.npy: no such file")
  }

  @Test func picturesOfAnotherKindAreNamed() throws {
    func reason(_ write: (ForeignFolder) throws -> Void) throws -> String? { try read(write).1 }
    #expect(
      try reason { try $0.writePalette("s.png", height: 2, width: 3, [0, 1, 0, 1, 0, 1]) }
        == "FOLDER/s.png: is a palette PNG; grey or RGB is expected")
    #expect(
      try reason {
        try $0.writePNG("s.png", height: 2, width: 3, bitDepth: 16, [0, 1, 2, 3, 4, 5])
      }
        == "FOLDER/s.png: expected a PNG of 8-bit grey, found 16-bit grey")
    // A map of classes that was saved as a picture.
    #expect(
      try reason { try $0.writePNG("s.png", height: 2, width: 3, (0..<18).map { UInt16($0) }) }
        == "FOLDER/s.png: expected a PNG of 8-bit grey, found 8-bit RGB")
    #expect(
      try reason { folder in
        let whole = try Data(contentsOf: URL(fileURLWithPath: folder.path + "/s.png"))
        try folder.write("s.png", [UInt8](whole.prefix(whole.count - 20)))
      } == "FOLDER/s.png: not a good PNG: the file ends too early")
  }
}
