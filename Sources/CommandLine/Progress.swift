// Progress on stderr: a bar on a terminal, plain lines otherwise.

import Foundation

/// Tells how far a loop is and how long it will take.
public final class Progress {
  private let label: String
  private let total: Int
  /// How many were done before.
  private let first: Int
  private let isSilent: Bool
  private let isTerminal = Terminal.isShown(STDERR_FILENO)
  private let start = ContinuousClock.now
  private var lastShown: Double
  private var drawn = false

  /// Seconds between two bars, and between two plain lines.
  private static let barInterval = 0.1
  private static let lineInterval = 10.0

  /// - Parameters:
  ///   - label: what is being done, such as "render".
  ///   - first: how many of the total were done before.
  public init(_ label: String, total: Int, startingAt first: Int = 0, quiet: Bool) {
    self.label = label
    self.total = total
    self.first = first
    isSilent = quiet
    // The first bar at once, the first plain line when there is something to tell.
    lastShown = isTerminal ? -.infinity : 0
  }

  /// Seconds since the start.
  public var seconds: Double { (ContinuousClock.now - start) / .seconds(1) }

  /// So many over the seconds since the start.
  public func perSecond(_ count: Int) -> Int { Progress.whole(Double(count) / seconds) }

  /// - Parameters:
  ///   - done: how many of the total.
  ///   - detail: what else to say, such as the losses; made only when shown.
  public func update(_ done: Int, _ detail: @autoclosure () -> String = "") {
    guard !isSilent else { return }
    let seconds = self.seconds
    let interval = isTerminal ? Self.barInterval : Self.lineInterval
    guard seconds - lastShown >= interval || (isTerminal && done == total) else { return }
    lastShown = seconds
    let text = describe(done, detail())
    if isTerminal {
      let width = 20
      let filled = Progress.filled(done, of: total, width: width)
      let bar =
        String(repeating: "#", count: filled) + String(repeating: ".", count: width - filled)
      writeError("\r\u{1B}[K[\(bar)] \(text)")
      drawn = true
    } else {
      writeError(text + "\n")
    }
  }

  /// A line of its own, whenever the last one was.
  public func line(_ done: Int, _ detail: String) {
    guard !isSilent else { return }
    writeError((drawn ? "\r\u{1B}[K" : "") + describe(done, detail) + "\n")
    drawn = false
  }

  private func describe(_ done: Int, _ detail: String) -> String {
    let left =
      done > first ? seconds / (Double(done) - Double(first)) * (Double(total) - Double(done)) : 0
    return ["\(label) \(done)/\(total)", detail, "\(Progress.clock(left)) left"]
      .filter { !$0.isEmpty }.joined(separator: "  ")
  }

  /// Ends the bar's line.
  public func finish() {
    if drawn { writeError("\n") }
    drawn = false
  }

  deinit { if drawn { writeError("\n") } }

  /// How many of a bar's places are done.
  package static func filled(_ done: Int, of total: Int, width: Int) -> Int {
    let share = total > 0 ? Double(done) / Double(total) : 1
    return min(max(whole((Double(width) * share).rounded(.down)), 0), width)
  }

  /// The nearest whole number; 0 for what is no number, and the largest that a Double counts to for
  /// what is beyond it.
  package static func whole(_ number: Double) -> Int {
    let largest = 0x1p53
    return number.isNaN ? 0 : Int(min(max(number, -largest), largest).rounded())
  }

  /// m:ss, or h:mm:ss.
  package static func clock(_ seconds: Double) -> String {
    let whole = whole(seconds)
    func twoDigits(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
    let (minutes, rest) = (whole / 60 % 60, twoDigits(whole % 60))
    return whole < 3600 ? "\(minutes):\(rest)" : "\(whole / 3600):\(twoDigits(minutes)):\(rest)"
  }
}
