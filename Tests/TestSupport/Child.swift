// Programs that tests run.

import Foundation

/// How a program ended.
public struct Outcome: Sendable {
  /// The exit status as a shell tells it: 128 and the signal's number for a killed program.
  public let status: Int32
  public let stdout: String
  public let stderr: String
}

/// A running program. By hand, since Foundation's `Process` can miss the end of a program when several
/// start at the same time, and then waits for ever.
public final class Child {
  public let pid: pid_t

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
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
    for (descriptor, target) in [(output, STDOUT_FILENO), (errors, STDERR_FILENO)] {
      if let descriptor {
        posix_spawn_file_actions_adddup2(&actions, descriptor, target)
      } else {
        posix_spawn_file_actions_addopen(&actions, target, "/dev/null", O_WRONLY, 0)
      }
    }
    // What the tests have open is not for the program: an HDF5 file would stay locked.
    for descriptor in Int32(3)..<512 {
      posix_spawn_file_actions_addclose(&actions, descriptor)
    }
    // Signals that the tests' runner blocks are not to be blocked for the program.
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var signals = sigset_t()
    sigemptyset(&signals)
    posix_spawnattr_setsigmask(&attributes, &signals)
    sigfillset(&signals)
    posix_spawnattr_setsigdefault(&attributes, &signals)
    posix_spawnattr_setflags(
      &attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
    // env changes the folder, as posix_spawn cannot everywhere, and becomes the program.
    let argumentStrings =
      (["env", "-C", folder, program] + arguments).map { strdup($0) } + [nil]
    let variableStrings = variables.map { strdup("\($0.key)=\($0.value)") } + [nil]
    defer { for string in argumentStrings + variableStrings { free(string) } }
    var pid: pid_t = 0
    let problem = posix_spawn(
      &pid, "/usr/bin/env", &actions, &attributes, argumentStrings, variableStrings)
    guard problem == 0 else {
      throw POSIXError(POSIXErrorCode(rawValue: problem) ?? .EINVAL)
    }
    self.pid = pid
  }

  /// Waits for the end; returns the status as a shell tells it. Call once.
  public func wait() -> Int32 {
    var status: Int32 = 0
    while waitpid(pid, &status, 0) < 0, errno == EINTR {}
    let signal = status & 0x7F
    return signal == 0 ? status >> 8 & 0xFF : 128 + signal
  }
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
