// Network: a graph with its weights and buffers.

import Formatting
import Graphs
import Torch

/// A parameter of a network with its values. What it is, who owns it and what masks keep of it is
/// said here and nowhere else.
public final class Weight {
  public let parameter: Parameter
  /// In the parameter's shape; those of convolutions lie channels last in memory.
  public let tensor: Tensor
  /// Of the same shape and order in memory, 1 = kept; nil where the weight is dense.
  public private(set) var mask: Tensor?

  public var name: String { parameter.name }
  public var shape: [Int] { parameter.shape }

  init(_ parameter: Parameter, _ tensor: Tensor) {
    self.parameter = parameter
    self.tensor = tensor
  }

  /// - Parameter mask: uint8 in the weight's shape, 1 = kept; nil for a dense weight.
  /// - Throws: ``NetworkError`` when the weight is none that may be pruned, or the shape is another.
  public func setMask(_ mask: Tensor?) throws {
    guard let mask else {
      self.mask = nil
      return
    }
    guard parameter.isPrunable else { throw NetworkError(name, "is no weight that may be pruned") }
    guard mask.shape == shape else {
      throw NetworkError(
        name, "expected shape \(Format.shape(shape)), found \(Format.shape(mask.shape))")
    }
    self.mask = try mask.inWeightFormat().to(tensor.device)
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
