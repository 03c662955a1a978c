// The layers of a network as people speak of them: the backbone's stages, and each task's head. Of
// scene-net their names tell; of other networks the modules' names, and which tasks have a say.

import Artifacts

/// A run of layers with a name.
package struct LayerGroup: Equatable {
  package let name: String
  /// The task whose head it is, by its place in the list; nil in the backbone.
  package let task: Int?
  /// Rows of the table.
  package let rows: Range<Int>

  /// Whether its name has room under its part of a chart that is as wide as the page.
  ///
  /// - Parameter count: layers in the chart.
  func fits(among count: Int) -> Bool {
    // A chart has room for some 120 letters.
    Double(name.count) <= 120 * Double(rows.count) / Double(count) + 2
  }
}

extension LayerTable.Row {
  /// Whether several tasks share it.
  var isBackbone: Bool {
    name.hasPrefix("backbone.") || taskDensities.count(where: \.isFinite) > 1
  }

  /// Whether it projects a residual block's input, beside the main path.
  var isProjection: Bool { name.hasPrefix("backbone.ds.") }

  /// The name without what all have.
  var shortName: String {
    var short = name
    for ending in [".weight"] where short.hasSuffix(ending) {
      short = String(short.dropLast(ending.count))
    }
    for start in ["backbone.blocks.", "backbone."] where short.hasPrefix(start) {
      return String(short.dropFirst(start.count))
    }
    return short
  }

  /// The task whose head the layer is in, counted from 0: `task1_fc1_c0.conv1.weight` is the first's.
  fileprivate var headTask: Int? {
    if name.hasPrefix("task"), let task = Int(name.dropFirst(4).prefix { $0.isNumber }) {
      return task - 1
    }
    let owners = taskDensities.indices.filter { taskDensities[$0].isFinite }
    return taskDensities.count > 1 && owners.count == 1 ? owners.first : nil
  }

  fileprivate func group(_ tasks: [String]) -> (name: String, task: Int?) {
    // Where a network was split, the name begins with the task's.
    if let task = headTask ?? tasks.firstIndex(where: { name.hasPrefix($0 + ".") }) {
      return (tasks.indices.contains(task) ? tasks[task] : "task \(task + 1)", task)
    }
    let parts = name.split(separator: ".")
    if parts.count > 2, parts[0] == "backbone", parts[1] == "blocks", let stage = Int(parts[2]) {
      return ("stage \(stage &+ 1)", nil)
    }
    if isProjection { return ("proj.", nil) }
    // The module: encoder, layer1, features.
    let module = parts.first == "backbone" ? parts.dropFirst().first : parts.first
    let isStem = parts.count <= 3 && parts.first == "backbone"
    return (isStem ? "stem" : module.map(String.init) ?? "other", nil)
  }
}

extension LayerTable {
  /// The rows in runs of the same stage or head.
  ///
  /// - Parameter tasks: of the network, in the order of its heads.
  package func groups(_ tasks: [String]) -> [LayerGroup] {
    var groups: [LayerGroup] = []
    for (index, row) in rows.enumerated() {
      let (name, task) = row.group(tasks)
      if let last = groups.last, last.name == name, last.task == task {
        groups[groups.count - 1] = LayerGroup(
          name: name, task: task, rows: last.rows.lowerBound..<index + 1)
      } else {
        groups.append(LayerGroup(name: name, task: task, rows: index..<index + 1))
      }
    }
    return groups
  }

  /// Whether the tasks chose for themselves, so that their choices can be compared.
  var tellsChoices: Bool { tasks.count > 1 && rows.contains { $0.iou.isFinite } }
}
