// Predictions of networks that PyTorch exported, by our engine, against PyTorch's own.

import Exchange
import Graphs
import Networks
import Testing
import Torch

@Suite struct FixturePredictionTests {
  /// The largest difference relative to the largest value.
  private func difference(_ found: [Float], _ expected: [Float]) -> Float {
    let largest = expected.map(\.magnitude).max() ?? 1
    return (zip(found, expected).map { ($0 - $1).magnitude }.max() ?? 0) / max(largest, 1e-6)
  }

  private func network(_ exchanged: ExchangedNetwork) throws -> Network {
    try Runtime.setThreads(1)
    let tensors = try exchanged.tensors.mapValues { try Tensor($0.values, shape: $0.shape) }
    return try Network(Architecture(exchanged.graph), parameters: tensors, buffers: tensors)
  }

  @Test(arguments: Fixture.all) func predictionsAreThoseOfPyTorch(_ fixture: Fixture) throws {
    let expected = try fixture.expected()
    let exchanged = try fixture.network()
    let network = try network(exchanged)
    let image = try #require(expected["image"])
    let bytes = image.values.map { UInt8($0) }
    let images = try Tensor(bytes, shape: image.shape).permuted([0, 2, 3, 1])
    let predictions = try withoutGradients {
      try DenseEngine(network).predictions(
        for: network.normalized(images), training: false, using: nil)
    }
    for (task, prediction) in zip(network.graph.tasks, predictions) {
      let output = try #require(expected["output." + task])
      #expect(prediction.shape == output.shape)
      #expect(try difference(prediction.array(), output.values) < 1e-4, "\(task)")
    }
  }

  @Test(arguments: Fixture.all) func theSparseEnginePredictsTheSame(_ fixture: Fixture) throws {
    let networks = try (0..<2).map { _ in
      let network = try network(fixture.network())
      for weight in network.prunable {
        let mask = (0..<weight.parameter.count).map { UInt8($0 * 7919 % 97 < 30 ? 1 : 0) }
        try weight.setMask(Tensor(mask, shape: weight.shape))
        try withoutGradients { try weight.mask.map(weight.values.keep) }
      }
      return network
    }
    let engines = [
      try EngineKind.dense.engine(for: networks[0]), try EngineKind.sparse.engine(for: networks[1]),
    ]
    let image = try #require(try fixture.expected()["image"])
    let images = try Tensor(image.values.map { UInt8($0) }, shape: image.shape)
      .permuted([0, 2, 3, 1])
    let predictions = try engines.map { engine in
      try withoutGradients {
        try engine.predictions(
          for: engine.network.normalized(images), training: false, using: nil)
      }.map { try $0.array(of: Float.self) }
    }
    for (dense, sparse) in zip(predictions[0], predictions[1]) {
      #expect(difference(sparse, dense) < 1e-4)
    }
  }

  /// From the network's own JSON, as a model.h5 has it.
  @Test(arguments: Fixture.all) func theGraphComesBackFromItsJSON(_ fixture: Fixture) throws {
    let graph = try fixture.network().graph
    let again = try Architecture(json: Architecture(graph).json).graph
    #expect(again.nodes == graph.nodes && again.outputs == graph.outputs)
    #expect(again.input == graph.input)
  }
}
