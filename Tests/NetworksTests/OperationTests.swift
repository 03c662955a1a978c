// Every operation by the dense engine: the shape that the graph gives it, and values by hand.

import Graphs
import Networks
import TestSupport
import Testing
import Torch

@Suite struct OperationTests {
  /// The value of one operation on an image, and what the graph says of its shape.
  private func run(
    _ operation: Operation, shape: [Int], values: [Float]? = nil,
    parameters: [String: [Float]] = [:]
  ) throws -> (shape: [Int], values: [Float]) {
    let graph = try Graph(
      input: .published, nodes: [Graph.Node("a", operation, [Graph.image])],
      outputs: [Graph.Output(task: "t", node: "a")])
    var random = SeededRandom(7)
    let network = try Network(Architecture(graph), seed: 3)
    for weight in network.weights {
      guard let values = parameters[weight.name] else { continue }
      try withoutGradients { try weight.values.assign(Tensor(values, shape: weight.shape)) }
    }
    let image = try Tensor(
      values ?? random.floats(shape.reduce(1, *), in: -1..<1), shape: shape)
    let result = try withoutGradients {
      try DenseEngine(network).predictions(for: image, training: false, using: nil)
    }
    #expect(
      try [shape[0]] + graph.predictionShapes(for: Extent(shape[2], shape[3]))[0] == result[0].shape
    )
    return (result[0].shape, try result[0].array())
  }

  private static let mapOperations: [Operation] =
    [
      .convolution(
        Convolution(
          weight: "w", bias: "b", shape: [4, 3, 3, 5], stride: Extent(2, 1), padding: Extent(1, 2),
          dilation: Extent(1, 3))),
      .convolution(Convolution(weight: "w", shape: [6, 1, 3, 3], groups: 3)),
      .transposedConvolution(
        TransposedConvolution(
          weight: "w", bias: "b", shape: [3, 2, 3, 3], stride: Extent(2, 3), padding: Extent(1),
          outputPadding: Extent(1, 2))),
      .transposedConvolution(
        TransposedConvolution(weight: "w", shape: [3, 2, 2, 2], stride: Extent(2), groups: 3)),
      .batchNorm(BatchNorm("bn", channels: 3)),
      .groupNorm(GroupNorm(weight: "w", bias: "b", channels: 3, groups: 1)),
      .softmax(Softmax(axis: 1)),
      .slice(Slice(axis: 1, from: 1, to: -1)), .slice(Slice(axis: 3, from: 1, to: nil, step: 2)),
      .pad(Pad(top: 1, bottom: 2, left: 3, right: -1)),
      .pad(Pad(top: 1, bottom: 2, left: 3, right: 0, mode: .reflect)),
      .pad(Pad(top: 1, bottom: 2, left: 3, right: 0, mode: .replicate)),
      .maxPool(MaxPool(kernel: Extent(3), stride: Extent(2), padding: Extent(1), ceilMode: true)),
      .maxPool(MaxPool(kernel: Extent(2, 3), stride: Extent(3, 2), dilation: Extent(2, 1))),
      .averagePool(AveragePool(kernel: Extent(2, 3), stride: Extent(2), countsPadding: false)),
      .averagePool(
        AveragePool(kernel: Extent(3), stride: Extent(2), padding: Extent(1), ceilMode: true)),
      .adaptiveAveragePool(AdaptiveAveragePool(size: Extent(2, 3))),
      .reduce(Reduce(.mean, axes: [2, 3], keepsAxes: true)),
      .reduce(Reduce(.mean, axes: [1], keepsAxes: false)),
      .reduce(Reduce(.max, axes: [2, 3], keepsAxes: false)),
      .resize(Resize(.nearest, .asymmetric, to: .factor(height: 2, width: 1.5))),
      .resize(Resize(.bilinear, .alignCorners, to: .size(Extent(5, 6)))),
      .resize(Resize(.bilinear, .halfPixel, to: .factor(height: 0.5, width: 3))),
      .dropout(Dropout(probability: 0.25)), .flatten(Flatten()),
      .reshape(Reshape(shape: [-1, 9])), .transpose(Transpose(axes: [3, 1, 2])),
    ]
    + [
      .relu, .relu6, .silu, .sigmoid, .tanh, .hardSwish, .leakyReLU(slope: 0.01),
      .hardSigmoid(alpha: 0.2, beta: 0.5), .gelu(approximate: true), .gelu(approximate: false),
    ].map { .activation($0) }

  @Test(arguments: mapOperations)
  func shapesAreThoseOfTheGraph(_ operation: Operation) throws {
    for size in [(7, 9), (12, 9), (8, 18)] {
      _ = try run(operation, shape: [2, 3, size.0, size.1])
    }
  }

  @Test func linearLayersAreMatrixProducts() throws {
    let (shape, values) = try run(
      .linear(Linear(weight: "w", bias: "b", shape: [2, 3])), shape: [1, 3, 1, 3],
      values: [1, 2, 3, 4, 5, 6, 7, 8, 9],
      parameters: ["w": [1, 0, -1, 0.5, 0.5, 0.5], "b": [10, 20]])
    #expect(shape == [1, 3, 1, 2])
    #expect(values == [8, 23, 8, 27.5, 8, 32])
  }

  @Test func batchNormHasItsOwnEpsilonAndMomentum() throws {
    let graph = try Graph(
      input: .published,
      nodes: [
        Graph.Node(
          "a", .batchNorm(BatchNorm("bn", channels: 3, epsilon: 3, momentum: 0.25)), [Graph.image])
      ], outputs: [Graph.Output(task: "t", node: "a")])
    let network = try Network(Architecture(graph), seed: 1)
    let image = try Tensor([0, 2, 0, 2, 0, 2] as [Float], shape: [1, 3, 1, 2])
    let engine = try DenseEngine(network)
    // Running variance 1 and ε 3 halve.
    #expect(
      try engine.predictions(for: image, training: false, using: nil)[0].array(of: Float.self)
        == [0, 1, 0, 1, 0, 1])
    // Mean 1 and variance 1 of the batch; the running mean moves by a quarter.
    #expect(
      try engine.predictions(for: image, training: true, using: nil)[0].array(of: Float.self)
        == [-0.5, 0.5, -0.5, 0.5, -0.5, 0.5])
    #expect(try network.buffers[0].tensor.array(of: Float.self) == [0.25, 0.25, 0.25])
  }

  @Test func twoInputsAndConstantsAreCombined() throws {
    func combined(_ kind: Arithmetic) throws -> [Float] {
      let graph = try Graph(
        input: .published,
        nodes: [
          Graph.Node(
            "c", .constant(Constant(value: "v", shape: [3, 1, 1], isLearned: true)), []),
          Graph.Node("a", .arithmetic(kind), [Graph.image, "c"]),
        ], outputs: [Graph.Output(task: "t", node: "a")])
      let network = try Network(
        Architecture(graph), parameters: ["v": Tensor([2, 4, 8] as [Float], shape: [3, 1, 1])],
        buffers: [:])
      let image = try Tensor([1, 2, 3, 4, 5, 6] as [Float], shape: [1, 3, 1, 2])
      let result = try DenseEngine(network).predictions(for: image, training: true, using: nil)
      // A constant that is learned has a gradient: what the others are multiplied with.
      let gradients = try result[0].sum().gradients(of: network.weights.map(\.values))
      #expect(gradients[0] != nil)
      return try result[0].array()
    }
    #expect(try combined(.add) == [3, 4, 7, 8, 13, 14])
    #expect(try combined(.subtract) == [-1, 0, -1, 0, -3, -2])
    #expect(try combined(.multiply) == [2, 4, 12, 16, 40, 48])
    #expect(try combined(.divide) == [0.5, 1, 0.75, 1, 0.625, 0.75])
  }

  @Test(arguments: [
    try Architecture(
      DeepLab(
        backbone: .resNet18, width: 4, headWidth: 4,
        heads: [Head(task: "a", channels: 3), Head(task: "b", channels: 1)])),
    try Architecture(
      DeepLab(
        backbone: .resNet50, width: 4, headWidth: 4, outputStride: 16,
        heads: [Head(task: "a", channels: 3)])),
    try Architecture(
      MobileNetV2(
        width: 4, headWidth: 4,
        heads: [Head(task: "a", channels: 3), Head(task: "b", channels: 1)])),
    try Architecture(UNet(width: 4, heads: [Head(task: "a", channels: 2)])),
  ])
  func architecturesRunAndTrain(_ architecture: Architecture) throws {
    let network = try Network(architecture, seed: 1)
    let predictions = try DenseEngine(network).predictions(
      for: randomImages([2, 3, 40, 56]), training: true,
      using: DropoutStreams(RandomStream(seed: 1, .dropoutInTraining)))
    let shapes = try network.graph.predictionShapes(for: Extent(40, 56))
    #expect(predictions.map(\.shape) == shapes.map { [2] + $0 })
    for (task, prediction) in predictions.enumerated() {
      let gradients = try prediction.sum().gradients(
        of: network.weights.map(\.values), retainGraph: task + 1 < predictions.count)
      for (weight, gradient) in zip(network.weights, gradients) {
        #expect(
          (gradient != nil) == weight.parameter.owners.contains(task), "\(weight.name)")
      }
    }
  }
}
