// SparseEngine: convolutions and linear layers over the kept values of their weights.

import Graphs
import Torch

/// Runs the operations with compact weights over their kept values, and the others by libtorch. It is
/// built anew when a weight becomes compact or whole, or its mask another.
public struct SparseEngine: Engine {
  public let network: Network
  private let steps: StepList

  /// - Throws: ``NetworkError`` for an operation whose tensors the network lacks.
  public init(_ network: Network) throws {
    self.network = network
    let operations = DenseOperations(network)
    steps = try StepList(network.graph) { operation, dropoutLayers in
      try Self.run(operation, operations)
        ?? operations.run(operation, dropoutLayers: dropoutLayers)
    }
  }

  public func predictions(for images: Tensor, training: Bool, using dropout: DropoutStreams?) throws
    -> [Tensor]
  {
    try steps.predictions(
      for: images.channelsLast(), Mode(training: training, dropout: training ? dropout : nil))
  }

  /// How an operation runs over kept values; nil for one that has none, or knows no such way.
  private static func run(_ operation: Graphs.Operation, _ operations: DenseOperations) throws
    -> Step.Run?
  {
    switch operation {
    case .convolution(let settings):
      let weight = try operations.weight(settings.weight)
      guard weight.isCompact, let mask = weight.mask else { return nil }
      let convolve = convolution(
        weight.values, mask, bias: try operations.tensor(settings.bias), settings)
      return { inputs, _ in try convolve(inputs[0]) }
    case .linear(let settings):
      let weight = try operations.weight(settings.weight)
      guard weight.isCompact, let mask = weight.mask else { return nil }
      // The vectors are the pixels of one picture, which a 1×1 kernel looks at.
      let (outputs, inputs) = (settings.shape[0], settings.shape[1])
      let convolve = convolution(
        weight.values, try mask.reshaped([outputs, inputs, 1, 1]),
        bias: try operations.tensor(settings.bias),
        Convolution(weight: settings.weight, shape: [outputs, inputs, 1, 1]))
      return { values, _ in
        let outer = Array(values[0].shape.dropLast())
        let picture = try values[0].reshaped([1, outer.reduce(1, *), 1, inputs])
        return try convolve(picture.permuted([0, 3, 1, 2])).permuted([0, 2, 3, 1])
          .reshaped(outer + [outputs])
      }
    default: return nil
    }
  }

  /// A convolution over the kept values of its weight.
  private static func convolution(
    _ kept: Tensor, _ mask: Tensor, bias: Tensor?, _ settings: Convolution
  ) -> (Tensor) throws -> Tensor {
    { input in
      try input.convolved(
        kept.scattered(over: mask), bias: bias, stride: Pair(settings.stride),
        padding: Pair(settings.padding), dilation: Pair(settings.dilation), groups: settings.groups)
    }
  }
}
