// Initial weights, a function of architecture and seed.

import Torch

extension SceneNet {
  /// A network with the published initial weights: backbone convolutions N(0, 0.01²), batch-norm
  /// weight 1 and bias 0, head convolutions Kaiming-uniform with a = √5 and biases within
  /// ±1/√fan-in (libtorch's default, after He et al. 2015).
  public convenience init(_ architecture: Architecture, seed: UInt64, on device: Device = .cpu)
    throws
  {
    var parameters: [String: Tensor] = [:]
    for (index, parameter) in architecture.parameters.enumerated() {
      let shape = parameter.shape
      let stream = RandomStream(seed: seed, .initialWeights, index: index)
      parameters[parameter.name] =
        switch (parameter.role, parameter.owner) {
        case (.convolution, .backbone):
          try Tensor.normal(deviation: 0.01, shape: shape, stream: stream)
        case (.batchNormWeight, _):
          try Tensor.full(1, shape: shape)
        case (.batchNormBias, _):
          try Tensor.full(0, shape: shape)
        case (.convolution, .head):
          // √(6 / ((1 + a²) · fan-in)) with a = √5.
          try uniform(shape, fanIn: shape[1...].reduce(1, *), stream)
        case (.bias(let fanIn), _):
          try uniform(shape, fanIn: fanIn, stream)
        }
    }
    var buffers: [String: Tensor] = [:]
    for (name, shape) in architecture.buffers {
      buffers[name] = try Tensor.full(name.hasSuffix("running_var") ? 1 : 0, shape: shape)
    }
    try self.init(architecture, parameters: parameters, buffers: buffers, on: device)
  }
}

extension SceneNet {
  /// Draws the prunable weights anew, Xavier-normal (Glorot & Bengio 2010): variance
  /// 2 / (fan-in + fan-out). The published flow scores such a copy before training.
  public func reinitializeXavier(seed: UInt64) throws {
    try withoutGradients {
      for (index, (description, tensor)) in parameters.enumerated() where description.isPrunable {
        let shape = description.shape
        let fans = (shape[0] + shape[1]) * shape[2] * shape[3]
        try tensor.assign(
          Tensor.normal(
            deviation: (2 / Double(fans)).squareRoot(), shape: shape,
            stream: RandomStream(seed: seed, .xavierWeights, index: index)))
      }
    }
  }
}

private func uniform(_ shape: [Int], fanIn: Int, _ stream: RandomStream) throws -> Tensor {
  let bound = 1 / Double(fanIn).squareRoot()
  return try Tensor.uniform(-bound, bound, shape: shape, stream: stream)
}
