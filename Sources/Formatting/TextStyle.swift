// How a terminal shows the cells of a table.

/// What a cell means, as ANSI escape sequences show it.
public enum TextStyle: Sendable {
  case header
  /// What is there for comparison only.
  case faint
  case better
  case worse

  private var code: Int {
    switch self {
    case .header: 1
    case .faint: 2
    case .better: 32
    case .worse: 31
    }
  }

  func applied(to text: String) -> String { "\u{1B}[\(code)m\(text)\u{1B}[0m" }

  /// Of a relative change that is positive for better; nil for none.
  public static func ofChange(_ change: Double?) -> TextStyle? {
    guard let change, change != 0 else { return nil }
    return change > 0 ? .better : change < 0 ? .worse : nil
  }
}
