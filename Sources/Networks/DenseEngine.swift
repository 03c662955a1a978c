// DenseEngine: a network's operations one after the other, by libtorch.

import Graphs
import Torch

/// Runs every operation over whole tensors; masked weights are zeros like others.
public struct DenseEngine: Engine {
  public let network: Network
  private let steps: [Step]
  private let outputs: [Int]

  /// A node with its tensors at hand.
  private struct Step {
    /// Steps before this one; nil is the image.
    let inputs: [Int?]
    /// Values that no later step reads.
    var lastReads: [Int] = []
    let run: (_ inputs: [Tensor], _ mode: Mode) throws -> Tensor
  }

  fileprivate struct Mode {
    let training: Bool
    let dropout: DropoutStreams?
  }

  /// - Throws: ``NetworkError`` for an operation whose tensors the network lacks.
  public init(_ network: Network) throws {
    self.network = network
    let graph = network.graph
    let tensors = NamedTensors(network)
    var dropoutLayers = 0
    var steps = try zip(graph.nodes, graph.sources).map { node, sources in
      defer { if case .dropout = node.operation { dropoutLayers += 1 } }
      return Step(
        inputs: sources, run: try node.operation.runner(tensors, dropoutLayers: dropoutLayers))
    }
    outputs = graph.tasks.indices.compactMap(graph.output(ofTask:))
    var isRead = Set(outputs)
    for step in steps.indices.reversed() {
      let inputs = Set(steps[step].inputs.compactMap { $0 })
      steps[step].lastReads = inputs.subtracting(isRead).sorted()
      isRead.formUnion(inputs)
    }
    self.steps = steps
  }

  public func predictions(for images: Tensor, training: Bool, using dropout: DropoutStreams?) throws
    -> [Tensor]
  {
    let image = try images.channelsLast()
    let mode = Mode(training: training, dropout: training ? dropout : nil)
    // Values are let go as soon as nothing reads them; autograd keeps what it needs.
    var values: [Tensor?] = []
    values.reserveCapacity(steps.count)
    for step in steps {
      let inputs = step.inputs.compactMap { $0.map { values[$0] } ?? image }
      values.append(try step.run(inputs, mode))
      for value in step.lastReads { values[value] = nil }
    }
    return outputs.compactMap { values[$0] }
  }
}

/// A network's tensors by name.
private struct NamedTensors {
  private let tensors: [String: Tensor]

  init(_ network: Network) {
    tensors = Dictionary(
      uniqueKeysWithValues: network.weights.map { ($0.name, $0.tensor) }
        + network.buffers.map { ($0.name, $0.tensor) })
  }

  subscript(name: String) -> Tensor {
    get throws {
      guard let tensor = tensors[name] else { throw NetworkError(name, "missing") }
      return tensor
    }
  }

  subscript(name: String?) -> Tensor? {
    get throws { try name.map { try self[$0] } }
  }
}

extension Graphs.Operation {
  /// The operation by libtorch.
  ///
  /// - Parameter dropoutLayers: how many there are before it.
  fileprivate func runner(_ tensors: NamedTensors, dropoutLayers: Int) throws
    -> (_ inputs: [Tensor], _ mode: DenseEngine.Mode) throws -> Tensor
  {
    switch self {
    case .convolution(let settings):
      let weight: Tensor = try tensors[settings.weight]
      let bias: Tensor? = try tensors[settings.bias]
      let (stride, padding) = (Pair(settings.stride), Pair(settings.padding))
      let dilation = Pair(settings.dilation)
      return { inputs, _ in
        try inputs[0].convolved(
          weight, bias: bias, stride: stride, padding: padding, dilation: dilation,
          groups: settings.groups)
      }
    case .transposedConvolution(let settings):
      let weight: Tensor = try tensors[settings.weight]
      let bias: Tensor? = try tensors[settings.bias]
      return { inputs, _ in
        try inputs[0].transposedConvolved(
          weight, bias: bias, stride: Pair(settings.stride), padding: Pair(settings.padding),
          outputPadding: Pair(settings.outputPadding), dilation: Pair(settings.dilation),
          groups: settings.groups)
      }
    case .linear(let settings):
      let weight: Tensor = try tensors[settings.weight]
      let bias: Tensor? = try tensors[settings.bias]
      return { inputs, _ in try inputs[0].linear(weight, bias: bias) }
    case .batchNorm(let settings):
      let (weight, bias) = (try tensors[settings.weight], try tensors[settings.bias])
      let mean: Tensor = try tensors[settings.mean]
      let variance: Tensor = try tensors[settings.variance]
      return { inputs, mode in
        try inputs[0].batchNormalized(
          weight: weight, bias: bias, runningMean: mean, runningVariance: variance,
          training: mode.training, momentum: settings.momentum, epsilon: settings.epsilon)
      }
    case .groupNorm(let settings):
      let (weight, bias) = (try tensors[settings.weight], try tensors[settings.bias])
      return { inputs, _ in
        try inputs[0].groupNormalized(
          groups: settings.groups, weight: weight, bias: bias, epsilon: settings.epsilon)
      }
    case .activation(let activation):
      return { inputs, _ in try inputs[0].activated(by: activation) }
    case .softmax(let settings):
      return { inputs, _ in try inputs[0].softmax(along: settings.axis) }
    case .arithmetic(let kind):
      return { inputs, _ in
        switch kind {
        case .add: try inputs[0] + inputs[1]
        case .subtract: try inputs[0] - inputs[1]
        case .multiply: try inputs[0] * inputs[1]
        case .divide: try inputs[0] / inputs[1]
        }
      }
    case .concat(let settings):
      return { inputs, _ in try Tensor.concatenated(inputs, along: settings.axis) }
    case .slice(let settings):
      return { inputs, _ in
        let range = try settings.range(of: inputs[0].shape[settings.axis])
        return try inputs[0].sliced(
          along: settings.axis, from: range.lowerBound, to: range.upperBound, step: settings.step)
      }
    case .pad(let settings):
      let mode: Padding =
        switch settings.mode {
        case .constant: .constant(settings.value)
        case .reflect: .reflect
        case .replicate: .replicate
        }
      return { inputs, _ in
        try inputs[0].padded(
          top: settings.top, bottom: settings.bottom, left: settings.left, right: settings.right,
          mode: mode)
      }
    case .maxPool(let settings):
      return { inputs, _ in
        try inputs[0].maxPooled(
          kernel: Pair(settings.kernel), stride: Pair(settings.stride),
          padding: Pair(settings.padding), dilation: Pair(settings.dilation),
          ceilMode: settings.ceilMode)
      }
    case .averagePool(let settings):
      return { inputs, _ in
        try inputs[0].averagePooled(
          kernel: Pair(settings.kernel), stride: Pair(settings.stride),
          padding: Pair(settings.padding), ceilMode: settings.ceilMode,
          countsPadding: settings.countsPadding)
      }
    case .adaptiveAveragePool(let settings):
      return { inputs, _ in try inputs[0].adaptiveAveragePooled(to: Pair(settings.size)) }
    case .reduce(let settings):
      return { inputs, _ in
        switch settings.kind {
        case .mean:
          return try inputs[0].mean(over: settings.axes, keepingDimensions: settings.keepsAxes)
        case .max:
          let largest = try inputs[0].globalMaxPooled()
          return settings.keepsAxes ? largest : try largest.flattened(from: 1)
        }
      }
    case .resize(let settings):
      return { inputs, _ in try inputs[0].resized(as: settings, like: inputs.last) }
    case .dropout(let settings):
      return { inputs, mode in
        guard let dropout = mode.dropout else { return inputs[0] }
        return try inputs[0].droppedOut(
          settings.probability, using: dropout[layer: dropoutLayers])
      }
    case .flatten:
      return { inputs, _ in try inputs[0].flattened(from: 1) }
    case .reshape(let settings):
      return { inputs, _ in try inputs[0].reshaped([inputs[0].shape[0]] + settings.shape) }
    case .transpose(let settings):
      return { inputs, _ in try inputs[0].permuted([0] + settings.axes) }
    case .constant(let settings):
      let value: Tensor = try tensors[settings.value]
      return { _, _ in value }
    }
  }
}

extension Pair {
  fileprivate init(_ extent: Extent) { self.init(extent.height, extent.width) }
}

extension Tensor {
  fileprivate func activated(by activation: Activation) throws -> Tensor {
    switch activation {
    case .relu: try rectified()
    case .relu6: try clamped(0, 6)
    case .silu: try silu()
    case .sigmoid: try sigmoid()
    case .tanh: try tanh()
    case .hardSwish: try hardSwish()
    case .leakyReLU(let slope): try leakyRectified(slope)
    case .hardSigmoid(let alpha, let beta): try hardSigmoid(alpha: alpha, beta: beta)
    case .gelu(let approximate): try gelu(approximate: approximate)
    }
  }

  /// - Parameter other: the second input, where the settings name its size.
  fileprivate func resized(as settings: Resize, like other: Tensor?) throws -> Tensor {
    let old = try Extent(of: self)
    var scales: (Double, Double)?
    let size: Extent
    switch settings.target {
    case .size(let wanted): size = wanted
    case .factor(let height, let width):
      size = Extent(Int(Double(old.height) * height), Int(Double(old.width) * width))
      scales = (height, width)
    case .likeSecondInput: size = try Extent(of: other ?? self)
    }
    let interpolation: Interpolation =
      switch settings.coordinates {
      case .asymmetric: .nearest
      case .halfPixel: .bilinear(alignsCorners: false)
      case .alignCorners: .bilinear(alignsCorners: true)
      }
    return try resized(to: Pair(size), by: interpolation, scales: scales)
  }
}

extension Extent {
  fileprivate init(of map: Tensor) throws {
    let shape = map.shape
    guard shape.count == 4 else { throw TorchError("a tensor of shape \(shape) is no map") }
    self.init(shape[2], shape[3])
  }
}
