// A comparison as a table for the terminal.

import Artifacts
import Formatting

extension Comparison {
  /// The comparison for a terminal.
  ///
  /// - Parameter inColour: with escape sequences: what got better green, what got worse red.
  public func text(inColour: Bool = false) -> String {
    let sizes = models.map(\.metrics.size)
    func size(_ name: String, _ cell: (NetworkSize) -> String) -> [String] {
      ["all", name, ""] + sizes.map(cell)
    }
    var table = [["task", "metric", "constant"] + models.map(\.label)]
    table += rows.map { row in
      [row.task, "\(row.metric) \(row.direction)", Format.number(row.constant)]
        + zip(row.values, row.changes).map { value, change in
          Format.number(value) + (change == nil ? "" : " (\(Format.change(change)))")
        }
    }
    table.append(size("sparsity") { Format.percent($0.sparsity) })
    table.append(size("GFLOPs per image") { Format.fixed($0.flopsSparse / 1e9, 2) })
    table.append(size("MB on disk") { Format.fixed(Double($0.bytesSparse) / 1e6, 2) })
    if models.count > 1 {
      table.append(
        ["all", "mean change", ""] + models.indices.map { Format.change(meanChange(ofModel: $0)) })
    }
    return Format.table(table, textColumns: 2, style: inColour ? { cellStyle($0, $1) } : nil)
  }

  private func cellStyle(_ row: Int, _ column: Int) -> TextStyle? {
    if row == 0 { return .header }
    if column < 3 { return column == 2 ? .faint : nil }
    let (index, model) = (row - 1, column - 3)
    if rows.indices.contains(index) { return .ofChange(rows[index].changes[model]) }
    // After the metrics come sparsity, operations and bytes, and then the mean change.
    return index == rows.count + 3 ? .ofChange(meanChange(ofModel: model)) : nil
  }
}
