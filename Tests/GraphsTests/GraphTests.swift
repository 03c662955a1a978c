// Graph: what makes one, what refuses to be one, and its JSON.

import Foundation
import Graphs
import TestSupport
import Testing

@Suite struct GraphTests {
  private func reason(_ nodes: [Graph.Node], output: String = "a") -> String {
    do {
      _ = try Graph.of(nodes, ("task", output))
      return ""
    } catch {
      return "\(error)"
    }
  }

  @Test func nodesReadWhatStandsBeforeThem() {
    let a = pointwise("a", Graph.image, 3, 3)
    #expect(reason([a]) == "")
    #expect(
      reason([pointwise("a", "b", 3, 3), pointwise("b", Graph.image, 3, 3)])
        == "node a (convolution): reads b, which no node before it is called")
    #expect(reason([pointwise("a", "a", 3, 3)]).contains("reads a"))
    #expect(reason([a, a]) == "node a (convolution): names a second node")
    #expect(reason([pointwise("image", Graph.image, 3, 3)]).contains("is no name for a node"))
    #expect(reason([a], output: "b") == "task task is predicted by b, which is no node")
    let sum = Graph.Node("sum", .arithmetic(.add), ["a"])
    #expect(reason([a, sum]) == "node sum (add): takes 2 inputs, not 1")
  }

  @Test func settingsOutOfRangeNameTheirNode() {
    func convolution(_ change: (inout Convolution) -> Void) -> String {
      var settings = Convolution(weight: "w", shape: [4, 3, 3, 3])
      change(&settings)
      return reason([Graph.Node("a", .convolution(settings), [Graph.image])])
    }
    #expect(convolution { _ in } == "")
    #expect(
      convolution { $0.shape = [] }.contains("node a (convolution): has a weight of shape []"))
    #expect(convolution { $0.shape = [4, 3, 3, .max] }.contains("has a weight of shape"))
    #expect(convolution { $0.shape = [1 << 20, 1 << 20, 3, 3] }.contains("has a weight of shape"))
    #expect(convolution { $0.groups = 3 }.contains("do not come in 3 groups"))
    #expect(convolution { $0.groups = 0 }.contains("do not come in 0 groups"))
    #expect(convolution { $0.stride = Extent(0) }.contains("out of range"))
    #expect(convolution { $0.padding = Extent(-1, 0) }.contains("out of range"))
    #expect(convolution { $0.dilation = Extent(1, .max) }.contains("out of range"))
  }

  @Test func aTensorHasOneShapeAndRole() throws {
    var second = pointwise("b", Graph.image, 3, 4)
    second.operation = .convolution(Convolution(weight: "a.weight", shape: [4, 3, 1, 1]))
    #expect(
      reason([pointwise("a", Graph.image, 3, 3), second])
        .contains("uses a.weight in another shape or role"))
    let norm = Graph.Node(
      "n",
      .batchNorm(
        BatchNorm(weight: nil, bias: nil, mean: "a.weight", variance: "v", channels: 3)), ["a"])
    #expect(
      reason([pointwise("a", Graph.image, 3, 3), norm])
        == "a.weight is both a parameter and a buffer")
  }

  @Test func inputsThatDoNotFitNameTheNodeAndTheImage() throws {
    let graph = try Graph.of(
      [pointwise("a", Graph.image, 3, 4), pointwise("b", "a", 5, 2)], ("t", "b"))
    let error = #expect(throws: GraphError.self) { try graph.shapes(for: Extent(8, 9)) }
    #expect(
      error?.description
        == "node b (convolution), for images of 8×9: takes 5 channels, not 4")
  }

  /// One node of every operation, over a map of 3 channels.
  static let everyOperation: [Graphs.Operation] =
    [
      .convolution(
        Convolution(
          weight: "w", bias: "b", shape: [4, 3, 3, 5], stride: Extent(2, 1), padding: Extent(1, 2),
          dilation: Extent(1, 3))),
      .transposedConvolution(
        TransposedConvolution(
          weight: "w", bias: "b", shape: [3, 2, 3, 3], stride: Extent(2), padding: Extent(1),
          outputPadding: Extent(1))),
      .linear(Linear(weight: "w", bias: "b", shape: [7, 12])),
      .batchNorm(BatchNorm("bn", channels: 3, epsilon: 1e-3, momentum: 0.01)),
      .groupNorm(GroupNorm(weight: "w", bias: "b", channels: 3, groups: 3)),
      .softmax(Softmax(axis: 1)), .concat(Concat(axis: 1)),
      .slice(Slice(axis: 1, from: 1, to: -1)), .slice(Slice(axis: 3, from: 0, to: nil, step: 2)),
      .pad(Pad(top: 1, bottom: 2, left: 3, right: -1, mode: .constant, value: 0.5)),
      .maxPool(
        MaxPool(kernel: Extent(3), stride: Extent(2), padding: Extent(1), ceilMode: true)),
      .averagePool(AveragePool(kernel: Extent(2, 3), stride: Extent(2), countsPadding: false)),
      .adaptiveAveragePool(AdaptiveAveragePool(size: Extent(2, 3))),
      .reduce(Reduce(.mean, axes: [2, 3], keepsAxes: true)),
      .reduce(Reduce(.max, axes: [2, 3], keepsAxes: false)),
      .resize(Resize(.nearest, .asymmetric, to: .factor(height: 2, width: 1.5))),
      .resize(Resize(.bilinear, .alignCorners, to: .size(Extent(5, 6)))),
      .dropout(Dropout(probability: 0.25)), .flatten(Flatten()),
      .reshape(Reshape(shape: [-1, 12])), .transpose(Transpose(axes: [3, 1, 2])),
    ]
    + [
      .relu, .relu6, .silu, .sigmoid, .tanh, .hardSwish, .leakyReLU(slope: 0.01),
      .hardSigmoid(alpha: 0.2, beta: 0.5), .gelu(approximate: true),
    ].map { .activation($0) }

  @Test(arguments: everyOperation)
  func everyOperationComesBackFromJSON(_ operation: Graphs.Operation) throws {
    let graph = try Graph.of(
      [Graph.Node("a", operation, [Graph.image])], ("task", "a"))
    let json = try Architecture(graph).json
    let again = try Architecture(json: json)
    #expect(again.graph == graph)
    #expect(again.json == json)
    #expect(json.contains("\"operation\":\"\(operation.word)\""))
    #expect(Graphs.Operation.words.contains(operation.word))
  }

  @Test func operationsOfTwoInputsComeBackFromJSON() throws {
    let two: [Graphs.Operation] =
      Arithmetic.allCases.map { .arithmetic($0) }
      + [.resize(Resize(.bilinear, .halfPixel, to: .likeSecondInput)), .concat(Concat(axis: 1))]
    for operation in two {
      let constant = Graph.Node(
        "c", .constant(Constant(value: "v", shape: [3, 1, 1], isLearned: true)), [])
      let graph = try Graph.of(
        [constant, Graph.Node("a", operation, [Graph.image, "c"])], ("task", "a"))
      #expect(try Architecture(json: Architecture(graph).json).graph == graph)
    }
  }

  @Test func anUnknownOperationListsThoseThatThereAre() throws {
    let json = try Architecture(Graph.of([pointwise("a", Graph.image, 3, 3)], ("t", "a"))).json
    func reason(_ from: String, _ to: String) -> String {
      do {
        _ = try Architecture(json: json.replacingOccurrences(of: from, with: to))
        return ""
      } catch {
        return "\(error)"
      }
    }
    let unknown = reason("\"convolution\"", "\"conv3d\"")
    #expect(unknown.hasPrefix("architecture node a: no operation is called conv3d; there are "))
    #expect(unknown.contains("hard_swish, ") && unknown.contains("convolution, "))
    #expect(
      reason("\"dilation\":[1,1],", "") == "architecture node a (convolution): has no dilation")
    #expect(
      reason("\"dilation\":[1,1],", "\"dilation\":\"x\",")
        == "architecture node a (convolution): has settings of another type")
  }

  @Test func dropoutIsChangedEverywhere() throws {
    let graph = try Graph.of(
      [
        Graph.Node("d", .dropout(Dropout(probability: 0.5)), [Graph.image]),
        pointwise("a", "d", 3, 3),
      ], ("t", "a"))
    let calm = try Architecture(graph).with(dropout: 0.1)
    #expect(calm.graph.nodes[0].operation == .dropout(Dropout(probability: 0.1)))
    #expect(try calm.hasSameParameters(as: Architecture(graph)))
    #expect(try Architecture(graph).with(dropout: nil) == Architecture(graph))
  }

  @Test func damagedJSONIsAGraphOrAnError() throws {
    var random = SeededRandom(11)
    let extremes = [
      "0", "-1", "1", "65536", "16777217", "9223372036854775807", "-9223372036854775808", "1e308",
      "[]", "\"x\"", "null", "true",
    ]
    var graphs = 0
    for operation in Self.everyOperation {
      let json = try Architecture(Graph.of([Graph.Node("a", operation, [Graph.image])], ("t", "a")))
        .json
      let numbers = json.ranges(of: #/-?[0-9]+(\.[0-9]+)?/#)
      for round in 0..<400 {
        var damaged = json
        if round % 2 == 0, let range = numbers.randomElement(using: &random) {
          damaged.replaceSubrange(range, with: extremes.randomElement(using: &random) ?? "")
        } else {
          var bytes = Array(json.utf8)
          bytes[Int.random(in: 0..<bytes.count, using: &random)] = .random(
            in: 32...126, using: &random)
          damaged = String(decoding: bytes, as: UTF8.self)
        }
        do {
          let graph = try Architecture(json: damaged).graph
          graphs += 1
          for size in [Extent(1), Extent(32, 48)] {
            _ = try graph.predictionShapes(for: size)
            _ = try graph.uses(for: size)
          }
          let masks = graph.prunable.filter { $0.count < 1 << 20 }.map {
            ($0.name, [UInt8](repeating: 1, count: $0.count)[...])
          }
          _ = try graph.tasksWithoutPath(Dictionary(uniqueKeysWithValues: masks))
        } catch is ArchitectureError {
        } catch is GraphError {
        }
      }
    }
    #expect(graphs > 1000)
  }
}
