// Parameters and buffers: the tensors that a network's operations use.

/// A tensor that training learns.
public struct Parameter: Equatable, Sendable {
  public enum Role: Equatable, Sendable {
    /// Of a convolution, out×in/groups×k×k.
    case convolution
    /// Of a transposed convolution, in×out/groups×k×k.
    case transposedConvolution
    /// Of a linear layer, out×in.
    case linear
    /// Added to an operation's results, each of which sums `fanIn` products.
    case bias(fanIn: Int)
    /// What normalised values are multiplied by, and what is added to them.
    case normalizationWeight
    case normalizationBias
    /// A learned constant.
    case constant
  }

  public let name: String
  public let shape: [Int]
  public let role: Role
  /// The tasks whose predictions it reaches, ascending.
  public let owners: [Int]
  /// Whether one of the longest paths from the image to a prediction goes through it. A shortcut's
  /// place in network order says nothing about its depth.
  public let isOnMainPath: Bool
  public let initialValues: InitialValues

  public var count: Int { shape.reduce(1, *) }

  /// Weights of convolutions and linear layers are pruned, where a task needs them; biases and
  /// normalisation stay dense.
  public var isPrunable: Bool { role.isWeight && !owners.isEmpty }
}

/// A tensor that training does not learn: running statistics and constants.
public struct Buffer: Equatable, Sendable {
  public let name: String
  public let shape: [Int]
  /// What a network without weights from elsewhere begins with.
  public let initialValue: Double
}

/// What a parameter begins with.
public enum InitialValues: Equatable, Sendable {
  case constant(Double)
  case normal(deviation: Double)
  /// Uniform in ±bound.
  case uniform(bound: Double)
}

extension Parameter.Role {
  /// Whether it is multiplied with what the layers before give.
  var isWeight: Bool {
    switch self {
    case .convolution, .transposedConvolution, .linear: true
    case .bias, .normalizationWeight, .normalizationBias, .constant: false
    }
  }

  /// As PyTorch's layers begin: Kaiming-uniform with a = √5 (He et al. 2015), biases within
  /// ±1/√fan-in.
  func initialValues(_ shape: [Int]) -> InitialValues {
    switch self {
    case .convolution, .transposedConvolution, .linear:
      // √(6 / ((1 + a²) · fan-in)) with a = √5.
      .uniform(bound: 1 / Double(max(1, shape.dropFirst().reduce(1, *))).squareRoot())
    case .bias(let fanIn):
      .uniform(bound: 1 / Double(max(1, fanIn)).squareRoot())
    case .normalizationWeight: .constant(1)
    case .normalizationBias, .constant: .constant(0)
    }
  }
}

/// The parameters and buffers that nodes name, each once, with the nodes that use it.
struct ParameterUsage {
  struct Used {
    let name: String
    let shape: [Int]
    let role: Parameter.Role
    var nodes: [Int]
  }

  private(set) var parameters: [Used] = []
  private(set) var buffers: [Buffer] = []

  /// - Throws: ``GraphError`` for a tensor that two nodes use with different shapes or in different
  ///   roles.
  init(_ nodes: [Graph.Node]) throws {
    var parameterPlaces: [String: Int] = [:]
    var bufferNames: [String: [Int]] = [:]
    for (index, node) in nodes.enumerated() {
      for slot in node.operation.settings.parameters {
        guard let place = parameterPlaces[slot.name] else {
          parameterPlaces[slot.name] = parameters.count
          parameters.append(
            Used(name: slot.name, shape: slot.shape, role: slot.role, nodes: [index]))
          continue
        }
        guard parameters[place].shape == slot.shape, parameters[place].role == slot.role else {
          throw GraphError(node, "uses \(slot.name) in another shape or role than a node before it")
        }
        parameters[place].nodes.append(index)
      }
      for buffer in node.operation.settings.buffers {
        if let shape = bufferNames.updateValue(buffer.shape, forKey: buffer.name) {
          guard shape == buffer.shape else {
            throw GraphError(node, "uses \(buffer.name) in another shape than a node before it")
          }
          continue
        }
        buffers.append(buffer)
      }
    }
    if let both = parameters.first(where: { bufferNames[$0.name] != nil }) {
      throw GraphError("\(both.name) is both a parameter and a buffer")
    }
  }
}
