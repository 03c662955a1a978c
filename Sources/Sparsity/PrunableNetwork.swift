// The prunable weights of a multi-task network as one sequence: what masks and rankings index.

/// A weight tensor that may be pruned.
public struct PrunableLayer: Equatable, Sendable {
  public let name: String
  public let shape: [Int]
  /// The tasks whose outputs its weights reach, counted from 0: at least one, ascending.
  public let owners: [Int]
  /// False for a layer beside the main path, as on a shortcut: its place in network order says nothing
  /// about its depth.
  public let isOnMainPath: Bool

  public init(name: String, shape: [Int], owners: [Int], isOnMainPath: Bool = true) {
    self.name = name
    self.shape = shape
    self.owners = owners
    self.isOnMainPath = isOnMainPath
  }

  public var count: Int { shape.reduce(1, *) }

  /// Whether several tasks own its weights, so that they need an arbiter.
  public var isShared: Bool { owners.count > 1 }
}

/// The prunable layers in network order, their weights laid end to end. Task k's own network is the
/// layers that it owns, in the same order.
public struct PrunableNetwork: Sendable {
  public let tasks: [String]
  public let layers: [PrunableLayer]
  /// Weights of all layers.
  public let count: Int
  /// N_k by task.
  private let counts: [Int]
  let sections: [Section]

  public init(tasks: [String], layers: [PrunableLayer]) {
    self.tasks = tasks
    self.layers = layers
    var count = 0
    var counts = tasks.map { _ in 0 }
    var sections: [Section] = []
    for layer in layers {
      let end = count + layer.count
      if sections.last?.owners == layer.owners {
        sections[sections.count - 1].range = sections[sections.count - 1].range.lowerBound..<end
      } else {
        sections.append(
          Section(owners: layer.owners, range: count..<end, starts: layer.owners.map { counts[$0] })
        )
      }
      count = end
      for task in layer.owners { counts[task] += layer.count }
    }
    self.count = count
    self.counts = counts
    self.sections = sections
  }

  /// The layers of task k's network, in order.
  public func layers(ofTask task: Int) -> [PrunableLayer] {
    layers.filter { $0.owners.contains(task) }
  }

  /// The number of weights N_k of task k's network.
  public func count(ofTask task: Int) -> Int { counts[task] }
}

/// Consecutive layers with the same owners: weights that masks and votes treat alike.
struct Section {
  let owners: [Int]
  /// Where its weights lie among all weights.
  var range: Range<Int>
  /// Where they start in each owner's network, in the owners' order.
  let starts: [Int]

  var isShared: Bool { owners.count > 1 }

  /// Where its weights lie in the network of a task; nil when the task does not own them.
  func range(inTask task: Int) -> Range<Int>? {
    owners.firstIndex(of: task).map { starts[$0]..<starts[$0] + range.count }
  }
}

/// The slice of `values` that belongs to each of `layers`, which lie end to end.
public func slices<Value>(_ values: [Value], by layers: [PrunableLayer])
  -> [(layer: PrunableLayer, values: ArraySlice<Value>)]
{
  var start = 0
  return layers.map { layer in
    defer { start += layer.count }
    return (layer, values[start..<start + layer.count])
  }
}
