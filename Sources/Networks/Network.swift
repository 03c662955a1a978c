// Network: a graph with its weights and buffers.

import Formatting
import Graphs
import Torch

/// A parameter of a network with its values. What it is, who owns it and what masks keep of it is
/// said here and nowhere else.
public final class Weight {
  public let parameter: Parameter
  /// What gradients are taken of and training moves: in the parameter's shape, those of convolutions
  /// channels last in memory. Of a compact weight, the kept values alone in that order.
  public private(set) var values: Tensor
  /// In the parameter's shape and the whole weight's order in memory, 1 = kept; nil where the weight is
  /// dense.
  public private(set) var mask: Tensor?
  /// Whether ``values`` are the kept ones alone.
  public private(set) var isCompact = false

  /// What the network multiplies with, as a function of the values; nil where that is the values
  /// themselves. Weights that have one are whole.
  public var parametrization: ((Tensor) throws -> Tensor)?

  public var name: String { parameter.name }
  public var shape: [Int] { parameter.shape }

  init(_ parameter: Parameter, _ values: Tensor) {
    self.parameter = parameter
    self.values = values
  }

  /// The weight in the parameter's shape. Of a compact one it is made anew at each call, with zeros
  /// where it is pruned; its gradients reach ``values``.
  public func whole() throws -> Tensor {
    guard isCompact, let mask else { return values }
    return try values.scattered(over: mask)
  }

  /// What the network multiplies with, in the parameter's shape.
  public func effective() throws -> Tensor {
    try parametrization.map { try $0(values) } ?? whole()
  }

  /// Lets go of what the mask prunes.
  ///
  /// - Throws: ``NetworkError`` for a weight without a mask.
  public func compact() throws {
    guard !isCompact else { return }
    guard let mask else { throw NetworkError(name, "has no mask that says what is kept") }
    values = try withoutGradients { try values.kept(by: mask) }
    try values.requireGradient()
    isCompact = true
  }

  /// Has the weight whole again, with zeros where it is pruned.
  public func expand() throws {
    guard isCompact else { return }
    values = try withoutGradients { try whole() }
    try values.requireGradient()
    isCompact = false
  }

  /// A compact weight is whole afterwards.
  ///
  /// - Parameter mask: uint8 in the weight's shape, 1 = kept; nil for a dense weight.
  /// - Throws: ``NetworkError`` when the weight is none that may be pruned, or the shape is another.
  public func setMask(_ mask: Tensor?) throws {
    try expand()
    guard let mask else {
      self.mask = nil
      return
    }
    guard parameter.isPrunable else { throw NetworkError(name, "is no weight that may be pruned") }
    guard mask.shape == shape else {
      throw NetworkError(
        name, "expected shape \(Format.shape(shape)), found \(Format.shape(mask.shape))")
    }
    self.mask = try mask.inWeightFormat().to(values.device)
  }
}

/// A network: a graph and its weights. Input N×3×H×W, a prediction per task.
public final class Network {
  public let architecture: Architecture
  public let device: Device
  /// In the graph's order.
  public let weights: [Weight]
  /// Running statistics and constants, in the graph's order.
  public let buffers: [(name: String, tensor: Tensor)]

  public var graph: Graph { architecture.graph }
  /// The weights that may be pruned, in network order.
  public var prunable: [Weight] { weights.filter(\.parameter.isPrunable) }

  /// Builds the network from tensors by name.
  ///
  /// - Throws: ``NetworkError`` when one is missing or has another shape.
  public init(
    _ architecture: Architecture, parameters given: [String: Tensor], buffers: [String: Tensor],
    on device: Device = .cpu
  ) throws {
    self.architecture = architecture
    self.device = device
    weights = try architecture.graph.parameters.map { parameter in
      let tensor = try Network.find(parameter.name, parameter.shape, in: given).to(device)
        .inWeightFormat().detached()
      try tensor.requireGradient()
      return Weight(parameter, tensor)
    }
    self.buffers = try architecture.graph.buffers.map {
      ($0.name, try Network.find($0.name, $0.shape, in: buffers).to(device))
    }
  }

  /// Compacts the weights that have a mask.
  public func compact() throws {
    for weight in prunable where weight.mask != nil { try weight.compact() }
  }

  /// Has all weights whole.
  public func expand() throws {
    for weight in prunable { try weight.expand() }
  }

  private static func find(_ name: String, _ shape: [Int], in tensors: [String: Tensor]) throws
    -> Tensor
  {
    guard let tensor = tensors[name] else { throw NetworkError(name, "missing") }
    guard tensor.shape == shape else {
      throw NetworkError(
        name, "expected shape \(Format.shape(shape)), found \(Format.shape(tensor.shape))")
    }
    return tensor
  }

  /// The network's input from 8-bit images N×H×W×3, RGB: N×3×H×W as ``ImageInput`` says.
  public func normalized(_ images: Tensor) throws -> Tensor {
    let input = graph.input
    func perChannel(_ values: [Double]) throws -> Tensor {
      try Tensor(values.map(Float.init), shape: [1, 3, 1, 1]).to(device)
    }
    let order = input.order == .bgr ? [2, 1, 0] : [0, 1, 2]
    let values = try images.to(device).permuted([0, 3, 1, 2]).to(.float32)
      .selecting(order, along: 1)
    return try (values - perChannel(input.mean)) * perChannel(input.scale)
  }
}

extension Tensor {
  /// Convolutions read channels-last activations; weights in that format need no reordering.
  fileprivate func inWeightFormat() throws -> Tensor {
    shape.count == 4 ? try channelsLast() : self
  }
}

/// A tensor that does not fit the network.
public struct NetworkError: Error, CustomStringConvertible, Sendable {
  public let name: String
  public let reason: String
  public var description: String { "\(name): \(reason)" }

  public init(_ name: String, _ reason: String) {
    self.name = name
    self.reason = reason
  }
}
