// Datasets: types, slabs, chunks, strings, damage, threads.

import Foundation
import HDF5
import Testing

@Suite struct DatasetTests {
  @Test func everyScalar() throws {
    try withNewFile { file in
      func roundTrip<T: HDF5Scalar & Equatable>(_ values: [T]) throws {
        let dataset = try file.root.createDataset(T.typeName, of: T.self, shape: [values.count])
        try dataset.write(values)
        #expect(try dataset.read(as: T.self) == values)
        let again = try file.root.dataset(T.typeName)
        #expect(again.elementType == T.elementType)
        #expect(again.elementType.description == T.typeName)
        #expect(try again.read(as: Double.self).count == values.count)
      }
      try roundTrip([-1.5, .infinity, .leastNonzeroMagnitude] as [Float])
      try roundTrip([-1.5, .infinity, .pi] as [Double])
      try roundTrip([.min, 0, .max] as [Int8])
      try roundTrip([.min, 0, .max] as [Int16])
      try roundTrip([.min, 0, .max] as [Int32])
      try roundTrip([.min, 0, .max] as [Int64])
      try roundTrip([.min, 7, .max] as [UInt8])
      try roundTrip([.min, 7, .max] as [UInt16])
      try roundTrip([.min, 7, .max] as [UInt32])
      try roundTrip([.min, 7, .max] as [UInt64])
      #expect(try file.root.dataset("uint16").read(as: Float.self) == [0, 7, 65535])
    }
  }

  @Test func reopened() throws {
    try withFolder { folder in
      let values = (0..<24).map { Float($0) }
      let file = try File.create(folder + "/a.h5")
      try file.root.createDataset(
        "x", of: Float.self, shape: [4, 6], chunk: [3, 100], compression: 9
      ).write(values)
      try file.root.createDataset("y", of: Float.self, shape: [4, 6]).write(values)
      try file.root.createDataset("scalar", of: Float.self, shape: []).write([3 as Float])
      try file.close()

      let root = try File.open(folder + "/a.h5").root
      let x = try root.dataset("x")
      #expect(x.shape == [4, 6] && x.count == 24 && x.chunk == [3, 6] && !x.isVirtual)
      #expect(try x.read(as: Float.self) == values)
      #expect((1..<96).contains(try root.dataset("x").storageSize()))
      let y = try root.dataset("y")
      #expect(y.chunk == nil && y.storageSize() == 96)
      #expect(try root.dataset("scalar").shape == [])
      #expect(try root.dataset("scalar").read(as: Int64.self) == [3])
      #expect(!reason { try x.write(values) }.isEmpty)
      #expect(!reason { try root.createGroup("g") }.isEmpty)
    }
  }

  @Test(arguments: [nil, [2, 4]]) func slabs(chunk: [Int]?) throws {
    try withNewFile { file in
      let dataset = try file.root.createDataset(
        "x", of: Int32.self, shape: [4, 6], chunk: chunk)
      #expect(try dataset.read(as: Int32.self) == [Int32](repeating: 0, count: 24))
      try dataset.write((0..<24).map { Int32($0) })
      #expect(
        try dataset.read(as: Int32.self, offset: [1, 2], count: [2, 3]) == [8, 9, 10, 14, 15, 16])
      try ([-1, -2] as [Int16]).withUnsafeBufferPointer {
        try dataset.write($0, offset: [3, 4], count: [1, 2])
      }
      #expect(try dataset.read(as: Float.self, offset: [3, 3], count: [1, 3]) == [21, -1, -2])
      #expect(try dataset.read(as: Float.self, offset: [4, 6], count: [0, 0]) == [])

      for (offset, count) in [
        ([0, 0], [5, 1]), ([3, 0], [2, 1]), ([-1, 0], [1, 1]), ([0, 0], [1, -1]), ([0], [1]),
        ([5, 0], [0, 0]), ([1, 1], [Int.max, Int.max]),
      ] {
        let reason = reason { _ = try dataset.read(as: Float.self, offset: offset, count: count) }
        #expect(reason == "offset \(offset), count \(count) is outside shape [4, 6]")
      }
      var small = [Float](repeating: 0, count: 3)
      #expect(
        reason {
          try small.withUnsafeMutableBufferPointer {
            try dataset.read(into: $0, offset: [0, 0], count: [2, 2])
          }
        } == "expected 4 values, found 3")
      #expect(reason { try dataset.write([1, 2] as [Float]) } == "expected 24 values, found 2")
    }
  }

  @Test func zeroSized() throws {
    try withFolder { folder in
      let file = try File.create(folder + "/a.h5")
      for (name, chunk) in [("plain", nil), ("chunked", [2, 3])] {
        let dataset = try file.root.createDataset(
          name, of: Float.self, shape: [0, 3], chunk: chunk, compression: chunk.map { _ in 4 })
        try dataset.write([] as [Float])
        #expect(reason { try dataset.write([1 as Float]) } == "expected 0 values, found 1")
      }
      try file.root.writeStrings("strings", [])
      try file.close()
      let root = try File.open(folder + "/a.h5").root
      for name in ["plain", "chunked"] {
        #expect(try root.dataset(name).shape == [0, 3])
        #expect(try root.dataset(name).read(as: Float.self) == [])
      }
      #expect(try root.dataset("strings").readStrings() == [])
    }
  }

  @Test func strings() throws {
    try withFolder { folder in
      let values = ["one", "", "zwei ä", "三", String(repeating: "x", count: 100_000)]
      let file = try File.create(folder + "/a.h5")
      try file.root.writeStrings("names/all", values)
      #expect(
        reason { try file.root.writeStrings("bad", ["a", "b\0c"]) }
          == "string 1 contains a zero byte")
      try file.close()
      let root = try File.open(folder + "/a.h5").root
      let dataset = try root.dataset("names/all")
      #expect(dataset.elementType == .string && dataset.shape == [5])
      #expect(try dataset.readStrings() == values)
      #expect(reason { _ = try dataset.read(as: Float.self) } == "is string, expected float32")
    }
  }

  @Test func typeMismatch() throws {
    try withNewFile { file in
      let number = try file.root.createDataset("x", of: Float.self, shape: [2])
      #expect(reason { _ = try number.readStrings() } == "is float32, expected string")
      let text = try file.root.writeStrings("s", ["a"])
      #expect(reason { try text.write([1 as UInt8]) } == "is string, expected uint8")
    }
  }

  @Test func impossibleShapes() throws {
    try withNewFile { file throws in
      func why(_ shape: [Int], chunk: [Int]? = nil, compression: Int? = nil) -> String {
        reason {
          try file.root.createDataset(
            "x", of: Float.self, shape: shape, chunk: chunk, compression: compression)
        }
      }
      #expect(why([-1]) == "[-1] is no shape")
      #expect(why([Int](repeating: 1, count: 33)).hasSuffix("is no shape"))
      #expect(why([Int.max, 2]).hasSuffix("is too large"))
      #expect(why([4, 4], chunk: [2]) == "chunk [2] does not fit shape [4, 4]")
      #expect(why([4], chunk: [0]) == "chunk [0] does not fit shape [4]")
      #expect(why([4], compression: 4) == "compression needs a chunk")
      #expect(why([4], chunk: [2], compression: 10) == "compression 10 is not in 0...9")
      #expect(try file.root.names() == [])
    }
  }

  /// A shape that no memory holds is an error, not the end of the program.
  @Test func tooLargeToRead() throws {
    try withNewFile { file in
      let dataset = try file.root.createDataset(
        "x", of: UInt8.self, shape: [1 << 50], chunk: [1 << 20])
      #expect(reason { _ = try dataset.read(as: Double.self) }.hasSuffix("do not fit in memory"))
      #expect(try dataset.read(as: UInt8.self, offset: [1 << 49], count: [2]) == [0, 0])
    }
  }

  @Test func damagedChunk() throws {
    try withFolder { folder in
      let path = folder + "/a.h5"
      var state: UInt32 = 1
      let values = (0..<20_000).map { _ -> UInt16 in
        state = state &* 1_664_525 &+ 1_013_904_223
        return UInt16(state >> 24)
      }
      let file = try File.create(path)
      try file.root.createDataset(
        "train/x", of: UInt16.self, shape: [20_000], chunk: [20_000], compression: 6
      ).write(values)
      try file.close()
      var data = try bytes(path)
      let middle = data.count / 2
      for position in middle..<(middle + 64) { data[position] ^= 0xFF }
      try data.write(to: URL(fileURLWithPath: path))

      let dataset = try File.open(path).root.dataset("train/x")
      let error = failure { _ = try dataset.read(as: UInt16.self) }
      #expect(error?.path == "/train/x")
      #expect(error?.reason == "cannot read: inflate() failed")
    }
  }

  @Test func readsFromManyThreads() async throws {
    let folder = FileManager.default.temporaryDirectory.path + "/hdf5-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let new = try File.create(folder + "/a.h5")
    try new.root.createDataset(
      "x", of: Int32.self, shape: [64, 100], chunk: [1, 100], compression: 1
    ).write((0..<6400).map { Int32($0) })
    try new.close()

    let file = try File.open(folder + "/a.h5")
    let dataset = try file.root.dataset("x")
    try await withThrowingTaskGroup(of: Bool.self) { group in
      for task in 0..<8 {
        group.addTask {
          for round in 0..<50 {
            let row = (task * 50 + round) % 64
            let values = try dataset.read(as: Int32.self, offset: [row, 0], count: [1, 100])
            guard values == (0..<100).map({ Int32(row * 100 + $0) }) else { return false }
            _ = try? file.root.dataset("missing")
            _ = try file.root.dataset("x").read(as: Float.self)
          }
          return true
        }
      }
      for try await isRight in group { #expect(isRight) }
    }
    try file.close()
  }
}
