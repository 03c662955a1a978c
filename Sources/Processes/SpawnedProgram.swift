// Starting other programs. By hand, since Foundation's Process can miss the end of a program when
// several start at the same time, and then waits for ever.

import Foundation

/// A running program.
package struct SpawnedProgram: Sendable {
  package let pid: pid_t

  /// - Parameters:
  ///   - program: a path, or a name to be found by PATH.
  ///   - environment: all that the program's environment has.
  ///   - input: a descriptor to read from; nil for nothing.
  ///   - output: a descriptor for what it prints; nil for nowhere.
  ///   - errors: a descriptor for its errors; nil for nowhere.
  /// - Throws: `POSIXError` when it cannot be started.
  package init(
    _ program: String, _ arguments: [String], environment: [String: String], input: Int32? = nil,
    output: Int32? = nil, errors: Int32? = nil
  ) throws {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    let streams = [
      (input, STDIN_FILENO, O_RDONLY), (output, STDOUT_FILENO, O_WRONLY),
      (errors, STDERR_FILENO, O_WRONLY),
    ]
    for (descriptor, target, mode) in streams {
      if let descriptor {
        posix_spawn_file_actions_adddup2(&actions, descriptor, target)
      } else {
        posix_spawn_file_actions_addopen(&actions, target, "/dev/null", mode, 0)
      }
    }
    // What this process has open is not for the program: an HDF5 file would stay locked.
    for descriptor in Int32(3)..<512 {
      posix_spawn_file_actions_addclose(&actions, descriptor)
    }
    // Signals that this process blocks or ignores, to clean up, are the program's own affair.
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
    let argumentStrings = ([program] + arguments).map { strdup($0) } + [nil]
    let variableStrings = environment.map { strdup("\($0.key)=\($0.value)") } + [nil]
    defer { for string in argumentStrings + variableStrings { free(string) } }
    var pid: pid_t = 0
    var problem: Int32 = 0
    for _ in 0..<100 {
      problem = posix_spawnp(
        &pid, program, &actions, &attributes, argumentStrings, variableStrings)
      // A script that was written just now is still open in a child that another thread is starting.
      guard problem == ETXTBSY else { break }
      usleep(10_000)
    }
    guard problem == 0 else { throw POSIXError(POSIXErrorCode(rawValue: problem) ?? .EINVAL) }
    self.pid = pid
  }

  /// Waits for the end; once it is told, the program is gone.
  ///
  /// - Returns: the exit status as a shell tells it, 128 and the signal's number for a killed program.
  package func wait() -> Int32 {
    var status: Int32 = 0
    while waitpid(pid, &status, 0) < 0, errno == EINTR {}
    return Self.shellStatus(status)
  }

  /// As ``wait()``; nil while it still runs.
  ///
  /// - Throws: `POSIXError` when the system does not know the program.
  package func statusIfEnded() throws -> Int32? {
    var status: Int32 = 0
    let found = waitpid(pid, &status, WNOHANG)
    if found < 0, errno != EINTR { throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .ECHILD) }
    return found == pid ? Self.shellStatus(status) : nil
  }

  private static func shellStatus(_ status: Int32) -> Int32 {
    let signal = status & 0x7F
    return signal == 0 ? status >> 8 & 0xFF : 128 + signal
  }
}
