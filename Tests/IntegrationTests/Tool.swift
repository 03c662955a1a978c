// Runs the five tools as a user does: in a folder, with arguments, to their exit status and output.

import Foundation

/// One of the executables.
enum Tool: String, CaseIterable, Sendable, CustomStringConvertible {
  case prepareData = "prepare-data"
  case scoreImportance = "score-importance"
  case mergeMasks = "merge-masks"
  case sparseTrain = "sparse-train"
  case evaluate

  /// Where the tools lie: in DISPARSE_BIN, or where `swift build -c release` puts them.
  static let folder =
    ProcessInfo.processInfo.environment["DISPARSE_BIN"] ?? packageRoot + "/.build/release"

  var description: String { rawValue }
  var path: String { Tool.folder + "/" + rawValue }
}

/// The folder of Package.swift.
let packageRoot = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
  .deletingLastPathComponent().deletingLastPathComponent().path

/// How a program ended.
struct Outcome: Sendable {
  /// The exit status as a shell tells it: 128 and the signal's number for a killed program.
  let status: Int32
  let stdout: String
  let stderr: String
}

extension Process {
  /// The status as a shell tells it, once the program has ended.
  var shellStatus: Int32 {
    terminationReason == .exit ? terminationStatus : 128 + terminationStatus
  }
}

/// Runs a program to its end. What it prints goes through files, so that no amount of it blocks.
func run(
  _ program: String, _ arguments: [String], in folder: String,
  environment: [String: String] = [:]
) throws -> Outcome {
  let (output, errors) = (try scratchFile(), try scratchFile())
  let process = makeProcess(program, arguments, in: folder, environment: environment)
  process.standardOutput = output
  process.standardError = errors
  try process.run()
  process.waitUntilExit()
  return Outcome(
    status: process.shellStatus, stdout: try text(of: output), stderr: try text(of: errors))
}

/// A program that has not been started. SOURCE_DATE_EPOCH is set only where `environment` does.
func makeProcess(
  _ program: String, _ arguments: [String], in folder: String, environment: [String: String]
) -> Process {
  let process = Process()
  process.executableURL = URL(fileURLWithPath: program)
  process.arguments = arguments
  process.currentDirectoryURL = URL(fileURLWithPath: folder)
  process.environment = ProcessInfo.processInfo.environment
    .filter { !["SOURCE_DATE_EPOCH", "MAKEFLAGS", "MAKELEVEL"].contains($0.key) }
    .merging(environment) { $1 }
  process.standardInput = FileHandle.nullDevice
  return process
}

/// An open file without a name.
private func scratchFile() throws -> FileHandle {
  let path = FileManager.default.temporaryDirectory.path + "/" + UUID().uuidString
  try Data().write(to: URL(fileURLWithPath: path))
  defer { unlink(path) }
  return try FileHandle(forUpdating: URL(fileURLWithPath: path))
}

private func text(of file: FileHandle) throws -> String {
  try file.seek(toOffset: 0)
  return String(decoding: try file.readToEnd() ?? Data(), as: UTF8.self)
}
