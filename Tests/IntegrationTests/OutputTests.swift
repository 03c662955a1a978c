// Results that cannot be written: the failed run leaves nothing, and harms nothing that was there.

import Foundation
import TestSupport
import Testing

@Suite(.serialized) struct OutputTests {
  /// A run of each tool that succeeds in the folder of `Inputs`, but for its output.
  static let writers: [(tool: Tool, arguments: String)] = [
    (.prepareData, "scenes --train 2 --validation 0 --test 0 --height 64 --width 96 --threads 1"),
    (.scoreImportance, "--data dataset.h5 --model model.h5 --batches 1 \(ReferenceRun.batches)"),
    (.mergeMasks, "scores.h5 --sparsity 0.9"),
    (.sparseTrain, "--data dataset.h5 --model model.h5 --steps 1 \(ReferenceRun.batches)"),
    (.evaluate, "--data dataset.h5 --model model.h5 --split train --threads 1"),
  ]

  @Test("A result for a folder that does not exist", arguments: writers)
  func noFolder(_ tool: Tool, _ arguments: String) throws {
    let inputs = try Inputs()
    let reason = try inputs.failure(
      of: tool, arguments + " -o nowhere/out.h5", naming: "nowhere/out.h5")
    #expect(reason == "no such folder")
  }

  @Test("A result with the name of a folder", arguments: writers)
  func isFolder(_ tool: Tool, _ arguments: String) throws {
    let inputs = try Inputs()
    try inputs.folder.makeFolder("results")
    let reason = try inputs.failure(of: tool, arguments + " -o results", naming: "results")
    #expect(reason == "is a folder")
    #expect(try inputs.folder.contents("results") == [])
  }

  @Test(
    "A result that cannot be written is told before the work, not after it",
    arguments: [
      (
        Tool.scoreImportance,
        "--data dataset.h5 --model model.h5 --batches 2 \(ReferenceRun.batches) -o nowhere/out"
      ),
      (
        .sparseTrain,
        "--data dataset.h5 --model model.h5 --steps 2 \(ReferenceRun.batches) -o nowhere/out"
      ),
      (
        .evaluate,
        "--data dataset.h5 --model model.h5 --split train --threads 1 -o nowhere/out"
      ),
      (
        .evaluate,
        "--data dataset.h5 --model model.h5 --split train --threads 1 -o out.h5 --report nowhere/out"
      ),
    ])
  func toldEarly(_ tool: Tool, _ arguments: String) throws {
    let inputs = try Inputs()
    // The work itself would fail too, at the third image.
    try inputs.folder.edit(
      "dataset.h5", Edit().changing("/train/seg", at: 2 * 4225, to: 200))
    #expect(try inputs.failure(of: tool, arguments, naming: "nowhere/out") == "no such folder")
  }

  @Test("A result with the name of what is no plain file, such as a pipe or a device")
  func notPlain() throws {
    let inputs = try Inputs()
    try #require(mkfifo(inputs.folder.path("out.h5"), 0o600) == 0)
    let reason = try inputs.failure(
      of: .mergeMasks, "scores.h5 --sparsity 0.9 -o out.h5", naming: "out.h5")
    #expect(reason == "is not a plain file")
    var status = stat()
    #expect(stat(inputs.folder.path("out.h5"), &status) == 0 && status.st_mode & S_IFMT == S_IFIFO)
  }

  @Test("A failed run leaves the result of an earlier one as it was", arguments: Inputs.Reader.all)
  func earlierResult(_ reader: Inputs.Reader) throws {
    let inputs = try Inputs()
    for name in ["out.h5", "out.html"] { try inputs.folder.write("an earlier result", to: name) }
    try inputs.folder.edit(reader.file, Edit().setting("/@format_version", .integer(2)))
    _ = try inputs.failure(of: reader)
    for name in ["out.h5", "out.html"] {
      #expect(try inputs.folder.text(name) == "an earlier result")
    }
  }

  @Test("A run that fails in its midst leaves the result of an earlier one as it was")
  func earlierResultLate() throws {
    let inputs = try Inputs()
    try inputs.folder.write("an earlier result", to: "out.h5")
    // The third image, which the second batch reads.
    try inputs.folder.edit(
      "dataset.h5", Edit().changing("/train/seg", at: 2 * 4225 + 9, to: 200))
    let reason = try inputs.failure(
      of: .scoreImportance,
      "--data dataset.h5 --model model.h5 --batches 2 \(ReferenceRun.batches) -o out.h5",
      naming: "dataset.h5")
    #expect(reason == "/train/seg: sample 2: label 200 at row 0, column 9 is outside 0...6")
    #expect(try inputs.folder.text("out.h5") == "an earlier result")
  }

  @Test("A page that cannot be written leaves the metrics of an earlier run as they were")
  func reportNowhere() throws {
    let inputs = try Inputs()
    try inputs.folder.write("an earlier result", to: "out.h5")
    let reason = try inputs.failure(
      of: .evaluate,
      "--data dataset.h5 --model model.h5 --split train --threads 1 -o out.h5 "
        + "--report nowhere/out.html", naming: "nowhere/out.html")
    #expect(reason == "no such folder")
    #expect(try inputs.folder.text("out.h5") == "an earlier result")
  }

  @Test("A comparison's page for a folder that does not exist, or with a folder's name")
  func comparisonNowhere() throws {
    let inputs = try Inputs()
    try inputs.folder.makeFolder("results")
    for (path, reason) in [("nowhere/out.html", "no such folder"), ("results", "is a folder")] {
      let found = try inputs.failure(
        of: .evaluate, "compare metrics.h5 metrics.h5 --report \(path)", naming: path)
      #expect(found == reason)
    }
  }

  @Test("A successful run replaces the result of an earlier one and leaves nothing else")
  func replaces() throws {
    let folder = try Inputs().folder
    try folder.write("an earlier result", to: "out.h5")
    let before = try folder.contents()
    try folder.succeed(.mergeMasks, "scores.h5 --sparsity 0.9 -o out.h5")
    #expect(try folder.contents() == before)
    #expect(try folder.open("out.h5").hasAttribute("content_sha256"))
  }
}

/// A small file system in memory, mounted in a folder while the value lives.
private final class SmallDisk: Sendable {
  let path: String

  /// Only root may mount.
  static let isAvailable: Bool = {
    guard let folder = try? Folder() else { return false }
    return (try? SmallDisk(folder.path, kilobytes: 4)) != nil
  }()

  init(_ path: String, kilobytes: Int) throws {
    self.path = path
    let outcome = try run(
      "/bin/mount", ["-t", "tmpfs", "-o", "size=\(kilobytes)k", "disparse-tests", path],
      in: path)
    guard outcome.status == 0 else { throw CocoaError(.fileWriteNoPermission) }
  }

  deinit { _ = try? run("/bin/umount", ["--lazy", path], in: "/") }
}

@Suite(.serialized, .enabled(if: SmallDisk.isAvailable, "needs a tmpfs, which only root may mount"))
struct FullDiskTests {
  /// The disk is full when a file is made, after its header, and after half its values.
  @Test("A full disk is one line on stderr and leaves nothing", arguments: [0, 12, 40])
  func fullDisk(_ kilobytes: Int) throws {
    for (tool, arguments) in OutputTests.writers {
      let inputs = try Inputs()
      try inputs.folder.makeFolder("full")
      let disk = try SmallDisk(inputs.folder.path("full"), kilobytes: max(4, kilobytes))
      if kilobytes == 0 { try inputs.folder.write(Data(count: 4096), to: "full/other") }
      let reason = try inputs.failure(
        of: tool, arguments + " -o full/out.h5", naming: "full/out.h5")
      #expect(reason.hasSuffix("No space left on device"))
      #expect(try inputs.folder.contents("full") == (kilobytes == 0 ? ["other"] : []))
      withExtendedLifetime(disk) {}
    }
  }

  @Test("A full disk keeps the page of an earlier comparison")
  func fullDiskForPage() throws {
    let inputs = try Inputs()
    try inputs.folder.makeFolder("full")
    let disk = try SmallDisk(inputs.folder.path("full"), kilobytes: 16)
    try inputs.folder.write("an earlier page", to: "full/out.html")
    let reason = try inputs.failure(
      of: .evaluate, "compare metrics.h5 metrics.h5 --report full/out.html",
      naming: "full/out.html")
    #expect(reason.hasSuffix("No space left on device"))
    #expect(try inputs.folder.contents("full") == ["out.html"])
    #expect(try inputs.folder.text("full/out.html") == "an earlier page")
    withExtendedLifetime(disk) {}
  }
}
