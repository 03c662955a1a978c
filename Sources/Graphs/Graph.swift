// Graph: what a network is. Its parameters, shapes, owners, costs and paths follow from it.

/// A network as a list of operations. Every node reads what stands before it, so the list's order is
/// an order in which the network can run.
public struct Graph: Sendable {
  /// One operation with its inputs.
  public struct Node: Equatable, Sendable {
    public var name: String
    /// Names of nodes before this one, or ``Graph/image``.
    public var inputs: [String]
    public var operation: Operation

    public init(_ name: String, _ operation: Operation, _ inputs: [String]) {
      self.name = name
      self.inputs = inputs
      self.operation = operation
    }
  }

  /// A task's prediction, N×channels×H×W.
  public struct Output: Codable, Equatable, Sendable {
    public var task: String
    public var node: String

    public init(task: String, node: String) {
      self.task = task
      self.node = node
    }
  }

  /// What nodes call the network's input, N×3×H×W.
  public static let image = "image"

  public let input: ImageInput
  public let nodes: [Node]
  /// In task order.
  public let outputs: [Output]
  /// In network order: as the graph's maker lists them, else as the nodes first use them.
  public let parameters: [Parameter]
  /// Tensors that training does not learn, in the order of the nodes.
  public let buffers: [Buffer]
  /// By node: where each of its inputs comes from; nil is the image.
  public let sources: [[Int?]]

  public var tasks: [String] { outputs.map(\.task) }
  /// The weights that may be pruned, in network order.
  public var prunable: [Parameter] { parameters.filter(\.isPrunable) }

  /// - Parameters:
  ///   - parameterOrder: names of the parameters that come first in network order.
  ///   - initialValues: of the parameters that do not begin as PyTorch's layers do.
  /// - Throws: ``GraphError`` naming the node whose inputs or settings do not fit.
  public init(
    input: ImageInput, nodes: [Node], outputs: [Output], parameterOrder: [String] = [],
    initialValues: [String: InitialValues] = [:]
  ) throws {
    self.input = input
    self.nodes = nodes
    self.outputs = outputs
    try input.validate()
    sources = try Self.sources(of: nodes)
    try Self.check(outputs, of: nodes)
    let usage = try ParameterUsage(nodes)
    buffers = usage.buffers
    let owners = Owners(nodes: nodes, sources: sources, outputs: outputs)
    let place = Dictionary(
      uniqueKeysWithValues: parameterOrder.enumerated().map { ($1, $0) })
    parameters = usage.parameters.enumerated()
      .sorted { (place[$0.1.name] ?? .max, $0.0) < (place[$1.1.name] ?? .max, $1.0) }
      .map { _, parameter in
        Parameter(
          name: parameter.name, shape: parameter.shape, role: parameter.role,
          owners: owners.tasks(reachedFrom: parameter.nodes),
          isOnMainPath: owners.isOnMainPath(parameter.nodes),
          initialValues: initialValues[parameter.name]
            ?? parameter.role.initialValues(
              parameter.shape))
      }
  }

  /// The node that predicts a task.
  public func output(ofTask task: Int) -> Int? {
    nodes.firstIndex { $0.name == outputs[task].node }
  }

  private static func sources(of nodes: [Node]) throws -> [[Int?]] {
    var places: [String: Int] = [:]
    return try nodes.enumerated().map { index, node in
      func require(_ condition: Bool, _ reason: String) throws {
        if !condition { throw GraphError(node, reason) }
      }
      try require(!node.name.isEmpty && node.name != image, "is no name for a node")
      let counts = node.operation.settings.inputCounts
      try require(
        counts.contains(node.inputs.count),
        "takes \(counts.lowerBound == counts.upperBound ? "" : "at least ")\(counts.lowerBound) "
          + "inputs, not \(node.inputs.count)")
      let sources = try node.inputs.map { name -> Int? in
        if name == image { return nil }
        guard let place = places[name] else {
          throw GraphError(node, "reads \(name), which no node before it is called")
        }
        return place
      }
      try require(places.updateValue(index, forKey: node.name) == nil, "names a second node")
      try node.operation.settings.validate(node)
      return sources
    }
  }

  private static func check(_ outputs: [Output], of nodes: [Node]) throws {
    guard !outputs.isEmpty else { throw GraphError("has no heads") }
    guard Set(outputs.map(\.task)).count == outputs.count else {
      throw GraphError("names a task twice")
    }
    let names = Set(nodes.map(\.name))
    for output in outputs {
      guard !output.task.isEmpty, !output.task.contains("/") else {
        throw GraphError("'\(output.task)' is no name for a task")
      }
      guard names.contains(output.node) else {
        throw GraphError("task \(output.task) is predicted by \(output.node), which is no node")
      }
    }
  }
}

extension Graph: Equatable {
  public static func == (one: Graph, other: Graph) -> Bool {
    one.input == other.input && one.nodes == other.nodes && one.outputs == other.outputs
      && one.parameters == other.parameters
  }
}

/// Why a graph or an architecture cannot be built.
public struct GraphError: Error, CustomStringConvertible, Sendable {
  public let description: String

  public init(_ description: String) { self.description = description }

  init(_ node: Graph.Node, _ reason: String) {
    self.init("node \(node.name) (\(node.operation.word)): \(reason)")
  }
}

/// The shape of a value for one image, without N: C×H×W of a map, C of a vector.
public typealias Shape = [Int]

/// Rows and columns.
public struct Extent: Hashable, Sendable {
  public var height: Int
  public var width: Int

  public init(_ height: Int, _ width: Int) {
    self.height = height
    self.width = width
  }

  public init(_ both: Int) { self.init(both, both) }
}

extension Extent: Codable {
  public init(from decoder: any Decoder) throws {
    var values = try decoder.unkeyedContainer()
    self.init(try values.decode(Int.self), try values.decode(Int.self))
    guard values.isAtEnd else { throw GraphError("an extent is [rows, columns]") }
  }

  public func encode(to encoder: any Encoder) throws {
    var values = encoder.unkeyedContainer()
    try values.encode(height)
    try values.encode(width)
  }
}
