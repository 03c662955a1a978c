// The `/layers` table of masks.h5 and metrics.h5: one row per prunable weight tensor.

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

extension ArtifactWriter {
  func write(_ table: LayerTable) throws {
    let count = [table.rows.count]
    try naming {
      let group = try root.createGroup("layers")
      if let total = table.totalIoU { try group.setAttribute("total_iou", total) }
      if let watershed = table.watershed { try group.setAttribute("watershed", watershed) }
    }
    try writeStrings("layers/name", table.rows.map(\.name))
    try write("layers/weights", table.rows.map { Int64($0.weights) }, shape: count)
    try write("layers/kept", table.rows.map { Int64($0.kept) }, shape: count)
    try write("layers/density", table.rows.map(\.density), shape: count)
    try write("layers/iou", table.rows.map(\.iou), shape: count)
    for (index, task) in table.tasks.enumerated() {
      try write("layers/density_\(task)", table.rows.map { $0.taskDensities[index] }, shape: count)
    }
  }
}

extension ArtifactReader {
  /// The table without its columns per task.
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
    return LayerTable(
      rows: names.indices.map {
        LayerTable.Row(
          name: names[$0], weights: Int(weights[$0]), kept: Int(kept[$0]), iou: iou[$0])
      })
  }
}
