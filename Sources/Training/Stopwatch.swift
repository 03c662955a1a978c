// Stopwatch: the time that work takes.

import Foundation

/// Seconds since a start; under SOURCE_DATE_EPOCH time stands still, so that the same command
/// writes the same bytes.
struct Stopwatch {
  static var stands: Bool { ProcessInfo.processInfo.environment["SOURCE_DATE_EPOCH"] != nil }

  private let start = ContinuousClock.now
  private let stands = Stopwatch.stands

  var seconds: Double { stands ? 0 : (ContinuousClock.now - start) / .seconds(1) }
}
