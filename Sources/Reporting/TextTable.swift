// A comparison as a table for the terminal.

import Artifacts
import Formatting

extension Comparison {
  /// The comparison for a terminal.
  public var text: String {
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
    return Format.table(table, textColumns: 2)
  }
}
