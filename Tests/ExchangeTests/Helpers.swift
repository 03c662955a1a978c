// Small ONNX files, written node by node; networks with reproducible tensors; random numbers.

import Exchange
import Foundation
import Graphs

/// An ONNX file in the making: one image in, what `outputs` names out.
struct SmallModel {
  enum Setting {
    case int(Int)
    case ints([Int])
    case float(Float)
    case string(String)
    case floatTensor([Int], [Float])
  }

  var model = ONNXModel()

  init(opset: Int = 18, image: [Int] = [1, 3, 16, 24]) {
    model.irVersion = 8
    model.operatorSets = [ONNXOperatorSet.with { $0.version = Int64(opset) }]
    model.graph.inputs = [Self.value("x", image)]
  }

  /// Sizes of 0 are left open.
  static func value(_ name: String, _ shape: [Int]) -> ONNXValue {
    ONNXValue.with {
      $0.name = name
      $0.type.tensor.element = 1
      $0.type.tensor.shape.dimensions = shape.map { size in
        ONNXDimension.with { $0.size = size > 0 ? .known(Int64(size)) : .symbol("open") }
      }
    }
  }

  mutating func output(_ name: String, _ shape: [Int] = [1, 5, 16, 24]) {
    model.graph.outputs.append(Self.value(name, shape))
  }

  mutating func node(
    _ operation: String, _ inputs: [String], _ outputs: [String], name: String = "",
    _ settings: [String: Setting] = [:]
  ) {
    model.graph.nodes.append(
      ONNXNode.with {
        $0.operation = operation
        $0.inputs = inputs
        $0.outputs = outputs
        $0.name = name
        $0.attributes = settings.sorted { $0.key < $1.key }.map { name, setting in
          ONNXAttribute.with { attribute in
            attribute.name = name
            switch setting {
            case .int(let value): (attribute.kind, attribute.int) = (.int, Int64(value))
            case .ints(let values):
              (attribute.kind, attribute.ints) = (.ints, values.map { Int64($0) })
            case .float(let value): (attribute.kind, attribute.float) = (.float, value)
            case .string(let text): (attribute.kind, attribute.string) = (.string, Data(text.utf8))
            case .floatTensor(let shape, let values):
              attribute.kind = .tensor
              attribute.tensor = Self.tensor("", shape, values)
            }
          }
        }
      })
  }

  static func tensor(_ name: String, _ shape: [Int], _ values: [Float]) -> ONNXTensor {
    ONNXTensor.with {
      $0.name = name
      $0.element = 1
      $0.dimensions = shape.map { Int64($0) }
      $0.raw = littleEndianBytes(values)
    }
  }

  /// A tensor whose values are 0.1, 0.2 and so on where none are given.
  mutating func floats(_ name: String, _ shape: [Int], _ values: [Float]? = nil) {
    let count = shape.reduce(1, *)
    model.graph.initializers.append(
      Self.tensor(name, shape, values ?? (0..<count).map { Float($0 + 1) / 10 }))
  }

  mutating func integers(_ name: String, _ values: [Int], shape: [Int]? = nil) {
    model.graph.initializers.append(
      ONNXTensor.with {
        $0.name = name
        $0.element = 7
        $0.dimensions = (shape ?? [values.count]).map { Int64($0) }
        $0.ints64 = values.map { Int64($0) }
      })
  }

  /// A 1×1 convolution from x to a map of `channels`.
  mutating func convolution(
    _ output: String, channels: Int = 4, from input: String = "x", inputs: Int = 3
  ) {
    floats("\(output).weight", [channels, inputs, 1, 1])
    node("Conv", [input, "\(output).weight"], [output], name: output)
  }

  func bytes() throws -> Data { try model.serializedData() }

  /// Reads it, with its outputs as tasks.
  func network(input: ImageInput? = nil) throws -> ExchangedNetwork {
    try ExchangedNetwork(
      onnx: try bytes(),
      heads: model.graph.outputs.map { Graph.Output(task: $0.name, node: $0.name) }, input: input)
  }

  /// What reading it is refused with.
  func refusal() throws -> String {
    do {
      _ = try network()
      return "is read"
    } catch {
      return "\(error)"
    }
  }
}

extension ExchangedNetwork {
  func operation(_ node: String) -> Graphs.Operation? {
    graph.nodes.first { $0.name == node }?.operation
  }

  func inputs(_ node: String) -> [String]? { graph.nodes.first { $0.name == node }?.inputs }

  /// Of a graph, with random tensors.
  init(_ graph: Graph, seed: UInt64 = 1) {
    var random = RandomNumbers(seed: seed)
    let slots =
      graph.parameters.map { ($0.name, $0.shape) } + graph.buffers.map { ($0.name, $0.shape) }
    let tensors = slots.map { name, shape in
      (
        name,
        PlainTensor(
          shape: shape,
          values: (0..<shape.reduce(1, *)).map { _ in .random(in: -1...1, using: &random) })
      )
    }
    self.init(graph: graph, tensors: Dictionary(uniqueKeysWithValues: tensors))
  }
}

/// SplitMix64 (Steele et al. 2014).
struct RandomNumbers: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
    return z ^ z >> 31
  }
}
