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
      let data = terminal.availableData
      try #require(!data.isEmpty, "it ended: \(shown)")
      shown += String(decoding: data, as: UTF8.self)
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
    "SIGTERM and SIGINT end a tool with 143 and 130 and leave nothing but a checkpoint",
    arguments: endless)
  func interrupted(_ tool: Tool, _ arguments: String) throws {
    for (signal, status) in [(SIGTERM, Int32(143)), (SIGINT, 130)] {
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
    try folder.write("an earlier result", to: "out.h5")
    let before = try folder.contents()
    let running = try RunningTool(tool, arguments, in: folder)
    try running.waitForProgress()
    #expect(running.end(with: SIGKILL) == 137)
    #expect(try folder.text("out.h5") == "an earlier result")
    let left = try folder.contents().filter { !before.contains($0) }
    #expect(left.allSatisfy { $0.hasPrefix(".") && $0.hasSuffix(".partial") })
  }

  @Test("The next run takes away what a killed one left, but not what a living one writes")
  func leftovers() throws {
    let folder = try Inputs().folder
    let ended = try Child("/bin/true", [], in: "/")
    #expect(ended.wait() == 0)
    let host = ProcessInfo.processInfo.hostName
    let (dead, living) = (
      ".out.h5.\(host).\(ended.pid).partial", ".out.h5.\(host).\(getpid()).partial"
    )
    for name in [dead, living] { try folder.write("half a file", to: name) }
    try folder.succeed(.mergeMasks, "scores.h5 --sparsity 0.9 -o out.h5")
    #expect(try folder.contents().filter { $0.hasSuffix(".partial") } == [living])
  }
}
