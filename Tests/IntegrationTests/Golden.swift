// Compares text with the files in Golden/; DISPARSE_UPDATE_GOLDEN=1 writes them anew instead.

import Foundation
import Testing

/// Expects that `text` is what Golden/`name`.txt holds.
func expectGolden(
  _ text: String, _ name: String, sourceLocation: SourceLocation = #_sourceLocation
) throws {
  let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .appendingPathComponent("Golden/\(name).txt")
  if ProcessInfo.processInfo.environment["DISPARSE_UPDATE_GOLDEN"] != nil {
    try Data(text.utf8).write(to: file)
  }
  let golden = try String(contentsOf: file, encoding: .utf8)
  #expect(text == golden, sourceLocation: sourceLocation)
}

extension String {
  /// With what differs from run to run made #: times and rates.
  var maskingTimes: String {
    replacing(#/\d+(\.\d+)? images/s/#, with: "# images/s")
      .replacing(#/ in \d+\.\d+ s/#, with: " in # s")
  }

  /// With what may differ from machine to machine made #: times, rates and all decimals, whatever
  /// their width.
  var maskingNumbers: String {
    maskingTimes.replacing(#/-?\d+\.\d+/#, with: "#").replacing(#/ +/#, with: " ")
  }
}
