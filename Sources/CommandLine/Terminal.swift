// What the standard streams are connected to.

import Collectives
import Foundation

public enum Terminal {
  /// Whether tables may be coloured: standard output is a terminal that knows colours, and nobody has
  /// asked for none (no-color.org).
  public static var showsColour: Bool {
    showsColour(
      isTerminal: isShown(STDOUT_FILENO),
      environment: ProcessInfo.processInfo.environment)
  }

  /// Whether a stream is the user's terminal. Launchers give each process a terminal of its own, and pass
  /// on what comes out.
  static func isShown(_ stream: Int32) -> Bool { isatty(stream) == 1 && Launch.current.size == 1 }

  package static func showsColour(isTerminal: Bool, environment: [String: String]) -> Bool {
    isTerminal && (environment["NO_COLOR"] ?? "").isEmpty && environment["TERM"] != "dumb"
  }
}
