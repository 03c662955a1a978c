// The `/layers` table of masks.h5, model.h5 and metrics.h5: one row per prunable weight tensor.

import HDF5

public struct LayerTable: Sendable {
  public struct Row: Sendable {
    public let name: String
    public let weights: Int
    public let kept: Int
    /// Intersection over union of the tasks' masks; NaN outside the backbone.
    public let iou: Double
    /// Per task, in the order of ``LayerTable/tasks``; NaN where the task lacks the layer.
    public let taskDensities: [Double]

    public var density: Double { Double(kept) / Double(weights) }

    public init(
      name: String, weights: Int, kept: Int, iou: Double = .nan, taskDensities: [Double] = []
    ) {
      self.name = name
      self.weights = weights
      self.kept = kept
      self.iou = iou
      self.taskDensities = taskDensities
    }
  }

  /// Tasks that have a column of their own.
  public let tasks: [String]
  /// In network order.
  public let rows: [Row]
  public let totalIoU: Double?
  public let watershed: String?

  public init(
    tasks: [String] = [], rows: [Row], totalIoU: Double? = nil, watershed: String? = nil
  ) {
    self.tasks = tasks
    self.rows = rows
    self.totalIoU = totalIoU
    self.watershed = watershed
  }
}

/// How the columns of the tasks' own densities begin.
private let densityPrefix = "density_"

extension ArtifactWriter {
  func write(_ table: LayerTable) throws {
    let count = [table.rows.count]
    let group = try root.createGroup("layers")
    // HDF5 lists columns by name; readers keep the tasks' order.
    if !table.tasks.isEmpty { try group.setAttribute("tasks", table.tasks) }
    if let total = table.totalIoU { try group.setAttribute("total_iou", total) }
    if let watershed = table.watershed { try group.setAttribute("watershed", watershed) }
    try writeStrings("layers/name", table.rows.map(\.name))
    try write("layers/weights", table.rows.map { Int64($0.weights) }, shape: count)
    try write("layers/kept", table.rows.map { Int64($0.kept) }, shape: count)
    try write("layers/density", table.rows.map(\.density), shape: count)
    try write("layers/iou", table.rows.map(\.iou), shape: count)
    for (index, task) in table.tasks.enumerated() {
      try write(
        "layers/\(densityPrefix)\(task)", table.rows.map { $0.taskDensities[index] }, shape: count)
    }
  }
}

extension ArtifactReader {
  /// As ``readLayers()``; nil where the file has no such table.
  public func readLayersIfAny() throws -> LayerTable? {
    root.contains("layers") ? try readLayers() : nil
  }

  /// - Throws: ``ArtifactError`` when a column is missing, columns differ in length, or a layer keeps
  ///   more weights than it has.
  public func readLayers() throws -> LayerTable {
    let group = try root.group("layers")
    let names = try group.dataset("name").readStrings()
    let weights = try group.dataset("weights").read(as: Int64.self)
    let kept = try group.dataset("kept").read(as: Int64.self)
    let iou = try group.dataset("iou").read(as: Double.self)
    for (column, count) in [("weights", weights.count), ("kept", kept.count), ("iou", iou.count)]
    where count != names.count {
      throw error("/layers/\(column)", "expected \(names.count) rows, found \(count)")
    }
    let tasks = try layerTasks(group)
    let densities = try tasks.map { task in
      let column = try group.dataset(densityPrefix + task).read(as: Double.self)
      guard column.count == names.count else {
        throw error(
          "/layers/\(densityPrefix)\(task)", "expected \(names.count) rows, found \(column.count)")
      }
      return column
    }
    return LayerTable(
      tasks: tasks,
      rows: try names.indices.map { row in
        let weights = try checkCount(Int(weights[row]), "/layers/weights")
        return LayerTable.Row(
          name: names[row], weights: weights,
          kept: try checkCount(Int(kept[row]), upTo: weights, "/layers/kept"), iou: iou[row],
          taskDensities: densities.map { $0[row] })
      },
      totalIoU: group.hasAttribute("total_iou") ? try group.attribute("total_iou") : nil,
      watershed: group.hasAttribute("watershed") ? try group.attribute("watershed") : nil)
  }

  /// The tasks with a column, in the order that the file tells, or by name where it tells none.
  private func layerTasks(_ group: Group) throws -> [String] {
    if group.hasAttribute("tasks") {
      let tasks: [String] = try group.attribute("tasks")
      guard Set(tasks).count == tasks.count else {
        throw error("/layers@tasks", "names a task twice")
      }
      return tasks
    }
    return try group.datasetNames().filter { $0.hasPrefix(densityPrefix) }.map {
      String($0.dropFirst(densityPrefix.count))
    }
  }
}
