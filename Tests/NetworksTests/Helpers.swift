// What the tests of Networks share.

import Graphs
import Networks
import TestSupport
import Torch

/// A small network with two tasks.
func smallArchitecture() throws -> Architecture {
  try Architecture(
    SceneNet(
      stages: [1, 2, 1, 1], width: 4, headWidth: 6, dropout: 0.5,
      heads: [Head(task: "seg", channels: 5), Head(task: "depth", channels: 1)]))
}

/// The parts that a network is built from, as zeros.
func zeroWeights(_ architecture: Architecture) throws
  -> (parameters: [String: Tensor], buffers: [String: Tensor])
{
  var parameters: [String: Tensor] = [:]
  for parameter in architecture.graph.parameters {
    parameters[parameter.name] = try Tensor.full(0, shape: parameter.shape)
  }
  var buffers: [String: Tensor] = [:]
  for buffer in architecture.graph.buffers {
    buffers[buffer.name] = try Tensor.full(1, shape: buffer.shape)
  }
  return (parameters, buffers)
}

func randomImages(_ shape: [Int], seed: UInt64 = 0) throws -> Tensor {
  // The tests run beside each other, so each keeps to one thread.
  try Runtime.setThreads(1)
  var random = SeededRandom(seed)
  return try Tensor(random.floats(shape.reduce(1, *), in: -100..<100), shape: shape)
}
