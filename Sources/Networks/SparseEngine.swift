// SparseEngine: convolutions and linear layers over the kept values of their weights, and between
// them everything in the kernels' layout, batch innermost.

import Graphs
import Torch

/// Runs a network whose masked weights are compact. It is built anew when a weight becomes compact or
/// whole, or its mask another.
public struct SparseEngine: Engine {
  public let network: Network
  public var kind: EngineKind { .sparse }
  /// Differentiable: what training runs.
  private let training: StepList
  /// What runs where nothing is differentiated: batch-norm, sums and rectifiers are done while a
  /// convolution's output is written.
  private let inference: StepList
  /// How the layers run, in network order.
  public let plan: [PlannedLayer]

  /// - Throws: ``NetworkError`` for an operation whose tensors the network lacks.
  public init(_ network: Network) throws {
    self.network = network
    let operations = try SparseOperations(network)
    training = try operations.steps(forInference: false)
    inference = try operations.steps(forInference: true)
    plan = operations.plan
  }

  public func predictions(for images: Tensor, training: Bool, using dropout: DropoutStreams?) throws
    -> [Tensor]
  {
    let steps = training || gradientsAreRecorded ? self.training : inference
    return try steps.predictions(
      for: images, Mode(training: training, dropout: training ? dropout : nil))
  }
}

/// A network's operations by the sparse kernels, and by libtorch where there are none.
private struct SparseOperations {
  private let graph: Graph
  private let dense: DenseOperations
  /// By node.
  private let layers: [Int: Layer]
  let plan: [PlannedLayer]
  /// By node: the number of dropout layers before it.
  private let dropoutLayers: [Int]

  /// A convolution or linear layer with a compact weight.
  struct Layer {
    let convolution: SparseConvolution
    let weights: Tensor
    let bias: Tensor?
    let settings: any OperationSettings
  }

  init(_ network: Network) throws {
    graph = network.graph
    dense = DenseOperations(network)
    var layers: [Int: Layer] = [:]
    var plan: [PlannedLayer] = []
    for (index, node) in graph.nodes.enumerated() {
      guard let name = node.operation.layerWeight else { continue }
      let weight = try dense.weight(name)
      let layer = try Self.layer(node.operation, weight, dense)
      layers[index] = layer
      let kernel: PlannedLayer.Kernel =
        if let layer { layer.convolution.isDense ? .all : .kept } else { .libtorch }
      plan.append(
        PlannedLayer(
          name: name, shape: weight.shape, kept: weight.values.count, kernel: kernel))
    }
    self.layers = layers
    self.plan = plan
    dropoutLayers = graph.dropoutLayers
  }

  /// Nil for an operation without sparse kernels, or with a whole weight.
  private static func layer(
    _ operation: Graphs.Operation, _ weight: Weight, _ tensors: DenseOperations
  ) throws -> Layer? {
    guard weight.isCompact, let mask = weight.mask else { return nil }
    switch operation {
    case .convolution(let settings):
      let convolution = try SparseConvolution(
        shape: settings.shape, stride: Pair(settings.stride), padding: Pair(settings.padding),
        dilation: Pair(settings.dilation), groups: settings.groups, mask: mask)
      return Layer(
        convolution: convolution, weights: weight.values, bias: try tensors.tensor(settings.bias),
        settings: settings)
    case .linear(let settings):
      return Layer(
        convolution: try SparseConvolution(shape: settings.shape, mask: mask),
        weights: weight.values, bias: try tensors.tensor(settings.bias), settings: settings)
    default: return nil
    }
  }

  func steps(forInference: Bool) throws -> StepList {
    var readers = Readers(graph)
    var steps: [Step] = []
    for (node, sources) in graph.sources.enumerated() where !readers.isTaken(node) {
      let operation = graph.nodes[node].operation
      // What follows a linear layer is not always along the axis of its outputs.
      if forInference, case .convolution = operation, let layer = layers[node] {
        let fused = readers.layer(from: node, foldsBatchNorm: true)
        steps.append(try finished(layer, fused, sources))
      } else if case .batchNorm(let settings) = operation {
        let fused = readers.layer(from: node, foldsBatchNorm: false)
        steps.append(try normalized(settings, fused, sources))
      } else if let next = readers.dropout(after: node) {
        steps.append(
          Step(
            inputs: sources, node: next,
            run: try run(next, graph.nodes[next].operation, rectifying: true)))
      } else {
        steps.append(Step(inputs: sources, node: node, run: try run(node, operation)))
      }
    }
    return StepList(steps.sorted { $0.node < $1.node }, of: graph)
  }

  /// A convolution without gradients, with what follows it.
  private func finished(_ layer: Layer, _ fused: FusedLayer, _ sources: [Int?]) throws -> Step {
    let folded = try fused.batchNorm.map { try FoldedBatchNorm($0, bias: layer.bias, dense) }
    return Step(inputs: sources + (fused.residual.map { [$0] } ?? []), node: fused.last) {
      inputs, _ in
      let (scale, shift) = try folded?.scaleAndShift() ?? (nil, layer.bias)
      let shape = try layer.settings.shape(of: [Array(inputs[0].shape.dropFirst())])
      return try withResidual(fused, inputs, shape: [inputs[0].shape[0]] + shape) {
        residual, rectified in
        try layer.convolution.finishedOutput(
          of: inputs[0], weights: layer.weights, scale: scale, shift: shift, residual: residual,
          rectified: rectified)
      }
    }
  }

  /// A batch-norm with what follows it.
  private func normalized(_ settings: BatchNorm, _ fused: FusedLayer, _ sources: [Int?]) throws
    -> Step
  {
    let (weight, bias) = (try dense.tensor(settings.weight), try dense.tensor(settings.bias))
    let (mean, variance) = (try dense.tensor(settings.mean), try dense.tensor(settings.variance))
    let plain = try dense.run(.batchNorm(settings), dropoutLayers: 0)
    return Step(inputs: sources + (fused.residual.map { [$0] } ?? []), node: fused.last) {
      inputs, mode in
      try withResidual(fused, inputs, shape: inputs[0].shape) { residual, rectified in
        guard inputs[0].shape.count == 4 else {
          var value = try plain([inputs[0]], mode)
          if let residual { value = try value + residual }
          return rectified ? try value.rectified() : value
        }
        return try inputs[0].planesBatchNormalized(
          weight: weight, bias: bias, runningMean: mean, runningVariance: variance,
          residual: residual, rectified: rectified, training: mode.training,
          momentum: settings.momentum, epsilon: settings.epsilon)
      }
    }
  }

  /// How an operation runs that nothing is fused with but a rectifier before a dropout.
  private func run(_ node: Int, _ operation: Graphs.Operation, rectifying: Bool = false) throws
    -> Step.Run
  {
    let plain = try dense.run(operation, dropoutLayers: dropoutLayers[node])
    /// Kernels for maps, and libtorch for all else.
    func ofMaps(_ run: @escaping Step.Run) -> Step.Run {
      { inputs, mode in
        inputs.allSatisfy { $0.shape.count == 4 } ? try run(inputs, mode) : try plain(inputs, mode)
      }
    }
    switch operation {
    case .convolution, .linear:
      guard let layer = layers[node] else { return plain }
      return { inputs, _ in
        try layer.overRows(of: inputs[0]) {
          try layer.convolution.output(of: $0, weights: layer.weights, bias: layer.bias)
        }
      }
    case .dropout(let settings):
      let number = dropoutLayers[node]
      return { inputs, mode in
        guard let dropout = mode.dropout else {
          return rectifying ? try inputs[0].rectified() : inputs[0]
        }
        guard inputs[0].shape.count == 4 else {
          return try plain(rectifying ? [inputs[0].rectified()] : inputs, mode)
        }
        return try inputs[0].planesDroppedOut(
          settings.probability, using: dropout[layer: number], firstImage: dropout.firstImage,
          rectified: rectifying)
      }
    case .maxPool, .averagePool, .resize:
      return ofMaps(try dense.run(operation, dropoutLayers: 0, inPlanes: true))
    case .reduce(let settings) where settings.kind == .mean && settings.axes.sorted() == [2, 3]:
      return ofMaps { inputs, _ in
        let mean = try inputs[0].planesGlobalMean()
        return settings.keepsAxes ? mean : try mean.flattened(from: 1)
      }
    case .concat(let settings) where settings.axis == 1:
      // Planes follow planes.
      return ofMaps { inputs, _ in
        try Tensor.concatenated(inputs.map { try $0.permuted([1, 2, 3, 0]) }, along: 0)
          .permuted([3, 0, 1, 2])
      }
    default: return plain
    }
  }
}

/// Runs a layer with the residual and the rectifier that follow it; a residual that is to be repeated
/// over the map is added behind it.
private func withResidual(
  _ fused: FusedLayer, _ inputs: [Tensor], shape: [Int],
  _ run: (_ residual: Tensor?, _ rectified: Bool) throws -> Tensor
) throws -> Tensor {
  guard fused.residual != nil, let residual = inputs.last, residual.shape != shape else {
    return try run(fused.residual == nil ? nil : inputs.last, fused.isRectified)
  }
  let sum = try run(nil, false) + residual
  return fused.isRectified ? try sum.rectified() : sum
}

extension SparseOperations.Layer {
  /// A linear layer runs over the last axis, whatever is before it.
  fileprivate func overRows(of input: Tensor, _ run: (Tensor) throws -> Tensor) throws -> Tensor {
    guard settings is Linear, input.shape.count != 2, let inputs = input.shape.last else {
      return try run(input)
    }
    let outer = Array(input.shape.dropLast())
    let output = try run(input.reshaped([outer.reduce(1, *), inputs]))
    return try output.reshaped(outer + [output.shape[1]])
  }
}

/// A batch-norm by its running statistics, as what a convolution's sums are multiplied by and what is
/// added to them.
private struct FoldedBatchNorm {
  let settings: BatchNorm
  let convolutionBias: Tensor?
  let weight: Tensor?
  let bias: Tensor?
  let mean: Tensor
  let variance: Tensor

  init(_ settings: BatchNorm, bias convolutionBias: Tensor?, _ tensors: DenseOperations) throws {
    self.settings = settings
    self.convolutionBias = convolutionBias
    weight = try tensors.tensor(settings.weight)
    bias = try tensors.tensor(settings.bias)
    mean = try tensors.tensor(settings.mean)
    variance = try tensors.tensor(settings.variance)
  }

  /// Asked for at every pass, since training moves the statistics.
  func scaleAndShift() throws -> (Tensor, Tensor) {
    func values(_ tensor: Tensor?, or value: Float) throws -> [Float] {
      try tensor?.array() ?? [Float](repeating: value, count: settings.channels)
    }
    let scale = try zip(values(weight, or: 1), values(variance, or: 1)).map { weight, variance in
      Float(Double(weight) / (Double(variance) + settings.epsilon).squareRoot())
    }
    let center = try zip(values(mean, or: 0), values(convolutionBias, or: 0)).map { $0 - $1 }
    let shift = try zip(values(bias, or: 0), zip(center, scale)).map { $0 - $1.0 * $1.1 }
    return (
      try Tensor(scale, shape: [settings.channels]), try Tensor(shift, shape: [settings.channels])
    )
  }
}

extension Graphs.Operation {
  /// The weight of a layer that masks may prune.
  fileprivate var layerWeight: String? {
    switch self {
    case .convolution(let settings): settings.weight
    case .transposedConvolution(let settings): settings.weight
    case .linear(let settings): settings.weight
    default: nil
    }
  }
}
