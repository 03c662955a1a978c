// Initial weights, a function of architecture and seed.

import Graphs
import Torch

extension Network {
  /// A network with its architecture's initial weights.
  public convenience init(_ architecture: Architecture, seed: UInt64, on device: Device = .cpu)
    throws
  {
    var parameters: [String: Tensor] = [:]
    for (index, parameter) in architecture.graph.parameters.enumerated() {
      let shape = parameter.shape
      let stream = RandomStream(seed: seed, .initialWeights, index: index)
      parameters[parameter.name] =
        switch parameter.initialValues {
        case .constant(let value): try Tensor.full(value, shape: shape)
        case .normal(let deviation):
          try Tensor.normal(deviation: deviation, shape: shape, stream: stream)
        case .uniform(let bound): try Tensor.uniform(-bound, bound, shape: shape, stream: stream)
        }
    }
    var buffers: [String: Tensor] = [:]
    for buffer in architecture.graph.buffers {
      buffers[buffer.name] = try Tensor.full(buffer.initialValue, shape: buffer.shape)
    }
    try self.init(architecture, parameters: parameters, buffers: buffers, on: device)
  }

  /// Draws the prunable weights anew, Xavier-normal (Glorot & Bengio 2010): variance
  /// 2 / (fan-in + fan-out). The published flow scores such a copy before training.
  public func reinitializeXavier(seed: UInt64) throws {
    try withoutGradients {
      for (index, weight) in weights.enumerated() where weight.parameter.isPrunable {
        let shape = weight.shape
        let fans = (shape[0] + shape[1]) * shape[2...].reduce(1, *)
        try weight.values.assign(
          Tensor.normal(
            deviation: (2 / Double(fans)).squareRoot(), shape: shape,
            stream: RandomStream(seed: seed, .xavierWeights, index: index)))
      }
    }
  }
}
