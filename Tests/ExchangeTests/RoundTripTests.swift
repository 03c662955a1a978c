// What is written to ONNX comes back as it was: the graph, the input's description, every bit of the tensors.

import Exchange
import Foundation
import Graphs
import Testing

struct RoundTripTests {
  private func expectSame(_ network: ExchangedNetwork, sparse: Bool = false) throws {
    let again = try ExchangedNetwork(onnx: try network.onnx(sparse: sparse))
    for (one, other) in zip(again.graph.nodes, network.graph.nodes) { #expect(one == other) }
    #expect(again.graph.nodes.count == network.graph.nodes.count)
    #expect(again.graph.outputs == network.graph.outputs)
    #expect(again.graph.input == network.graph.input)
    #expect(again.graph.parameters.map(\.name) == network.graph.parameters.map(\.name))
    #expect(again.graph.parameters.map(\.owners) == network.graph.parameters.map(\.owners))
    #expect(again.graph.buffers == network.graph.buffers)
    #expect(Set(again.tensors.keys) == Set(network.tensors.keys))
    for (name, tensor) in network.tensors {
      #expect(again.tensors[name]?.shape == tensor.shape)
      #expect(
        again.tensors[name]?.values.map(\.bitPattern) == tensor.values.map(\.bitPattern), "\(name)")
    }
    #expect(again.notes.isEmpty, "\(again.notes)")
  }

  private static let heads = [Head(task: "seg", channels: 5), Head(task: "depth", channels: 1)]

  @Test func sceneNet() throws {
    try expectSame(
      ExchangedNetwork(
        try SceneNet(stages: [1, 1, 1, 1], width: 4, headWidth: 6, dropout: 0.5, heads: Self.heads)
          .graph()))
  }

  @Test func uNet() throws {
    try expectSame(ExchangedNetwork(try UNet(width: 4, heads: Self.heads).graph()))
  }

  @Test func deepLab() throws {
    try expectSame(
      ExchangedNetwork(
        try DeepLab(backbone: .resNet18, width: 4, headWidth: 6, heads: Self.heads).graph()))
  }

  @Test func mobileNetV2() throws {
    try expectSame(ExchangedNetwork(try MobileNetV2(heads: Self.heads).graph()))
  }

  @Test func theImageOfThePublishedCode() throws {
    var input = ImageInput.published
    input.size = Extent(16, 24)
    let graph = try Graph(
      input: input,
      nodes: [
        .init("c", .convolution(Convolution(weight: "w", shape: [2, 3, 1, 1])), [Graph.image])
      ],
      outputs: [.init(task: "t", node: "c")])
    try expectSame(ExchangedNetwork(graph))
  }

  @Test func anImageThatIsNotNormalised() throws {
    let graph = try Graph(
      input: ImageInput(order: .rgb, mean: [0, 0, 0], scale: [1, 1, 1]),
      nodes: [
        .init("c", .convolution(Convolution(weight: "w", shape: [2, 3, 1, 1])), [Graph.image])
      ],
      outputs: [.init(task: "t", node: "c"), .init(task: "u", node: "c")])
    try expectSame(ExchangedNetwork(graph))
  }

  @Test func bitsOfTensors() throws {
    let graph = try Graph(
      input: .torchvision,
      nodes: [
        .init("c", .convolution(Convolution(weight: "w", shape: [2, 3, 1, 1])), [Graph.image])
      ],
      outputs: [.init(task: "t", node: "c")])
    let values = [Float.nan, -0.0, 0, .infinity, 0x1p-140, -Float.greatestFiniteMagnitude]
    try expectSame(
      ExchangedNetwork(
        graph: graph, tensors: ["w": PlainTensor(shape: [2, 3, 1, 1], values: values)]))
  }

  @Test func sparseWeightsBecomeDenseAgain() throws {
    var network = ExchangedNetwork(try UNet(width: 4, heads: Self.heads).graph())
    var random = RandomNumbers(seed: 5)
    for parameter in network.graph.prunable {
      network.tensors[parameter.name]?.values = (0..<parameter.count).map { _ in
        Int.random(in: 0..<10, using: &random) == 0 ? .random(in: -1...1, using: &random) : 0
      }
    }
    try expectSame(network, sparse: true)
    #expect(try network.onnx(sparse: true).count < network.onnx().count / 2)
  }

  /// Every operation, with settings that are not the defaults.
  @Test(arguments: [nil, Extent(32, 48)]) func everyOperation(_ size: Extent?) throws {
    var nodes: [Graph.Node] = []
    func add(_ name: String, _ operation: Graphs.Operation, _ inputs: String...) {
      nodes.append(Graph.Node(name, operation, inputs))
    }
    add(
      "c1",
      .convolution(
        Convolution(
          weight: "c1.weight", bias: "c1.bias", shape: [8, 3, 3, 3], stride: Extent(2),
          padding: Extent(1))), "image")
    add("bn", .batchNorm(BatchNorm("bn", channels: 8, epsilon: 1e-3, momentum: 0.01)), "c1")
    add(
      "bare",
      .batchNorm(
        BatchNorm(
          weight: nil, bias: nil, mean: "bare.mean", variance: "bare.variance", channels: 8)), "bn")
    let activations: [Activation] = [
      .relu, .relu6, .silu, .sigmoid, .tanh, .hardSwish, .leakyReLU(slope: 0.2),
      .hardSigmoid(alpha: 1.0 / 6, beta: 0.5), .hardSigmoid(alpha: 0.25, beta: 0.4),
      .gelu(approximate: false),
      .gelu(approximate: true),
    ]
    var last = "bare"
    for (number, activation) in activations.enumerated() {
      nodes.append(Graph.Node("a\(number)", .activation(activation), [last]))
      last = "a\(number)"
    }
    add(
      "c2",
      .convolution(
        Convolution(
          weight: "c2.weight", shape: [8, 2, 3, 1], padding: Extent(2, 0), dilation: Extent(2, 1),
          groups: 4)), last)
    add(
      "gn", .groupNorm(GroupNorm(weight: "gn.weight", bias: "gn.bias", channels: 8, groups: 2)),
      "c2")
    add(
      "gn2", .groupNorm(GroupNorm(weight: nil, bias: nil, channels: 8, groups: 4, epsilon: 1e-4)),
      "gn")
    add("gn3", .groupNorm(GroupNorm(weight: nil, bias: "gn3.bias", channels: 8, groups: 8)), "gn2")
    add("soft", .softmax(Softmax(axis: 1)), "gn3")
    add("gamma", .constant(Constant(value: "gamma", shape: [8, 1, 1], isLearned: true)))
    add("scaled", .arithmetic(.multiply), "gamma", "soft")
    // Constants come back right before the node that first reads them.
    add("offset", .constant(Constant(value: "offset", shape: [1], isLearned: false)))
    add("centred", .arithmetic(.subtract), "scaled", "offset")
    add("mean", .reduce(Reduce(.mean, axes: [2, 3], keepsAxes: true)), "centred")
    add("shifted", .arithmetic(.add), "centred", "mean")
    add("top", .reduce(Reduce(.max, axes: [2, 3], keepsAxes: false)), "shifted")
    add("fc", .linear(Linear(weight: "fc.weight", bias: "fc.bias", shape: [8, 8])), "top")
    add("vector", .reshape(Reshape(shape: [8, 1, -1])), "fc")
    add("gated", .arithmetic(.multiply), "shifted", "vector")
    add("global", .adaptiveAveragePool(AdaptiveAveragePool(size: Extent(1))), "gated")
    add("flat", .flatten(Flatten()), "global")
    add("fc2", .linear(Linear(weight: "fc2.weight", shape: [8, 8])), "flat")
    add("vector2", .reshape(Reshape(shape: [8, 1, 1])), "fc2")
    add("ratio", .arithmetic(.divide), "gated", "vector2")
    add("last", .transpose(Transpose(axes: [2, 3, 1])), "ratio")
    add("mix", .linear(Linear(weight: "mix.weight", bias: "mix.bias", shape: [8, 8])), "last")
    add("mix2", .linear(Linear(weight: "mix2.weight", shape: [8, 8])), "mix")
    add("first", .transpose(Transpose(axes: [3, 1, 2])), "mix2")
    add("drop", .dropout(Dropout(probability: 0.3)), "first")
    add(
      "up",
      .transposedConvolution(
        TransposedConvolution(
          weight: "up.weight", bias: "up.bias", shape: [8, 4, 3, 3], stride: Extent(2),
          padding: Extent(1),
          outputPadding: Extent(1), groups: 2)), "drop")
    add("half", .slice(Slice(axis: 1, from: 0, to: 4, step: 2)), "up")
    add("inner", .slice(Slice(axis: 2, from: 1, to: -1)), "up")
    add("pad", .pad(Pad(top: 1, bottom: 1, left: 0, right: 0, value: 0.25)), "inner")
    add("reflect", .pad(Pad(top: 1, bottom: 0, left: 2, right: 1, mode: .reflect)), "pad")
    add("edge", .pad(Pad(top: 0, bottom: 1, left: -1, right: 0, mode: .replicate)), "reflect")
    add(
      "max",
      .maxPool(
        MaxPool(
          kernel: Extent(3), stride: Extent(2), padding: Extent(1), dilation: Extent(1),
          ceilMode: true)), "edge")
    add(
      "average",
      .averagePool(
        AveragePool(
          kernel: Extent(3, 2), stride: Extent(1), padding: Extent(1, 0), countsPadding: false)),
      "max")
    add("like", .resize(Resize(.bilinear, .alignCorners, to: .likeSecondInput)), "average", "up")
    add(
      "twice", .resize(Resize(.nearest, .asymmetric, to: .factor(height: 2, width: 1))), "average")
    add("fixed", .resize(Resize(.bilinear, .halfPixel, to: .size(Extent(5, 7)))), "twice")
    add("join", .concat(Concat(axis: 1)), "half", "like")
    let graph = try Graph(
      input: ImageInput(order: .bgr, mean: [1, 2, 3], scale: [0.5, 0.25, 0.1], size: size),
      nodes: nodes,
      outputs: [.init(task: "join", node: "join"), .init(task: "small", node: "fixed")])
    try expectSame(ExchangedNetwork(graph))
  }

  @Test func whatONNXCannotSayIsRefused() throws {
    let graph = try Graph(
      input: .torchvision,
      nodes: [
        .init("p", .adaptiveAveragePool(AdaptiveAveragePool(size: Extent(3))), [Graph.image])
      ],
      outputs: [.init(task: "t", node: "p")])
    #expect(throws: ExchangeError.self) { try ExchangedNetwork(graph).onnx() }
    var network = ExchangedNetwork(try UNet(width: 4, heads: Self.heads).graph())
    network.tensors["heads.seg.conv.bias"] = nil
    #expect(throws: ExchangeError.self) { try network.onnx() }
  }
}
