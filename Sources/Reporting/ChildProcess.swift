// Runs a program that reads a text and prints one, within a time limit.

import Foundation
import Processes

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
    let status = try wait(for: start(source, output, errors))
    guard status == 0 else { throw Failure.failed(status, errors.text) }
    return output.text
  }

  private func start(_ input: ScratchFile, _ output: ScratchFile, _ errors: ScratchFile) throws
    -> SpawnedProgram
  {
    do {
      return try SpawnedProgram(
        program, arguments, environment: environment, input: input.descriptor,
        output: output.descriptor, errors: errors.descriptor)
    } catch let problem as POSIXError {
      throw [.ENOENT, .ENOTDIR, .EACCES].contains(problem.code)
        ? Failure.notFound : Failure.notStarted(String(cString: strerror(problem.code.rawValue)))
    }
  }

  /// The status as a shell tells it.
  private func wait(for child: SpawnedProgram) throws -> Int32 {
    let end = ContinuousClock.now + .seconds(secondsAllowed)
    do {
      while true {
        if let status = try child.statusIfEnded() { return status }
        if ContinuousClock.now > end {
          kill(child.pid, SIGKILL)
          _ = child.wait()
          throw Failure.tookTooLong
        }
        usleep(1000)
      }
    } catch let problem as POSIXError {
      throw Failure.notStarted(String(cString: strerror(problem.code.rawValue)))
    }
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
