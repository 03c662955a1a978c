// Numbers and tables as people read them.

import Foundation

public enum Format {
  /// With so many digits behind the point.
  public static func fixed(_ value: Double, _ digits: Int) -> String {
    value.isNaN ? "–" : String(format: "%.\(digits)f", value)
  }

  /// About four significant digits; – for what was not measured.
  public static func number(_ value: Double) -> String {
    value.isNaN ? "–" : fixed(value, abs(value) >= 10 ? 2 : 4)
  }

  /// With three significant digits and no more zeros than needed.
  public static func significant(_ value: Double) -> String {
    value.isNaN ? "–" : String(format: "%.3g", value)
  }

  /// A share in percent.
  public static func percent(_ share: Double) -> String { fixed(100 * share, 1) + " %" }

  /// A relative change in percent, with its sign; empty for none, – for what was not measured.
  public static func change(_ change: Double?) -> String {
    change.map { $0.isNaN ? "–" : String(format: "%+.1f %%", 100 * $0) } ?? ""
  }

  /// 12,345,678.
  public static func count(_ number: Int) -> String {
    number.formatted(.number.locale(Locale(identifier: "en_US")))
  }

  /// With zeros before it up to so many digits: 0042.
  public static func padded(_ number: Int, digits: Int) -> String {
    let written = String(number)
    return String(repeating: "0", count: max(0, digits - written.count)) + written
  }

  /// The shape of a tensor: 4×65×65.
  public static func shape(_ shape: [Int]) -> String {
    shape.isEmpty ? "a single value" : shape.map(String.init).joined(separator: "×")
  }

  /// Columns padded to their widest cell: the first ones, of text, flush left, the others right.
  ///
  /// - Parameter style: of a cell on a terminal; nil for a table without escape sequences.
  public static func table(
    _ rows: [[String]], textColumns: Int = 1,
    style: ((_ row: Int, _ column: Int) -> TextStyle?)? = nil
  ) -> String {
    let columns = rows.map(\.count).max() ?? 0
    let widths = (0..<columns).map { column in
      rows.map { column < $0.count ? $0[column].count : 0 }.max() ?? 0
    }
    return rows.enumerated().map { index, row in
      let line = row.enumerated().map { column, cell in
        let padding = String(repeating: " ", count: widths[column] - cell.count)
        let styled = cell.isEmpty ? nil : style?(index, column)?.applied(to: cell)
        return column < textColumns ? (styled ?? cell) + padding : padding + (styled ?? cell)
      }.joined(separator: "  ")
      return String(line.reversed().drop { $0 == " " }.reversed())
    }.joined(separator: "\n")
  }
}
