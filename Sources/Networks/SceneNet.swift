// SceneNet: the forward pass.

import Formatting
import Torch

/// A `scene-net` with its weights. Input N×3×H×W, output per task N×channels×⌈H/8⌉×⌈W/8⌉ (one pixel
/// more where the pooling's ceil mode asks for it).
public final class SceneNet {
  public let architecture: Architecture
  public let device: Device
  /// By name, in ``Architecture/parameters``' order and shapes.
  public let parameters: [(description: ParameterDescription, tensor: Tensor)]
  /// Running statistics of batch-norm, in ``Architecture/buffers``' order.
  public let buffers: [(name: String, tensor: Tensor)]

  private let parameterNamed: [String: Tensor]
  private let bufferNamed: [String: Tensor]
  private let blocks: [BlockLayout]

  /// Builds the network from tensors by name.
  ///
  /// - Throws: ``NetworkError`` when one is missing or has another shape.
  public init(
    _ architecture: Architecture, parameters given: [String: Tensor], buffers: [String: Tensor],
    on device: Device = .cpu
  ) throws {
    self.architecture = architecture
    self.device = device
    self.parameters = try architecture.parameters.map { description in
      let tensor = try SceneNet.find(description.name, description.shape, in: given).to(device)
      // Convolutions read channels-last activations; weights in that format need no reordering.
      let stored = description.isPrunable ? try tensor.channelsLast() : tensor
      return (description, try stored.detached())
    }
    self.buffers = try architecture.buffers.map { name, shape in
      (name, try SceneNet.find(name, shape, in: buffers).to(device))
    }
    parameterNamed = Dictionary(
      uniqueKeysWithValues: self.parameters.map { ($0.description.name, $0.tensor) })
    bufferNamed = Dictionary(uniqueKeysWithValues: self.buffers.map { ($0.name, $0.tensor) })
    blocks = architecture.blocks
    for (_, tensor) in self.parameters { try tensor.requireGradient() }
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

  /// The predictions of all heads, in task order, from one pass through the backbone.
  ///
  /// - Parameters:
  ///   - images: N×3×H×W, normalised as ``Architecture/Input`` says.
  ///   - training: batch statistics in batch-norm, and dropout in the heads.
  ///   - dropout: where dropout's randomness comes from; none is needed without dropout.
  public func predictions(for images: Tensor, training: Bool, using dropout: DropoutStreams?) throws
    -> [Tensor]
  {
    let features = try backbone(images, training)
    var dropoutLayers = 0
    return try architecture.heads.indices.map {
      try head($0, features, dropout: training ? dropout : nil, &dropoutLayers)
    }
  }

  private func backbone(_ images: Tensor, _ training: Bool) throws -> Tensor {
    var x = try images.channelsLast().convolved(
      parameter("backbone.conv1.weight"), stride: Pair(Architecture.stemStride), padding: 3)
    x = try batchNormalized(x, "backbone.bn1", training).rectified()
      .maxPooled(kernel: 3, stride: 2, padding: 1, ceilMode: true)
    for block in blocks {
      var y = try x.convolved(
        parameter(block.name + ".conv1.weight"), stride: Pair(block.stride),
        padding: Pair(block.dilation), dilation: Pair(block.dilation))
      y = try batchNormalized(y, block.name + ".bn1", training).rectified()
      y = try y.convolved(
        parameter(block.name + ".conv2.weight"), padding: Pair(block.dilation),
        dilation: Pair(block.dilation))
      y = try batchNormalized(y, block.name + ".bn2", training)
      var residual = x
      if let projection = block.projection {
        residual = try x.convolved(parameter(projection + ".0.weight"), stride: Pair(block.stride))
        residual = try batchNormalized(residual, projection + ".1", training)
      }
      x = try (residual + y).rectified()
    }
    return x
  }

  /// - Parameter dropoutLayers: how many the heads before had.
  private func head(
    _ index: Int, _ features: Tensor, dropout streams: DropoutStreams?, _ dropoutLayers: inout Int
  ) throws -> Tensor {
    func dropped(_ x: Tensor) throws -> Tensor {
      guard let streams else { return x }
      defer { dropoutLayers += 1 }
      return try x.droppedOut(architecture.dropout, using: streams[layer: dropoutLayers])
    }
    let outputs = try architecture.branches(ofHead: index).map { branch in
      func convolution(_ conv: String, _ x: Tensor, dilation: Int = 1, padding: Int = 0) throws
        -> Tensor
      {
        try x.convolved(
          parameter("\(branch.name).\(conv).weight"),
          bias: parameter("\(branch.name).\(conv).bias"),
          padding: Pair(padding), dilation: Pair(dilation))
      }
      let wide = try convolution(
        "conv1", features, dilation: branch.dilation, padding: branch.dilation
      ).rectified()
      let mixed = try convolution("conv2", dropped(wide)).rectified()
      return try convolution("conv3", dropped(mixed))
    }
    return try outputs.dropFirst().reduce(outputs[0]) { try $0 + $1 }
  }

  private func batchNormalized(_ x: Tensor, _ name: String, _ training: Bool) throws -> Tensor {
    try x.batchNormalized(
      weight: parameter(name + ".weight"), bias: parameter(name + ".bias"),
      runningMean: buffer(name + ".running_mean"), runningVariance: buffer(name + ".running_var"),
      training: training)
  }

  private func parameter(_ name: String) throws -> Tensor {
    guard let tensor = parameterNamed[name] else { throw NetworkError(name, "missing") }
    return tensor
  }

  private func buffer(_ name: String) throws -> Tensor {
    guard let tensor = bufferNamed[name] else { throw NetworkError(name, "missing") }
    return tensor
  }
}

/// A parameter or buffer that does not fit the architecture.
public struct NetworkError: Error, CustomStringConvertible, Sendable {
  public let name: String
  public let reason: String
  public var description: String { "\(name): \(reason)" }

  public init(_ name: String, _ reason: String) {
    self.name = name
    self.reason = reason
  }
}
