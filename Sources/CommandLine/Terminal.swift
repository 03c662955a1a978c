// What standard output is connected to.

import Foundation

public enum Terminal {
  /// Whether tables may be coloured: standard output is a terminal that knows colours, and nobody has
  /// asked for none (no-color.org).
  public static var showsColour: Bool {
    showsColour(
      isTerminal: isatty(STDOUT_FILENO) == 1,
      environment: ProcessInfo.processInfo.environment)
  }

  package static func showsColour(isTerminal: Bool, environment: [String: String]) -> Bool {
    isTerminal && (environment["NO_COLOR"] ?? "").isEmpty && environment["TERM"] != "dumb"
  }
}
