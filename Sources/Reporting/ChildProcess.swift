// Runs a program that reads a text and prints one, within a time limit. By hand, since Foundation's
// Process can miss the end of a program and then waits for ever.

import Foundation

struct ChildProcess {
  /// Why a program gave no result.
  enum Failure: Error, Equatable {
    case notFound
    case notStarted(String)
    /// The exit status, 128 and the signal's number for a killed program, and what it said.
    case failed(Int32, String)
    case tookTooLong
  }

  /// Found by PATH.
  let program: String
  let arguments: [String]
  /// All that the program's environment has.
  var environment: [String: String] = [:]
  var secondsAllowed = 20.0

  /// - Parameter input: what the program reads.
  /// - Returns: what it prints.
  /// - Throws: ``Failure``.
  func run(input: String) throws -> String {
    // Files without names rather than pipes: no amount of text blocks, and no end is missed.
    let (source, output, errors) = (try ScratchFile(), try ScratchFile(), try ScratchFile())
    try source.write(input)
    let pid = try start(source, output, errors)
    let status = try wait(for: pid)
    guard status == 0 else { throw Failure.failed(status, errors.text) }
    return output.text
  }

  private func start(_ input: ScratchFile, _ output: ScratchFile, _ errors: ScratchFile) throws
    -> pid_t
  {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    for (file, target) in [
      (input, STDIN_FILENO), (output, STDOUT_FILENO), (errors, STDERR_FILENO),
    ] {
      posix_spawn_file_actions_adddup2(&actions, file.descriptor, target)
    }
    // What this process has open is not for the program: an HDF5 file would stay locked.
    for descriptor in Int32(3)..<256 {
      posix_spawn_file_actions_addclose(&actions, descriptor)
    }
    // The tools ignore the signals that end them, to clean up; a child must not inherit that.
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var signals = sigset_t()
    sigemptyset(&signals)
    posix_spawnattr_setsigmask(&attributes, &signals)
    sigfillset(&signals)
    posix_spawnattr_setsigdefault(&attributes, &signals)
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
    let argumentStrings = ([program] + arguments).map { strdup($0) } + [nil]
    let variableStrings = environment.map { strdup("\($0.key)=\($0.value)") } + [nil]
    defer { for string in argumentStrings + variableStrings { free(string) } }
    var pid: pid_t = 0
    let problem = posix_spawnp(
      &pid, program, &actions, &attributes, argumentStrings, variableStrings)
    guard problem == 0 else {
      throw problem == ENOENT || problem == ENOTDIR || problem == EACCES
        ? Failure.notFound : Failure.notStarted(String(cString: strerror(problem)))
    }
    return pid
  }

  /// The status as a shell tells it.
  private func wait(for pid: pid_t) throws -> Int32 {
    let end = ContinuousClock.now + .seconds(secondsAllowed)
    var status: Int32 = 0
    while true {
      let found = waitpid(pid, &status, WNOHANG)
      if found == pid { break }
      if found < 0, errno != EINTR { throw Failure.notStarted(String(cString: strerror(errno))) }
      if ContinuousClock.now > end {
        kill(pid, SIGKILL)
        while waitpid(pid, &status, 0) < 0, errno == EINTR {}
        throw Failure.tookTooLong
      }
      usleep(1000)
    }
    let signal = status & 0x7F
    return signal == 0 ? status >> 8 & 0xFF : 128 + signal
  }
}

/// An open file without a name.
private final class ScratchFile {
  let descriptor: Int32

  init() throws {
    var template = Array((NSTemporaryDirectory() + "/disparse-XXXXXX").utf8CString)
    descriptor = mkstemp(&template)
    guard descriptor >= 0 else {
      throw ChildProcess.Failure.notStarted(String(cString: strerror(errno)))
    }
    unlink(template)
    // Another child that starts meanwhile must not hold it.
    _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
  }

  deinit { close(descriptor) }

  func write(_ text: String) throws {
    let bytes = Array(text.utf8)
    var written = 0
    while written < bytes.count {
      let count = bytes[written...].withUnsafeBytes {
        Foundation.write(descriptor, $0.baseAddress, $0.count)
      }
      if count < 0, errno != EINTR {
        throw ChildProcess.Failure.notStarted(String(cString: strerror(errno)))
      }
      written += max(0, count)
    }
    lseek(descriptor, 0, SEEK_SET)
  }

  var text: String {
    lseek(descriptor, 0, SEEK_SET)
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = read(descriptor, &buffer, buffer.count)
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { return String(decoding: bytes, as: UTF8.self) }
      bytes += buffer[..<count]
    }
  }
}
