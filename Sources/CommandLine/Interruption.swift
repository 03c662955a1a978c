// SIGINT, SIGTERM and SIGHUP: the end at once, or after a last step where a tool has something to save.

import Dispatch
import Foundation
import Synchronization

/// What a signal to end finds the tool doing.
public enum Interruption {
  private struct State {
    var defers = false
    var signal: Int32?
  }

  private static let state = Mutex(State())

  /// Runs `body` so that a first signal only changes what ``signal`` says; a second one ends the
  /// process.
  public static func deferring<Result>(_ body: () throws -> Result) rethrows -> Result {
    state.withLock { $0.defers = true }
    defer { state.withLock { $0.defers = false } }
    return try body()
  }

  /// The signal that came while it was deferred.
  public static var signal: Int32? { state.withLock { $0.signal } }

  /// Whether a signal may wait.
  fileprivate static func isDeferred(_ number: Int32) -> Bool {
    state.withLock { state in
      guard state.defers, state.signal == nil else { return false }
      state.signal = number
      return true
    }
  }
}

/// Whether this process was started with a signal ignored.
func isIgnored(_ number: Int32) -> Bool {
  var action = sigaction()
  guard sigaction(number, nil, &action) == 0 else { return false }
  return unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self)
    == unsafeBitCast(SIG_IGN, to: Int.self)
}

/// - Parameter cleanUp: takes away temporary files when the process ends.
func endOnSignal(_ number: Int32, _ cleanUp: @escaping @Sendable () -> Void)
  -> any DispatchSourceSignal
{
  signal(number, SIG_IGN)
  let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
  source.setEventHandler {
    guard !Interruption.isDeferred(number) else { return }
    cleanUp()
    _exit(128 + number)
  }
  source.resume()
  return source
}
