// FusedLayer: nodes that the sparse engine runs as one pass over memory.

import Graphs

/// A layer with what follows it: batch-norm, a residual sum, a rectifier.
struct FusedLayer {
  /// The batch-norm that follows a convolution.
  private(set) var batchNorm: BatchNorm?
  /// Where the sum's other side comes from, if there is a sum; the inner nil is the image.
  private(set) var residual: Int??
  private(set) var isRectified = false
  /// The node whose value it gives.
  private(set) var last: Int
  /// All of them.
  private(set) var nodes: [Int]

  /// - Parameter first: a convolution, a linear layer or a batch-norm.
  fileprivate init(_ first: Int) {
    last = first
    nodes = [first]
  }

  fileprivate mutating func take(_ node: Int) {
    last = node
    nodes.append(node)
  }

  fileprivate mutating func fold(_ settings: BatchNorm, _ node: Int) {
    batchNorm = settings
    take(node)
  }

  fileprivate mutating func add(_ other: Int?, _ node: Int) {
    residual = .some(other)
    take(node)
  }

  fileprivate mutating func rectify(_ node: Int) {
    isRectified = true
    take(node)
  }
}

/// Who reads what in a graph.
struct Readers {
  private let graph: Graph
  /// By node: the nodes that read it; an output is read by nobody that could take it along.
  private var readers: [[Int]]
  private var isTaken: [Bool]

  init(_ graph: Graph) {
    self.graph = graph
    readers = graph.nodes.map { _ in [] }
    isTaken = graph.nodes.map { _ in false }
    for (node, sources) in graph.sources.enumerated() {
      for case let source? in sources { readers[source].append(node) }
    }
    for task in graph.tasks.indices {
      if let output = graph.output(ofTask: task) { readers[output] = [] }
    }
  }

  /// The layer that begins with a node, with all that may run in the same pass; its nodes are then
  /// taken.
  ///
  /// - Parameter foldsBatchNorm: whether a batch-norm after a convolution runs with it.
  mutating func layer(from first: Int, foldsBatchNorm: Bool) -> FusedLayer {
    var layer = FusedLayer(first)
    if foldsBatchNorm, let next = onlyReader(of: first),
      case .batchNorm(let settings) = graph.nodes[next].operation
    {
      layer.fold(settings, next)
    }
    if let next = onlyReader(of: layer.last), case .arithmetic(.add) = graph.nodes[next].operation {
      let sources = graph.sources[next]
      layer.add(sources[0] == layer.last ? sources[1] : sources[0], next)
    }
    if let next = onlyReader(of: layer.last), case .activation(.relu) = graph.nodes[next].operation
    {
      layer.rectify(next)
    }
    for node in layer.nodes { isTaken[node] = true }
    return layer
  }

  /// The dropout that a rectifier's value goes to alone; both are then taken.
  mutating func dropout(after rectifier: Int) -> Int? {
    guard !isTaken[rectifier], case .activation(.relu) = graph.nodes[rectifier].operation,
      let next = onlyReader(of: rectifier), case .dropout = graph.nodes[next].operation
    else { return nil }
    isTaken[rectifier] = true
    isTaken[next] = true
    return next
  }

  func isTaken(_ node: Int) -> Bool { isTaken[node] }

  private func onlyReader(of node: Int) -> Int? {
    guard readers[node].count == 1, let reader = readers[node].first, !isTaken[reader] else {
      return nil
    }
    return reader
  }
}
