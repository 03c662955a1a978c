// A comparison as a table for the terminal.

import Artifacts
import Formatting

extension Comparison {
  /// As many models as a terminal has room for beside each other.
  private static let mostColumns = 5

  /// The comparison for a terminal: a column per model with every metric, or, of many models, a row
  /// each with one metric per task.
  ///
  /// - Parameter inColour: with escape sequences: what got better green, what got worse red.
  public func text(inColour: Bool = false) -> String {
    let table = models.count > Self.mostColumns ? rowPerModel(inColour) : columnPerModel(inColour)
    guard let timingConditions else { return table }
    return "\(table)\nmilliseconds: medians of several runs, \(timingConditions)"
  }

  private func rowPerModel(_ inColour: Bool) -> String {
    let headlines = (models.first?.kinds ?? []).enumerated().compactMap { index, task in
      rows.first {
        $0.task == task.name && $0.metric == models.first?.headline(ofTask: index)?.name
      }
    }
    let sizes = ["sparsity", "GFLOPs"] + times.map { "ms \($0.engine)" } + ["MB"]
    var table = [
      ["model"] + sizes
        + headlines.map { "\($0.task) \($0.metric) \($0.direction)" } + ["ΔT"],
      ["constant"] + sizes.map { _ in "" } + headlines.map { Format.number($0.constant) },
    ]
    for (index, model) in models.enumerated() {
      let size = model.metrics.size
      table.append(
        [model.label, Format.percent(size.sparsity), Format.fixed(size.flopsSparse / 1e9, 2)]
          + times.map { $0.cells[index] } + [Format.fixed(Double(size.bytesSparse) / 1e6, 2)]
          + headlines.map { cell($0.values[index], $0.changes[index]) }
          + [Format.change(deltaT(ofModel: index))])
    }
    guard inColour else { return Format.table(table) }
    return Format.table(table) { row, column in
      let (model, place) = (row - 2, column - 1 - sizes.count)
      if row == 0 { return .header }
      if row == 1 { return .faint }
      if headlines.indices.contains(place) { return .ofChange(headlines[place].changes[model]) }
      return place == headlines.count ? .ofChange(deltaT(ofModel: model)) : nil
    }
  }

  private func cell(_ value: Double, _ change: Double?) -> String {
    Format.number(value) + (change == nil ? "" : " (\(Format.change(change)))")
  }

  private func columnPerModel(_ inColour: Bool) -> String {
    let sizes = models.map(\.metrics.size)
    func size(_ name: String, _ cell: (NetworkSize) -> String) -> [String] {
      ["all", name, ""] + sizes.map(cell)
    }
    var table = [["task", "metric", "constant"] + models.map(\.label)]
    table += rows.map { row in
      [row.task, "\(row.metric) \(row.direction)", Format.number(row.constant)]
        + zip(row.values, row.changes).map(cell)
    }
    table.append(size("sparsity") { Format.percent($0.sparsity) })
    table.append(size("parameters kept") { Format.count($0.kept) })
    table += components.map { owners, cells in ["all", "density, \(owners)", ""] + cells }
    table.append(size("GFLOPs per image") { Format.fixed($0.flopsSparse / 1e9, 2) })
    table += times.map { ["all", "ms per image, \($0.engine)", ""] + $0.cells }
    table.append(size("MB on disk") { Format.fixed(Double($0.bytesSparse) / 1e6, 2) })
    if models.count > 1 {
      table.append(
        ["all", "ΔT", ""] + models.indices.map { Format.change(deltaT(ofModel: $0)) })
    }
    return Format.table(table, textColumns: 2, style: inColour ? { cellStyle($0, $1) } : nil)
  }

  /// The density of each component in any of the models; none where all are dense.
  private var components: [(owners: String, cells: [String])] {
    guard models.contains(where: { $0.metrics.size.sparsity > 0 }) else { return [] }
    var owners: [String] = []
    for component in models.flatMap(\.metrics.components) where !owners.contains(component.owners) {
      owners.append(component.owners)
    }
    return owners.map { owners in
      let cells = models.map { model in
        model.metrics.components.first { $0.owners == owners }.map { Format.percent($0.density) }
      }
      return (owners, cells.map { $0 ?? "" })
    }
  }

  private func cellStyle(_ row: Int, _ column: Int) -> TextStyle? {
    if row == 0 { return .header }
    if column < 3 { return column == 2 ? .faint : nil }
    let (index, model) = (row - 1, column - 3)
    if rows.indices.contains(index) { return .ofChange(rows[index].changes[model]) }
    // After the metrics come sizes and times, and then ΔT.
    return index == rows.count + components.count + times.count + 4
      ? .ofChange(deltaT(ofModel: model)) : nil
  }
}
