// Steps: what an engine does one after the other, from the image to the predictions.

import Graphs
import Torch

/// How a pass through the network runs.
struct Mode {
  let training: Bool
  /// Nil where nothing is dropped.
  let dropout: DropoutStreams?
}

/// A node, or several that an engine runs as one.
struct Step {
  typealias Run = (_ inputs: [Tensor], _ mode: Mode) throws -> Tensor

  /// The nodes whose values it reads; nil is the image.
  let inputs: [Int?]
  /// The node whose value it gives: of several the last.
  let node: Int
  let run: Run
}

/// Steps in an order in which they can run.
struct StepList {
  private let steps: [Step]
  /// By step: the nodes whose values no later step reads.
  private let lastReads: [[Int]]
  /// The nodes that predict, in task order.
  private let outputs: [Int]
  private let nodeCount: Int

  init(_ steps: [Step], of graph: Graph) {
    self.steps = steps
    outputs = graph.tasks.indices.compactMap(graph.output(ofTask:))
    nodeCount = graph.nodes.count
    var isRead = Set(outputs)
    var lastReads = steps.map { _ in [Int]() }
    for (index, step) in steps.enumerated().reversed() {
      let inputs = Set(step.inputs.compactMap { $0 })
      lastReads[index] = inputs.subtracting(isRead).sorted()
      isRead.formUnion(inputs)
    }
    self.lastReads = lastReads
  }

  /// A step for each node.
  ///
  /// - Parameter run: how an operation runs, given the number of dropout layers before it.
  init(
    _ graph: Graph, _ run: (_ operation: Graphs.Operation, _ dropoutLayers: Int) throws -> Step.Run
  ) throws {
    let dropoutLayers = graph.dropoutLayers
    let steps = try graph.nodes.enumerated().map { node, content in
      Step(
        inputs: graph.sources[node], node: node,
        run: try run(content.operation, dropoutLayers[node]))
    }
    self.init(steps, of: graph)
  }

  /// The predictions in task order.
  func predictions(for image: Tensor, _ mode: Mode) throws -> [Tensor] {
    // Values are let go as soon as nothing reads them; autograd keeps what it needs.
    var values = [Tensor?](repeating: nil, count: nodeCount)
    for (step, lastReads) in zip(steps, lastReads) {
      let inputs = step.inputs.compactMap { $0.map { values[$0] } ?? image }
      values[step.node] = try step.run(inputs, mode)
      for node in lastReads { values[node] = nil }
    }
    return outputs.compactMap { values[$0] }
  }
}

extension Graph {
  /// By node: how many dropout layers stand before it; their random numbers go by that.
  var dropoutLayers: [Int] {
    var count = 0
    return nodes.map { node in
      defer { if case .dropout = node.operation { count += 1 } }
      return count
    }
  }
}
