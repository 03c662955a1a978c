// Opening, creating and closing files: reasons, determinism, full disks.

import Foundation
import HDF5
import Testing

@Suite struct FileTests {
  @Test func reasonsForNotOpening() throws {
    try withFolder { folder in
      #expect(reason { _ = try File.open(folder + "/none.h5") } == "no such file")
      #expect(reason { _ = try File.open(folder + "/none/none.h5") } == "no such file")
      #expect(reason { _ = try File.open(folder) } == "is a folder")
      let text = folder + "/text.h5"
      try Data("no HDF5".utf8).write(to: URL(fileURLWithPath: text))
      #expect(reason { _ = try File.open(text) } == "not an HDF5 file")
      try Data().write(to: URL(fileURLWithPath: text))
      #expect(reason { _ = try File.open(text) } == "not an HDF5 file")
      #expect(reason { _ = try File.open(text + "/x.h5") } == "no such file")

      let error = failure { _ = try File.open(text) }
      #expect(error?.description == "\(text): not an HDF5 file")
      #expect(error?.file == text)
      #expect(error?.path == "")
    }
  }

  @Test(.enabled(if: geteuid() != 0)) func permissionDenied() throws {
    try withFolder { folder in
      let path = folder + "/closed.h5"
      try File.create(path).close()
      try FileManager.default.setAttributes([.posixPermissions: 0], ofItemAtPath: path)
      #expect(reason { _ = try File.open(path) } == "permission denied")
      #expect(reason { _ = try File.create(path) } == "permission denied")
    }
  }

  @Test func reasonsForNotCreating() throws {
    try withFolder { folder in
      #expect(reason { _ = try File.create(folder + "/none/new.h5") } == "no such folder")
      #expect(reason { _ = try File.create(folder) } == "is a folder")
      let file = try File.create(folder + "/a.h5")
      #expect(reason { _ = try File.create(file.path) }.hasPrefix("cannot create: "))
      try file.close()
    }
  }

  @Test func truncatedAtAnyLength() throws {
    try withFolder { folder in
      let path = folder + "/whole.h5"
      let file = try File.create(path)
      try file.root.createDataset("x", of: Float.self, shape: [500]).write(
        [Float](repeating: 1, count: 500))
      try file.close()
      let whole = try bytes(path)
      for length in [20, 47, 48, 60, 100, 400, whole.count / 2, whole.count - 1] {
        let cut = folder + "/cut.h5"
        try whole.prefix(length).write(to: URL(fileURLWithPath: cut))
        #expect(reason { _ = try File.open(cut) }.hasPrefix("truncated or damaged"), "\(length)")
      }
    }
  }

  /// Whatever byte is damaged, reading throws or returns, and never stops the program. Strings
  /// of variable length are left out: libhdf5 1.10 crashes if their place in the file is wrong.
  @Test func damagedAnywhere() throws {
    try withFolder { folder in
      let path = folder + "/whole.h5"
      let file = try File.create(path)
      let group = try file.root.createGroup("group")
      try group.createDataset("x", of: Int32.self, shape: [8, 8], chunk: [4, 4], compression: 4)
        .write((0..<64).map { Int32($0) })
      try group.setAttribute("text", "value")
      try group.setAttribute("list", [1, 2])
      try file.close()
      let whole = try bytes(path)
      for position in stride(from: 0, to: whole.count, by: 3) {
        var damaged = whole
        damaged[position] ^= 0xFF
        let bad = folder + "/bad.h5"
        try damaged.write(to: URL(fileURLWithPath: bad))
        _ = try? readEverything(bad)
      }
    }
  }

  private func readEverything(_ path: String) throws {
    let root = try File.open(path).root
    for name in try root.allDatasetPaths() {
      let dataset = try root.dataset(name)
      _ = try? dataset.read(as: Float.self)
      _ = try? dataset.readStrings()
    }
    let group = try root.group("group")
    _ = try? group.names()
    for name in try group.attributeNames() {
      let _: String? = try? group.attribute(name)
      let _: [Int]? = try? group.attribute(name)
    }
  }

  @Test func sameContentSameBytes() throws {
    try withFolder { folder in
      func make(_ path: String) throws -> Data {
        let file = try File.create(path)
        try file.root.setAttribute("title", "same")
        try file.root.setAttribute("json", String(repeating: "long ", count: 40_000))
        try file.root.setAttribute("names", ["a", "bc"])
        let values = (0..<1000).map { Float($0) }
        try file.root.createDataset(
          "deep/er/x", of: Float.self, shape: [10, 100], chunk: [3, 40], compression: 6
        ).write(values)
        try file.root.writeStrings("deep/names", ["ä", "", "c"])
        try file.root.setAttribute("title", "again")
        try file.close()
        return try bytes(path)
      }
      let first = try make(folder + "/1.h5")
      Thread.sleep(forTimeInterval: 1.1)
      #expect(try make(folder + "/2.h5") == first)
    }
  }

  @Test func closedFileThrows() throws {
    try withFolder { folder in
      let file = try File.create(folder + "/a.h5")
      let group = try file.root.createGroup("g")
      let dataset = try group.createDataset("x", of: UInt8.self, shape: [2])
      try file.close()
      try file.close()
      #expect(reason { try dataset.write([1, 2] as [UInt8]) } == "the file is closed")
      #expect(reason { _ = try group.names() } == "the file is closed")
      #expect(reason { try file.flush() } == "the file is closed")
      #expect(!group.contains("x") && !group.hasAttribute("a") && dataset.storageSize() == 0)
    }
  }

  @Test func closesItselfWhenAllIsGone() throws {
    try withFolder { folder in
      let path = folder + "/a.h5"
      let dataset = try File.create(path).root.createDataset("x", of: UInt8.self, shape: [2])
      try dataset.write([1, 2] as [UInt8])
      _ = consume dataset
      #expect(try File.open(path).root.dataset("x").read(as: UInt8.self) == [1, 2])
      try FileManager.default.removeItem(atPath: path)
      try File.create(path).close()
    }
  }

  @Test func openedTwiceIsClosedApart() throws {
    try withFolder { folder in
      let path = folder + "/a.h5"
      let new = try File.create(path)
      try new.root.createDataset("x", of: UInt8.self, shape: [2]).write([1, 2] as [UInt8])
      try new.close()
      let (first, second) = (try File.open(path), try File.open(path))
      let dataset = try second.root.dataset("x")
      try first.close()
      #expect(try dataset.read(as: UInt8.self) == [1, 2])
      #expect(!reason { try dataset.write([1, 2] as [UInt8]) }.isEmpty)
      try second.close()
    }
  }

  /// Makes a folder a disk of 256 KiB.
  private static func mount(_ folder: String) throws -> Bool {
    try run("/bin/mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", folder).status == 0
  }

  private static let canMount =
    (try? withFolder { folder in
      defer { _ = try? run("/bin/umount", folder) }
      return try mount(folder)
    }) == true

  @Test(.enabled(if: canMount, "needs a tmpfs, which only root may mount"))
  func fullDisk() throws {
    try withFolder { folder in
      try #require(try Self.mount(folder))
      defer { _ = try? run("/bin/umount", folder) }
      let path = folder + "/full.h5"
      for chunk in [nil, [4], [1000], [100_000]] {
        try overflow(path, count: 100_000, chunk: chunk, keepsDataset: true)
        try overflow(path, count: 100_000, chunk: chunk, keepsDataset: false)
      }
      // A small dataset stays in the cache until it is closed, here when it goes out of scope.
      try File.create(path).close()
      try Data(count: 250_000).write(to: URL(fileURLWithPath: folder + "/filler"))
      try overflow(path, count: 10_000, chunk: [10_000], keepsDataset: false)
      _ = try? run("/bin/dd", "if=/dev/zero", "of=\(folder)/more", "bs=4096")
      let none = folder + "/none.h5"
      #expect(HDF5Tests.reason { _ = try File.create(none) } == "No space left on device")
    }
    try withNewFile { try $0.root.setAttribute("still", "works") }
  }

  /// Writes more than fits; expects that the disk's reason is thrown, and the file is closed.
  private func overflow(_ path: String, count: Int, chunk: [Int]?, keepsDataset: Bool) throws {
    let values = (0..<count).map { _ in UInt64.random(in: 0...UInt64.max) }
    let file = try File.create(path)
    var kept: [Dataset] = []
    let reason = HDF5Tests.reason {
      let dataset = try file.root.createDataset(
        "x", of: UInt64.self, shape: [count], chunk: chunk, compression: chunk.map { _ in 1 })
      if keepsDataset { kept.append(dataset) }
      try dataset.write(values)
      try file.flush()
    }
    #expect(reason.contains("No space left on device"), "\(String(describing: chunk))")
    #expect(HDF5Tests.reason { _ = try file.root.names() } == reason)
    #expect(HDF5Tests.reason { try file.close() } == reason)
    #expect(HDF5Tests.reason { try file.flush() } == "the file is closed")
    withExtendedLifetime(kept) {}
  }
}
