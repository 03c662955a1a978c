// The prunable weights of a multi-task network as one sequence: what masks and rankings index.

/// A weight tensor that may be pruned.
public struct PrunableLayer: Equatable, Sendable {
  public let name: String
  public let shape: [Int]
  /// The task whose head it is in (0-based), or nil for the backbone that all tasks share.
  public let task: Int?
  /// Whether it lies on a shortcut beside the main path, so that its place in network order says
  /// nothing about its depth.
  public let isProjection: Bool

  public init(name: String, shape: [Int], task: Int?, isProjection: Bool = false) {
    self.name = name
    self.shape = shape
    self.task = task
    self.isProjection = isProjection
  }

  public var count: Int { shape.reduce(1, *) }
}

/// The prunable layers in network order. Laid end to end, the backbone's weights come first, then
/// each task's head in task order; task k's own network is the backbone followed by head k.
public struct PrunableNetwork: Sendable {
  public let tasks: [String]
  /// Backbone layers, then head by head.
  public let layers: [PrunableLayer]
  /// Weights that all tasks share.
  public let sharedCount: Int
  /// Where each task's head lies among all weights.
  public let heads: [Range<Int>]
  public var count: Int { heads.last?.upperBound ?? sharedCount }

  /// Orders `layers` as backbone first, then head by head, each in the given order.
  public init(tasks: [String], layers: [PrunableLayer]) {
    self.tasks = tasks
    let shared = layers.filter { $0.task == nil }
    sharedCount = shared.reduce(0) { $0 + $1.count }
    var ordered = shared
    var heads: [Range<Int>] = []
    var start = sharedCount
    for task in tasks.indices {
      let head = layers.filter { $0.task == task }
      let count = head.reduce(0) { $0 + $1.count }
      heads.append(start..<start + count)
      start += count
      ordered += head
    }
    self.layers = ordered
    self.heads = heads
  }

  /// The layers of task k's network, in order.
  public func layers(ofTask task: Int) -> [PrunableLayer] {
    layers.filter { $0.task == nil || $0.task == task }
  }

  /// The number of weights N_k of task k's network.
  public func count(ofTask task: Int) -> Int { sharedCount + heads[task].count }
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
