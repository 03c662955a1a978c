// Programs that tests run.

import Foundation
import Processes

/// How a program ended.
public struct Outcome: Sendable {
  /// The exit status as a shell tells it: 128 and the signal's number for a killed program.
  public let status: Int32
  public let stdout: String
  public let stderr: String
}

/// A running program in a folder.
public final class Child {
  private let program: SpawnedProgram
  public var pid: pid_t { program.pid }

  /// SOURCE_DATE_EPOCH is set only where `environment` does.
  ///
  /// - Parameters:
  ///   - output: a descriptor for what it prints; nil for nowhere.
  ///   - errors: a descriptor for its errors; nil for nowhere.
  public init(
    _ program: String, _ arguments: [String], in folder: String,
    environment: [String: String] = [:], output: Int32? = nil, errors: Int32? = nil
  ) throws {
    let variables = ProcessInfo.processInfo.environment
      .filter { !["SOURCE_DATE_EPOCH", "MAKEFLAGS", "MAKELEVEL"].contains($0.key) }
      .merging(environment) { $1 }
    // env changes the folder, as posix_spawn cannot everywhere, and becomes the program.
    self.program = try SpawnedProgram(
      "/usr/bin/env", ["-C", folder, program] + arguments, environment: variables, output: output,
      errors: errors)
  }

  /// Waits for the end; returns the status as a shell tells it. Call once.
  public func wait() -> Int32 { program.wait() }
}

/// Runs a program to its end. What it prints goes through files, so that no amount of it blocks.
public func run(
  _ program: String, _ arguments: [String], in folder: String,
  environment: [String: String] = [:]
) throws -> Outcome {
  let (output, errors) = (try scratchFile(), try scratchFile())
  let child = try Child(
    program, arguments, in: folder, environment: environment, output: output.fileDescriptor,
    errors: errors.fileDescriptor)
  let status = child.wait()
  return Outcome(status: status, stdout: try text(of: output), stderr: try text(of: errors))
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

/// The float32 values of a dataset as HDF5's own tools see them, through virtual datasets too.
public func h5dumped(_ dataset: String, of file: String) throws -> [Float] {
  let values = FileManager.default.temporaryDirectory.path + "/" + UUID().uuidString
  defer { unlink(values) }
  let outcome = try run(
    "/usr/bin/env", ["h5dump", "-d", dataset, "-b", "LE", "-o", values, file], in: "/")
  guard outcome.status == 0 else { throw CocoaError(.fileReadUnknown) }
  let bytes = try Data(contentsOf: URL(fileURLWithPath: values))
  return bytes.withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
}
