// What the tests of Networks share.

import Networks
import TestSupport
import Torch

/// A small network with two tasks.
let smallArchitecture = Architecture(
  stages: [1, 2, 1, 1], width: 4, headWidth: 6, dropout: 0.5,
  heads: [.init(task: "seg", channels: 5), .init(task: "depth", channels: 1)])

/// The parts that SceneNet is built from, as zeros.
func zeroWeights(_ architecture: Architecture) throws
  -> (parameters: [String: Tensor], buffers: [String: Tensor])
{
  var parameters: [String: Tensor] = [:]
  for parameter in architecture.parameters {
    parameters[parameter.name] = try Tensor.full(0, shape: parameter.shape)
  }
  var buffers: [String: Tensor] = [:]
  for (name, shape) in architecture.buffers { buffers[name] = try Tensor.full(1, shape: shape) }
  return (parameters, buffers)
}

func randomImages(_ shape: [Int], seed: UInt64 = 0) throws -> Tensor {
  // The tests run beside each other, so each keeps to one thread.
  try Runtime.setThreads(1)
  var random = SeededRandom(seed)
  return try Tensor(random.floats(shape.reduce(1, *), in: -100..<100), shape: shape)
}
