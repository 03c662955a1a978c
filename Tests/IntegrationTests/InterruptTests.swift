// Tools that are interrupted: the exit status, and no half file under the final name.

import Foundation
import TestSupport
import Testing

/// A tool at work whose stderr is a terminal, on which it shows its progress.
final class RunningTool {
  private let child: Child
  private let terminal: FileHandle

  init(_ tool: Tool, _ arguments: String, in folder: Folder) throws {
    var (mine, its): (Int32, Int32) = (-1, -1)
    try #require(openpty(&mine, &its, nil, nil, nil) == 0)
    terminal = FileHandle(fileDescriptor: mine, closeOnDealloc: true)
    defer { close(its) }
    child = try Child(
      tool.path, arguments.split(separator: " ").map(String.init), in: folder.path, errors: its)
  }

  /// Waits until the tool tells that it has done something.
  func waitForProgress() throws {
    var shown = ""
    while shown.firstMatch(of: #/ [1-9]\d*/\d+ /#) == nil {
      var bytes = [UInt8](repeating: 0, count: 4096)
      // Fails where the tool has ended.
      let count = read(terminal.fileDescriptor, &bytes, bytes.count)
      try #require(count > 0, "it ended: \(shown)")
      shown += String(decoding: bytes.prefix(count), as: UTF8.self)
    }
  }

  /// Sends a signal and waits for the end; returns the status as a shell tells it.
  func end(with signal: Int32) -> Int32 {
    kill(child.pid, signal)
    return child.wait()
  }
}

@Suite(.serialized) struct InterruptTests {
  private static let endless: [(tool: Tool, arguments: String)] = [
    (
      .sparseTrain,
      "--data dataset.h5 --model model.h5 --masks masks.h5 --steps 1000000 "
        + "\(ReferenceRun.batches) -o out.h5"
    ),
    (
      .scoreImportance,
      "--data dataset.h5 --model model.h5 --batches 1000000 \(ReferenceRun.batches) -o out.h5"
    ),
    (.prepareData, "scenes --train 1000000 --height 16 --width 16 --threads 1 -o out.h5"),
  ]

  @Test(
    "SIGTERM, SIGINT and SIGHUP end a tool with 128 and their number, and leave only a checkpoint",
    arguments: endless)
  func interrupted(_ tool: Tool, _ arguments: String) throws {
    for (signal, status) in [(SIGTERM, Int32(143)), (SIGINT, 130), (SIGHUP, 129)] {
      let folder = try Inputs().folder
      let before = try folder.contents()
      let running = try RunningTool(tool, arguments, in: folder)
      try running.waitForProgress()
      #expect(running.end(with: signal) == status)
      let checkpoints = tool == .sparseTrain ? ["out-checkpoint.h5"] : []
      #expect(try folder.contents() == (before + checkpoints).sorted())
    }
  }

  @Test("SIGKILL leaves nothing under the final name", arguments: endless)
  func killed(_ tool: Tool, _ arguments: String) throws {
    let folder = try Inputs().folder
    let earlier = try folder.bytes(Self.kinds[tool] ?? "")
    try folder.write(earlier, to: "out.h5")
    let before = try folder.contents()
    let running = try RunningTool(tool, arguments, in: folder)
    try running.waitForProgress()
    #expect(running.end(with: SIGKILL) == 137)
    #expect(try folder.bytes("out.h5") == earlier)
    let left = try folder.contents().filter { !before.contains($0) }
    #expect(left == [".out.h5.partial"])
    // The next run, of another tool even, takes its place.
    try FileManager.default.removeItem(atPath: folder.path("out.h5"))
    try folder.succeed(.mergeMasks, "scores.h5 --sparsity 0.9 -o out.h5")
    #expect(try !folder.contents().contains(".out.h5.partial"))
  }

  /// A file of the kind that each tool writes.
  private static let kinds: [Tool: String] = [
    .sparseTrain: "model.h5", .scoreImportance: "scores.h5", .prepareData: "dataset.h5",
  ]

  @Test("While a tool writes a file another one is refused, and harms nothing")
  func twoAtOnce() throws {
    let folder = try Inputs().folder
    let (tool, arguments) = Self.endless[0]
    let running = try RunningTool(tool, arguments, in: folder)
    try running.waitForProgress()
    for (tool, arguments) in [
      (tool, arguments + " --fresh"), (Tool.mergeMasks, "scores.h5 --sparsity 0.9 -o out.h5"),
    ] {
      let second = try folder.run(tool, arguments)
      #expect(second.status == 1)
      #expect(second.stderr == "\(tool): out.h5: another program is writing it\n")
    }
    #expect(running.end(with: SIGTERM) == 143)
    #expect(try folder.open("out-checkpoint.h5").contains("state"))
  }
}
