// Standard output and error, which may be closed, full, or read by nobody. That ends no run: what
// cannot be said is not said, and only the exit status tells of a result that did not arrive. Of the
// processes of one run the first speaks.

import Collectives
import Foundation
import Synchronization

enum StandardStreams {
  private static let failure = Mutex<Int32?>(nil)

  /// Why standard output could not be written, if so.
  static var outputFailure: Int32? { failure.withLock { $0 } }

  /// Call before any file is opened.
  static func prepare() {
    // A reader that went away is an error of the write, not the end of the program.
    signal(SIGPIPE, SIG_IGN)
    // A file must not be opened under the number of a closed stream, or messages would go into it. To
    // one that is open for reading only, as here, writing fails as it did.
    for descriptor in STDIN_FILENO...STDERR_FILENO where fcntl(descriptor, F_GETFD) < 0 {
      _ = open("/dev/null", O_RDONLY)
    }
  }

  /// Writes a text as far as possible; returns the system's error number, 0 for none.
  static func write(_ text: String, to descriptor: Int32) -> Int32 {
    guard Launch.current.rank == 0 else { return 0 }
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
      let written = rest.withUnsafeBytes { Foundation.write(descriptor, $0.baseAddress, $0.count) }
      if written >= 0 {
        rest = rest.dropFirst(written)
      } else if errno == EAGAIN {
        // Whoever we share the terminal with made it non-blocking.
        var ready = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        poll(&ready, 1, 1000)
      } else if errno != EINTR {
        return errno
      }
    }
    return 0
  }

  static func writeOutput(_ text: String) {
    failure.withLock { failure in
      guard failure == nil else { return }
      let problem = write(text, to: STDOUT_FILENO)
      if problem != 0 { failure = problem }
    }
  }
}

/// Writes a line to standard output. What does not arrive makes the exit status 1.
public func writeLine(_ line: String) { StandardStreams.writeOutput(line + "\n") }

/// Writes to standard error, as far as it goes.
public func writeError(_ text: String) { _ = StandardStreams.write(text, to: STDERR_FILENO) }
