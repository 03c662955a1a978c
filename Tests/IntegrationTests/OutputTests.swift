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
    let outcome = try inputs.folder.run(reader.tool, reader.arguments)
    #expect(outcome.status == 1)
    for name in ["out.h5", "out.html"] {
      #expect(try inputs.folder.text(name) == "an earlier result")
    }
  }

  @Test("A run that fails in its midst leaves the result of an earlier one as it was")
  func earlierResultLate() throws {
    let inputs = try Inputs()
    let earlier = try inputs.folder.bytes("scores.h5")
    try inputs.folder.write(earlier, to: "out.h5")
    // The third image, which the second batch reads.
    try inputs.folder.edit(
      "dataset.h5", Edit().changing("/train/seg", at: 2 * 4225 + 9, to: 200))
    let reason = try inputs.failure(
      of: .scoreImportance,
      "--data dataset.h5 --model model.h5 --batches 2 \(ReferenceRun.batches) -o out.h5",
      naming: "dataset.h5")
    #expect(reason == "/train/seg: sample 2: label 200 at row 0, column 9 is outside 0...6")
    #expect(try inputs.folder.bytes("out.h5") == earlier)
  }

  @Test("A page that cannot be written leaves the metrics of an earlier run as they were")
  func reportNowhere() throws {
    let inputs = try Inputs()
    let earlier = try inputs.folder.bytes("metrics.h5")
    try inputs.folder.write(earlier, to: "out.h5")
    let reason = try inputs.failure(
      of: .evaluate,
      "--data dataset.h5 --model model.h5 --split train --threads 1 -o out.h5 "
        + "--report nowhere/out.html", naming: "nowhere/out.html")
    #expect(reason == "no such folder")
    #expect(try inputs.folder.bytes("out.h5") == earlier)
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
    try folder.write(try folder.bytes("masks.h5"), to: "out.h5")
    let before = try folder.contents()
    try folder.succeed(.mergeMasks, "scores.h5 --sparsity 0.9 -o out.h5")
    #expect(try folder.contents() == before)
    #expect(try folder.open("out.h5").hasAttribute("content_sha256"))
  }

  @Test("A result never replaces an input, by whatever name, or a file of another kind")
  func inputsStay() throws {
    let folder = try Inputs().folder
    let batches = ReferenceRun.batches
    try FileManager.default.createSymbolicLink(
      atPath: folder.path("link.h5"), withDestinationPath: "dataset.h5")
    try FileManager.default.linkItem(
      atPath: folder.path("model.h5"), toPath: folder.path("run-checkpoint.h5"))
    chmod(folder.path("scores.h5"), 0o400)
    let files = ["dataset.h5", "model.h5", "scores.h5", "masks.h5", "metrics.h5"]
    let before = try files.map { try folder.bytes($0) }
    let contents = try folder.contents()
    let input = "is an input of this run"
    let other = "is there already and is no"
    for (tool, arguments, output, reason) in [
      (Tool.sparseTrain, "--data dataset.h5 --steps 1 \(batches)", "dataset.h5", input),
      (.sparseTrain, "--data dataset.h5 --steps 1 \(batches)", "link.h5", input),
      (.sparseTrain, "--data dataset.h5 --model model.h5 --steps 1 \(batches)", "model.h5", input),
      (.sparseTrain, "--data dataset.h5 --model model.h5 --steps 1 \(batches)", "run.h5", input),
      (.mergeMasks, "scores.h5 --sparsity 0.9", "scores.h5", input),
      (.mergeMasks, "scores.h5 --sparsity 0.9", "model.h5", other),
      (.scoreImportance, "--data dataset.h5 --model model.h5 --batches 1", "model.h5", input),
      (.scoreImportance, "--data dataset.h5 --model model.h5 --batches 1", "masks.h5", other),
      (.evaluate, "--data dataset.h5 --model model.h5", "model.h5", input),
      (.evaluate, "--data dataset.h5 --model model.h5", "masks.h5", other),
      (.prepareData, "scenes --train 1 --validation 0 --test 0", "metrics.h5", other),
    ] {
      let outcome = try folder.run(tool, arguments + " -o \(output)")
      #expect(outcome.status == 1, "\(tool) \(arguments)")
      let named = output == "run.h5" ? "run-checkpoint.h5" : output
      #expect(outcome.stderr.hasPrefix("\(tool): \(named): \(reason)"), "\(outcome.stderr)")
    }
    let page = try folder.run(
      .evaluate, "compare metrics.h5 metrics.h5 --report masks.h5")
    #expect(page.status == 1 && page.stderr.contains("is no page"))
    for (option, kind) in [("csv", "CSV"), ("json", "JSON"), ("latex", "LaTeX")] {
      let table = try folder.run(.evaluate, "compare metrics.h5 metrics.h5 --\(option) masks.h5")
      #expect(table.status == 1 && table.stderr.contains("is no comparison in \(kind)"))
    }
    #expect(try files.map { try folder.bytes($0) } == before)
    #expect(try folder.contents() == contents)
  }

  @Test("A checkpoint is never lost by accident")
  func checkpointStays() throws {
    let folder = try Inputs().folder
    let training = "--data dataset.h5 --model model.h5 \(ReferenceRun.batches) -o out.h5"
    let running = try RunningTool(.sparseTrain, training + " --steps 1000000", in: folder)
    try running.waitForProgress()
    #expect(running.end(with: SIGINT) == 130)
    let checkpoint = try folder.bytes("out-checkpoint.h5")
    let refused = try folder.run(.sparseTrain, training + " --steps 1000000")
    #expect(refused.status == 64)
    #expect(refused.stderr.contains("--resume goes on from it, --fresh begins anew"))
    #expect(try folder.bytes("out-checkpoint.h5") == checkpoint)
    let other = try folder.run(
      .sparseTrain, training + " --steps 1 --learning-rate 0.5 --resume --fresh")
    #expect(other.status == 0)
    #expect(
      other.stderr.contains("made with --learning-rate 0.001, now 0.5; starting afresh"))
    #expect(try !folder.contents().contains("out-checkpoint.h5"))
    try folder.write(checkpoint, to: "out-checkpoint.h5")
    try folder.succeed(.sparseTrain, training + " --steps 1 --fresh")
    let command: String = try folder.open("out.h5").attribute("command")
    #expect(!command.contains("--fresh"))
  }

  @Test(
    "On a file system without locks files are read and written all the same",
    .enabled(
      if: FileManager.default.isExecutableFile(atPath: "/usr/bin/cc"), "needs a C compiler"))
  func withoutLocks() throws {
    let folder = try Inputs().folder
    try folder.write(
      """
      #define _GNU_SOURCE
      #include <errno.h>
      #include <stdarg.h>
      #include <sys/syscall.h>
      #include <unistd.h>
      int flock(int descriptor, int operation) { errno = ENOLCK; return -1; }
      static int control(int descriptor, int command, void *argument) {
        if (command == 37) { errno = ENOLCK; return -1; }
        return syscall(SYS_fcntl, descriptor, command, argument);
      }
      int fcntl(int descriptor, int command, ...) {
        va_list list;
        va_start(list, command);
        return control(descriptor, command, va_arg(list, void *));
      }
      int fcntl64(int descriptor, int command, ...) {
        va_list list;
        va_start(list, command);
        return control(descriptor, command, va_arg(list, void *));
      }
      """, to: "nolocks.c")
    let made = try TestSupport.run(
      "/usr/bin/cc", ["-shared", "-fPIC", "-o", "nolocks.so", "nolocks.c"], in: folder.path)
    try #require(made.status == 0, "\(made.stderr)")
    let before = try folder.contents()
    for _ in 0..<2 {
      let outcome = try TestSupport.run(
        Tool.mergeMasks.path, ["scores.h5", "--sparsity", "0.9", "-o", "out.h5"], in: folder.path,
        environment: ["LD_PRELOAD": folder.path("nolocks.so")])
      #expect(outcome.status == 0, "\(outcome.stderr)")
      #expect(try folder.contents() == (before + ["out.h5"]).sorted())
    }
  }

  @Test("What a processor or a machine lacks is said")
  func saidOfTheMachine() throws {
    let folder = try Inputs().folder
    let cores = ProcessInfo.processInfo.activeProcessorCount
    let outcome = try folder.succeed(
      .evaluate,
      "--data dataset.h5 --model model.h5 --split train --precision bfloat16 --threads "
        + "\(cores + 1) -o out.h5")
    #expect(
      outcome.stderr.contains(
        "evaluate: warning: --threads \(cores + 1): this machine has \(cores) cores; more is slower\n"
      ))
    let processor = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)) ?? ""
    let isFaster =
      processor.contains("amx_bf16")
      || (processor.contains("avx512_bf16") && !processor.contains("GenuineIntel"))
    #expect(outcome.stderr.contains("slower in it than in float32") == !isFaster)
    let quiet = try folder.succeed(
      .evaluate, "--data dataset.h5 --model model.h5 --split train --threads 1 -o out.h5")
    #expect(!quiet.stderr.contains("warning"))
  }

  @Test("Output that fails ends no run; what did not arrive makes the status 1")
  func streams() throws {
    let folder = try Inputs().folder
    let tool = Tool.mergeMasks.path
    let arguments = "scores.h5 --sparsity 0.9 -o out.h5"
    func run(_ redirection: String) throws -> Outcome {
      try? FileManager.default.removeItem(atPath: folder.path("out.h5"))
      return try TestSupport.run(
        "/bin/sh", ["-c", "'\(tool)' \(arguments) \(redirection)"], in: folder.path)
    }
    for redirection in ["2>/dev/full", "2>&-", "2>&- <&-", "--threads 999 2>/dev/full"] {
      let outcome = try run(redirection)
      #expect(outcome.status == 0, "\(redirection)")
      #expect(outcome.stdout.contains("out.h5: sparsity 90.0 %"))
    }
    for redirection in [">/dev/full", ">&-", "| true; wait"] {
      let outcome = try run(redirection)
      if !redirection.hasPrefix("|") {
        #expect(outcome.status == 1, "\(redirection)")
        #expect(outcome.stderr.contains("merge-masks: standard output: cannot write: "))
      }
      #expect(try folder.open("out.h5").hasAttribute("content_sha256"), "\(redirection)")
    }
    // All streams closed: no message goes into a file.
    _ = try run("--threads 999 <&- >&- 2>&-")
    #expect(try folder.open("out.h5").hasAttribute("content_sha256"))
    let help = try TestSupport.run("/bin/sh", ["-c", "'\(tool)' --help >/dev/full"], in: "/")
    #expect(help.status == 1)
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
    try inputs.folder.write("<html>an earlier page", to: "full/out.html")
    let reason = try inputs.failure(
      of: .evaluate, "compare metrics.h5 metrics.h5 --report full/out.html",
      naming: "full/out.html")
    #expect(reason.hasSuffix("No space left on device"))
    #expect(try inputs.folder.contents("full") == ["out.html"])
    #expect(try inputs.folder.text("full/out.html") == "<html>an earlier page")
    withExtendedLifetime(disk) {}
  }
}
