// Writing: a file appears whole or not at all.

import Artifacts
import Foundation
import TestSupport
import Testing

@Suite struct ArtifactWriterTests {
  private func writer(_ path: String) throws -> ArtifactWriter {
    try ArtifactWriter(path, kind: .scores, provenance: someProvenance)
  }

  @Test func valuesOfEveryTypeComeBack() throws {
    try withFolder { folder in
      let path = folder + "/a.h5"
      let writer = try writer(path)
      let numbers = (0..<24).map { Float($0) * 0.1 }
      try writer.write("floats", numbers, shape: [2, 3, 4], .deflate)
      try writer.write("doubles", [Double.nan, -1e300], shape: [2])
      try writer.write("scalar", [Double.pi], shape: [])
      try writer.write("bytes", [0, 255] as [UInt8], shape: [1, 2], .deflate)
      try writer.write("group/integers", [Int64.min, .max], shape: [2])
      try writer.write("empty", [Float](), shape: [0, 3], .deflate)
      try writer.writeStrings("strings", ["", "größer", "c"])
      try writer.finish()
      let root = try ArtifactReader(opening: path).root
      #expect(try root.floats("floats") == numbers)
      #expect(try root.dataset("floats").shape == [2, 3, 4])
      let doubles = try root.doubles("doubles")
      #expect(doubles[0].isNaN && doubles[1] == -1e300)
      #expect(try root.doubles("scalar") == [.pi])
      #expect(try root.dataset("bytes").read(as: UInt8.self) == [0, 255])
      #expect(try root.dataset("group/integers").read(as: Int64.self) == [.min, .max])
      #expect(try root.dataset("empty").shape == [0, 3])
      #expect(try root.dataset("strings").readStrings() == ["", "größer", "c"])
    }
  }

  @Test func nothingStandsUnderTheNameBeforeTheEnd() throws {
    try withFolder { folder in
      let path = folder + "/a.h5"
      let writer = try writer(path)
      try writer.write("x", [1, 2] as [Float], shape: [2])
      #expect(!FileManager.default.fileExists(atPath: path))
      try writer.finish()
      #expect(try contents(folder) == ["a.h5"])
    }
  }

  @Test func anUnfinishedWriterLeavesNothing() throws {
    try withFolder { folder in
      do {
        let writer = try writer(folder + "/a.h5")
        try writer.write("x", [1, 2] as [Float], shape: [2])
        #expect(try contents(folder).count == 1)
      }
      #expect(try contents(folder).isEmpty)
    }
  }

  @Test func aFailedWriteLeavesTheFileThatWasThere() throws {
    try withFolder { folder in
      let path = folder + "/a.h5"
      try writer(path).finish()
      let precious = try bytes(path)
      do {
        let writer = try writer(path)
        try writer.write("x", [1, 2] as [Float], shape: [2])
        let error = failure { try writer.write("x", [1, 2] as [Float], shape: [2]) }
        #expect(error?.description == "\(path): /x: already exists")
        let misfit = failure { try writer.write("y", [1, 2] as [Float], shape: [3]) }
        #expect(misfit?.file == path && misfit?.path == "/y")
      }
      #expect(try contents(folder) == ["a.h5"])
      #expect(try bytes(path) == precious)
    }
  }

  @Test func aFinishedFileReplacesTheOneThatWasThere() throws {
    try withFolder { folder in
      let path = folder + "/a.h5"
      let old = try writer(path)
      try old.write("old", [1] as [Float], shape: [1])
      try old.finish()
      try writer(path).finish()
      #expect(try !ArtifactReader(opening: path).root.contains("old"))
      #expect(try ArtifactReader(opening: path).kind == .scores)
      #expect(try contents(folder) == ["a.h5"])
    }
  }

  @Test func aFolderThatIsMissingOrInTheWayIsAnError() throws {
    try withFolder { folder throws in
      let path = folder + "/missing/a.h5"
      #expect(failure { _ = try writer(path) }?.description == "\(path): no such folder")
      #expect(failure { _ = try writer(folder) }?.description == "\(folder): is a folder")
      #expect(try contents(folder).isEmpty)
    }
  }

  @Test func samplesThatAreLeftOutAreCutOff() throws {
    try withFolder { folder in
      let path = folder + "/a.h5"
      let writer = try writer(path)
      let stream = try writer.stream("x", of: UInt8.self, shape: [2, 3])
      try stream.append([1, 2, 3])
      #expect(
        failure { try writer.finish(stream) }?.description
          == "\(path): /x: expected 2 samples, wrote 1")
      try writer.finish(stream, mayBeFewer: true)
      let full = try writer.stream("y", of: UInt8.self, shape: [1, 3])
      try full.append([4, 5, 6])
      #expect(failure { try full.append([7, 8, 9]) } != nil)
      #expect(failure { try full.append([7, 8]) } != nil)
      try writer.finish(full)
      try writer.finish()
      let reader = try ArtifactReader(opening: path)
      #expect(try reader.root.dataset("x").shape == [1, 3])
      #expect(try reader.root.dataset("x").read(as: UInt8.self) == [1, 2, 3])
      #expect(try reader.root.dataset("y").read(as: UInt8.self) == [4, 5, 6])
      #expect(try reader.computedDigest() == reader.recordedDigest)
    }
  }

  @Test func aFixedTimeMakesTheBytesTheSame() async {
    await #expect(processExitsWith: .success) {
      setenv("SOURCE_DATE_EPOCH", "86400", 1)
      try withFolder { folder in
        let paths = ["/a.h5", "/b.h5"].map { folder + $0 }
        for path in paths {
          let writer = try ArtifactWriter(path, kind: .model, provenance: someProvenance)
          try writer.write("x", (0..<999).map(Float.init), shape: [999], .deflate)
          try writer.writeStrings("names", ["a", "b"])
          try writer.finish()
        }
        let root = try ArtifactReader(opening: paths[0]).root
        #expect(try root.attribute("created_at") as String == "1970-01-02T00:00:00Z")
        #expect(try bytes(paths[0]) == bytes(paths[1]))
      }
    }
  }

  @Test func anInterruptedToolTakesItsPartialFilesAway() async {
    await #expect(processExitsWith: .success) {
      try withFolder { folder in
        let writer = try ArtifactWriter(
          folder + "/a.h5", kind: .model, provenance: someProvenance)
        try writer.write("x", [1] as [Float], shape: [1])
        PartialFiles.removeAll()
        #expect(try contents(folder).isEmpty)
      }
    }
  }

  @Test func whatADeadProcessLeftIsTakenAway() throws {
    try withFolder { folder in
      let kept = [".b.h5.partial", ".a.h5.x.partial", "other"]
      for name in kept + [".a.h5.partial"] {
        try "x".write(toFile: folder + "/" + name, atomically: false, encoding: .utf8)
      }
      try writer(folder + "/a.h5").finish()
      #expect(try contents(folder) == (kept + ["a.h5"]).sorted())
    }
  }

  @Test func whatALivingWriterHasIsLeftAlone() throws {
    try withFolder { folder in
      let path = folder + "/a.h5"
      let partial = folder + "/.a.h5.partial"
      // A lock of an open file, as another process or host has it.
      let descriptor = open(partial, O_RDWR | O_CREAT, 0o600)
      defer { close(descriptor) }
      var lock = flock()
      lock.l_type = Int16(F_WRLCK)
      try #require(fcntl(descriptor, 37, &lock) == 0)
      #expect(
        failure { _ = try writer(path) }?.description == "\(path): another program is writing it")
      #expect(try contents(folder) == [".a.h5.partial"])
      lock.l_type = Int16(F_UNLCK)
      try #require(fcntl(descriptor, 37, &lock) == 0)
      try writer(path).finish()
      #expect(try contents(folder) == ["a.h5"])
    }
  }

  @Test func aPartialFileIsNeverAnotherFile() throws {
    try withFolder { folder in
      let (path, precious) = (folder + "/a.h5", folder + "/precious")
      try "precious".write(toFile: precious, atomically: false, encoding: .utf8)
      let partial = folder + "/.a.h5.partial"
      try FileManager.default.createSymbolicLink(atPath: partial, withDestinationPath: precious)
      #expect(failure { _ = try writer(path) } != nil)
      try FileManager.default.removeItem(atPath: partial)
      // A second name of the file: that name goes, the file stays.
      try FileManager.default.linkItem(atPath: precious, toPath: partial)
      try writer(path).finish()
      #expect(try String(contentsOfFile: precious, encoding: .utf8) == "precious")
      #expect(try contents(folder) == ["a.h5", "precious"])
    }
  }

  @Test func aLinkIsFollowedAndStays() throws {
    try withFolder { folder in
      try FileManager.default.createDirectory(
        atPath: folder + "/real", withIntermediateDirectories: true)
      let path = folder + "/a.h5"
      try FileManager.default.createSymbolicLink(
        atPath: path, withDestinationPath: "real/b.h5")
      for _ in 0..<2 { try writer(path).finish() }
      #expect(
        try FileManager.default.destinationOfSymbolicLink(atPath: path) == "real/b.h5")
      #expect(try contents(folder + "/real") == ["b.h5"])
      #expect(try ArtifactReader(opening: folder + "/real/b.h5").kind == .scores)
    }
  }

  @Test func onlyItsOwnKindIsReplaced() throws {
    try withFolder { folder in
      let path = folder + "/a.h5"
      try ArtifactWriter(path, kind: .dataset, provenance: someProvenance).finish()
      let text = folder + "/b.h5"
      try "precious".write(toFile: text, atomically: false, encoding: .utf8)
      let page = folder + "/c.html"
      try OutputFile.write("<!DOCTYPE html><p>old", .page, to: page)
      for other in [path, text, page] {
        #expect(
          failure { _ = try writer(other) }?.description
            == "\(other): is there already and is no scores file; choose another name, or remove it"
        )
      }
      for other in [path, text] {
        #expect(
          failure { try OutputFile.write("<html>", .page, to: other) }?.reason
            == "is there already and is no page; choose another name, or remove it")
      }
      try OutputFile.write("<html>new", .page, to: page)
      #expect(try String(contentsOfFile: page, encoding: .utf8) == "<html>new")
      let empty = folder + "/d.h5"
      try Data().write(to: URL(fileURLWithPath: empty))
      try writer(empty).finish()
      // By whatever name.
      let link = folder + "/e.h5"
      try FileManager.default.linkItem(atPath: empty, toPath: link)
      #expect(
        failure { try OutputFile.check(link, .artifact(.scores), inputs: [empty]) }?.reason
          == "is an input of this run (\(empty))")
    }
  }
}
