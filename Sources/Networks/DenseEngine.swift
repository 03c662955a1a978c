// DenseEngine: every operation by libtorch.

import Graphs
import Torch

/// Runs every operation over whole tensors; masked weights are zeros like others.
public struct DenseEngine: Engine {
  public let network: Network
  public var kind: EngineKind { .dense }
  private let steps: StepList

  /// - Throws: ``NetworkError`` for an operation whose tensors the network lacks.
  public init(_ network: Network) throws {
    self.network = network
    let operations = DenseOperations(network)
    steps = try StepList(network.graph) { try operations.run($0, dropoutLayers: $1) }
  }

  public func predictions(for images: Tensor, training: Bool, using dropout: DropoutStreams?) throws
    -> [Tensor]
  {
    try steps.predictions(
      for: images.channelsLast(), Mode(training: training, dropout: training ? dropout : nil))
  }
}

/// The operations of a network by libtorch, for the engines to choose from.
struct DenseOperations {
  private let weights: [String: Weight]
  private let buffers: [String: Tensor]

  init(_ network: Network) {
    weights = Dictionary(uniqueKeysWithValues: network.weights.map { ($0.name, $0) })
    buffers = Dictionary(uniqueKeysWithValues: network.buffers.map { ($0.name, $0.tensor) })
  }

  /// A weight that is pruned, or may be. It is asked for its tensor at each run, since its kept values
  /// may come and go meanwhile.
  func weight(_ name: String) throws -> Weight {
    guard let weight = weights[name] else { throw NetworkError(name, "missing") }
    return weight
  }

  /// A tensor that always stays whole.
  func tensor(_ name: String) throws -> Tensor { try buffers[name] ?? weight(name).values }

  func tensor(_ name: String?) throws -> Tensor? { try name.map { try tensor($0) } }

  /// How an operation runs.
  ///
  /// - Parameters:
  ///   - dropoutLayers: how many there are before it.
  ///   - inPlanes: whether the sparse engine's kernels pool and resize.
  func run(_ operation: Graphs.Operation, dropoutLayers: Int, inPlanes: Bool = false) throws
    -> Step.Run
  {
    switch operation {
    case .convolution(let settings):
      let weight = try weight(settings.weight)
      let bias = try tensor(settings.bias)
      let (stride, padding) = (Pair(settings.stride), Pair(settings.padding))
      let dilation = Pair(settings.dilation)
      return { inputs, _ in
        try inputs[0].convolved(
          weight.effective(), bias: bias, stride: stride, padding: padding, dilation: dilation,
          groups: settings.groups)
      }
    case .transposedConvolution(let settings):
      let weight = try weight(settings.weight)
      let bias = try tensor(settings.bias)
      return { inputs, _ in
        try inputs[0].transposedConvolved(
          weight.effective(), bias: bias, stride: Pair(settings.stride),
          padding: Pair(settings.padding),
          outputPadding: Pair(settings.outputPadding), dilation: Pair(settings.dilation),
          groups: settings.groups)
      }
    case .linear(let settings):
      let weight = try weight(settings.weight)
      let bias = try tensor(settings.bias)
      return { inputs, _ in try inputs[0].linear(weight.effective(), bias: bias) }
    case .batchNorm(let settings):
      let (weight, bias) = (try tensor(settings.weight), try tensor(settings.bias))
      let mean = try tensor(settings.mean)
      let variance = try tensor(settings.variance)
      return { inputs, mode in
        try inputs[0].batchNormalized(
          weight: weight, bias: bias, runningMean: mean, runningVariance: variance,
          training: mode.training, momentum: settings.momentum, epsilon: settings.epsilon)
      }
    case .groupNorm(let settings):
      let (weight, bias) = (try tensor(settings.weight), try tensor(settings.bias))
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
          ceilMode: settings.ceilMode, inPlanes: inPlanes)
      }
    case .averagePool(let settings):
      return { inputs, _ in
        try inputs[0].averagePooled(
          kernel: Pair(settings.kernel), stride: Pair(settings.stride),
          padding: Pair(settings.padding), ceilMode: settings.ceilMode,
          countsPadding: settings.countsPadding, inPlanes: inPlanes)
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
      return { inputs, _ in
        try inputs[0].resized(as: settings, like: inputs.last, inPlanes: inPlanes)
      }
    case .dropout(let settings):
      return { inputs, mode in
        guard let dropout = mode.dropout else { return inputs[0] }
        return try inputs[0].droppedOut(
          settings.probability, using: dropout[layer: dropoutLayers],
          firstImage: dropout.firstImage)
      }
    case .flatten:
      return { inputs, _ in try inputs[0].flattened(from: 1) }
    case .reshape(let settings):
      return { inputs, _ in try inputs[0].reshaped([inputs[0].shape[0]] + settings.shape) }
    case .transpose(let settings):
      return { inputs, _ in try inputs[0].permuted([0] + settings.axes) }
    case .constant(let settings):
      let value = try tensor(settings.value)
      return { _, _ in value }
    }
  }
}

extension Pair {
  init(_ extent: Extent) { self.init(extent.height, extent.width) }
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

  /// - Parameters:
  ///   - other: the second input, where the settings name its size.
  ///   - inPlanes: whether the sparse engine's kernels do it.
  fileprivate func resized(as settings: Resize, like other: Tensor?, inPlanes: Bool) throws
    -> Tensor
  {
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
    return try resized(
      to: Pair(size), by: interpolation, scales: scales, inPlanes: inPlanes)
  }
}

extension Extent {
  fileprivate init(of map: Tensor) throws {
    let shape = map.shape
    guard shape.count == 4 else { throw TorchError("a tensor of shape \(shape) is no map") }
    self.init(shape[2], shape[3])
  }
}
