// Networks by the dense engine: sizes, modes, and who depends on whose weights.

import Graphs
import Networks
import TestSupport
import Testing
import Torch

@Suite struct PredictionSizeTests {
  @Test(arguments: [(1, 1), (16, 9), (33, 64), (65, 65), (96, 128), (47, 30), (71, 8)])
  func everyValueHasTheShapeThatTheGraphGivesIt(height: Int, width: Int) throws {
    let network = try Network(smallArchitecture(), seed: 1)
    let predictions = try withoutGradients {
      try DenseEngine(network).predictions(
        for: randomImages([2, 3, height, width]), training: false, using: nil)
    }
    let shapes = try network.graph.predictionShapes(for: Extent(height, width))
    #expect(predictions.map(\.shape) == shapes.map { [2] + $0 })
  }
}

@Suite struct NetworkTests {
  private func predict(
    _ network: Network, training: Bool, dropout: UInt64? = nil, images: UInt64 = 0
  ) throws -> [[Float]] {
    let streams = dropout.map { DropoutStreams(RandomStream(seed: $0, .dropoutInTraining)) }
    return try DenseEngine(network).predictions(
      for: randomImages([2, 3, 40, 56], seed: images), training: training, using: streams
    ).map { try $0.array() }
  }

  private func statistics(_ network: Network) throws -> [[Float]] {
    try network.buffers.map { try $0.tensor.array() }
  }

  @Test func trainingMovesTheRunningStatisticsAndEvaluationDoesNot() throws {
    let network = try Network(smallArchitecture(), seed: 1)
    let before = try statistics(network)
    let evaluated = try predict(network, training: false)
    #expect(try statistics(network) == before)
    #expect(try predict(network, training: false) == evaluated)
    _ = try predict(network, training: true)
    for (old, new) in zip(before, try statistics(network)) { #expect(old != new) }
    #expect(try predict(network, training: false) != evaluated)
  }

  @Test func dropoutFollowsItsSeedInTrainingOnly() throws {
    let network = try Network(smallArchitecture(), seed: 1)
    let once = try predict(network, training: true, dropout: 3)
    #expect(try predict(network, training: true, dropout: 3) == once)
    #expect(try predict(network, training: true, dropout: 4) != once)
    #expect(try predict(network, training: true) != once)
    let evaluated = try predict(network, training: false, dropout: 3)
    #expect(try predict(network, training: false, dropout: 4) == evaluated)
  }

  @Test func anImageIsPredictedTheSameInAnyCompany() throws {
    let network = try Network(smallArchitecture(), seed: 1)
    let images = try randomImages([3, 3, 40, 56])
    let together = try DenseEngine(network).predictions(for: images, training: false, using: nil)
    for index in 0..<3 {
      let alone = try DenseEngine(network).predictions(
        for: images.selecting([index], along: 0), training: false, using: nil)
      for (a, b) in zip(together, alone) {
        #expect(
          try largestDifference(a.selecting([index], along: 0).array(), b.array() as [Float])
            < 1e-4)
      }
    }
  }

  @Test func aTasksPredictionDependsOnTheBackboneAndItsOwnHeadAlone() throws {
    let network = try Network(smallArchitecture(), seed: 1)
    let predictions = try DenseEngine(network).predictions(
      for: randomImages([2, 3, 40, 56]), training: true, using: nil)
    let parameters = network.weights
    for (task, prediction) in predictions.enumerated() {
      let gradients = try prediction.sum().gradients(
        of: parameters.map(\.values), retainGraph: task == 0)
      for (parameter, gradient) in zip(parameters.map(\.parameter), gradients) {
        let reaches = parameter.owners.contains(task)
        #expect((gradient != nil) == reaches, "\(parameter.name)")
        #expect(gradient.map(\.shape) == (reaches ? parameter.shape : nil))
      }
    }
  }

  @Test func aHeadIsTheSumOfItsBranches() throws {
    let architecture = try smallArchitecture()
    var (parameters, buffers) = try zeroWeights(architecture)
    for branch in 0..<4 {
      let value = Double(1 << branch)
      parameters["task1_fc1_c\(branch).conv3.bias"] = try Tensor.full(value, shape: [5])
    }
    let network = try Network(architecture, parameters: parameters, buffers: buffers)
    let predictions = try predict(network, training: false)
    #expect(Set(predictions[0]) == [15])
    #expect(Set(predictions[1]) == [0])
    buffers = [:]
    #expect(throws: NetworkError.self) {
      try Network(architecture, parameters: parameters, buffers: buffers)
    }
  }

  @Test func parametersKeepTheirOrderAndValues() throws {
    let network = try Network(smallArchitecture(), seed: 1)
    let tensors = Dictionary(
      uniqueKeysWithValues: network.weights.map { ($0.name, $0.values) })
    let buffers = Dictionary(
      uniqueKeysWithValues: network.buffers.map { ($0.name, $0.tensor) })
    let copy = try Network(smallArchitecture(), parameters: tensors, buffers: buffers)
    #expect(try copy.weights.map(\.parameter) == smallArchitecture().graph.parameters)
    for (a, b) in zip(network.weights, copy.weights) {
      #expect(try a.values.array(of: Float.self) == b.values.array())
    }
  }

  @Test func aMissingOrMisshapedParameterIsNamed() throws {
    let weights = try zeroWeights(smallArchitecture())
    let name = "backbone.ds.2.0.weight"
    func error(_ tensor: Tensor?) -> NetworkError? {
      var parameters = weights.parameters
      parameters[name] = tensor
      return #expect(throws: NetworkError.self) {
        try Network(smallArchitecture(), parameters: parameters, buffers: weights.buffers)
      }
    }
    #expect(error(nil)?.description == "\(name): missing")
    #expect(
      try error(Tensor.full(0, shape: [16, 8]))?.description
        == "\(name): expected shape 16×8×1×1, found 16×8")
  }

  @Test func imagesWithoutThreeChannelsAreAnError() throws {
    let network = try Network(smallArchitecture(), seed: 1)
    let images = try randomImages([1, 4, 32, 32])
    #expect(throws: TorchError.self) {
      try DenseEngine(network).predictions(for: images, training: false, using: nil)
    }
  }
}
