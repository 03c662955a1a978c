// Damaged and hostile files: each gives a network or an error. A trap, a hang or gigabytes would end the tests.

import Exchange
import Foundation
import Graphs
import Testing

struct HostileFileTests {
  /// One of every kind of folding and of shape arithmetic, in few bytes.
  private static func model() -> SmallModel {
    var model = SmallModel(image: [0, 3, 0, 0])
    model.convolution("a")
    for name in ["weight", "bias", "running_mean", "running_var"] {
      model.floats("bn." + name, [4])
    }
    model.node(
      "BatchNormalization", ["a", "bn.weight", "bn.bias", "bn.running_mean", "bn.running_var"],
      ["b"])
    model.node("Shape", ["b"], ["s"])
    model.integers("two", [2])
    model.integers("four", [4])
    model.integers("zero", [0], shape: [])
    model.integers("one", [1], shape: [])
    model.node("Slice", ["s", "two", "four"], ["extent"])
    model.node("Mul", ["extent", "two"], ["larger"])
    model.node("Gather", ["s", "zero"], ["n"])
    model.integers("axes", [0])
    model.node("Unsqueeze", ["n", "axes"], ["n1"])
    model.node("ConstantOfShape", ["four"], ["zeros"], ["value": .floatTensor([1], [2])])
    model.node("Range", ["zero", "n", "one"], ["range"])
    model.node("Expand", ["range", "four"], ["expanded"])
    model.node("Cast", ["four"], ["cast"], ["to": .int(7)])
    model.node("Concat", ["n1", "cast", "larger"], ["size"], ["axis": .int(0)])
    model.node("Resize", ["b", "", "", "size"], ["up"], ["mode": .string("linear")])
    model.integers("pads", [0, 0, 1, 0, 0, 0, 0, 1])
    model.node("Pad", ["up", "pads"], ["pad"])
    model.node(
      "AveragePool", ["pad"], ["pool"],
      ["kernel_shape": .ints([2, 2]), "strides": .ints([2, 2]), "ceil_mode": .int(1)])
    model.floats("t.weight", [4, 2, 2, 2])
    model.node(
      "ConvTranspose", ["pool", "t.weight"], ["t"],
      ["strides": .ints([2, 2]), "output_padding": .ints([1, 0])])
    model.node("Split", ["t"], ["left", "right"], ["axis": .int(1), "num_outputs": .int(2)])
    model.node("Concat", ["left", "right"], ["joined"], ["axis": .int(1)])
    model.node("ReduceMean", ["joined", "pair"], ["mean"], ["keepdims": .int(0)])
    model.integers("pair", [2, 3])
    model.integers("shape", [0, -1, 1, 1])
    model.node("Reshape", ["mean", "shape"], ["vector"])
    model.node("Mul", ["joined", "vector"], ["gated"])
    model.node("Mul", ["zeros", "expanded"], ["product"])
    model.node("Transpose", ["product"], ["turned"])
    model.output("gated")
    model.output("t")
    return model
  }

  private static let heads = ["gated", "t"].map { Graph.Output(task: $0, node: $0) }

  /// Whether it is read; errors must be of the kinds that are meant for users.
  @discardableResult private func isRead(_ bytes: Data, heads: [Graph.Output]) -> Bool {
    do {
      let network = try ExchangedNetwork(onnx: bytes, heads: heads)
      for size in [Extent(16, 24), Extent(97, 64)] { _ = try? network.graph.shapes(for: size) }
      return true
    } catch {
      #expect(error is ExchangeError || error is GraphError, "\(error)")
      return false
    }
  }

  /// Bytes changed, cut out, put in and repeated.
  private func mutated(_ bytes: Data, _ random: inout RandomNumbers) -> Data {
    var bytes = bytes
    for _ in 0..<Int.random(in: 1...3, using: &random) where !bytes.isEmpty {
      let place = Int.random(in: 0..<bytes.count, using: &random)
      let length = min(Int.random(in: 1...8, using: &random), bytes.count - place)
      switch Int.random(in: 0..<5, using: &random) {
      case 0: bytes[place] = .random(in: 0...255, using: &random)
      case 1: bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
      case 2: bytes.removeSubrange(place..<place + length)
      case 3: bytes.insert(contentsOf: bytes[place..<place + length], at: place)
      default:
        bytes.replaceSubrange(place..<place + length, with: [UInt8](repeating: 0xFF, count: length))
      }
    }
    return bytes
  }

  @Test func theFileItselfIsRead() throws {
    #expect(isRead(try Self.model().bytes(), heads: Self.heads))
  }

  @Test func mutationsOfAnONNXFile() throws {
    let bytes = try Self.model().bytes()
    var random = RandomNumbers(seed: 1)
    var read = 0
    for _ in 0..<10_000 where isRead(mutated(bytes, &random), heads: Self.heads) { read += 1 }
    // Most of them damage something that matters, some a name or a weight.
    #expect((100..<9_000).contains(read))
  }

  /// Numbers replaced by extreme ones in a file that is well-formed otherwise.
  @Test func extremeNumbersInAnONNXFile() throws {
    let extremes: [Int64] = [
      .min, .min + 1, -(1 << 40), -2, -1, 0, 1, 3, 7, 1 << 16, 1 << 24, 1 << 31, 1 << 40, 1 << 62,
      .max,
    ]
    let original = Self.model().model
    var random = RandomNumbers(seed: 2)
    for _ in 0..<2_000 {
      var model = original
      for _ in 0..<Int.random(in: 1...2, using: &random) {
        func extreme() -> Int64 { extremes.randomElement(using: &random) ?? 0 }
        func change(_ values: inout [Int64]) {
          if let place = values.indices.randomElement(using: &random) { values[place] = extreme() }
        }
        let tensor = Int.random(in: 0..<model.graph.initializers.count, using: &random)
        let node = Int.random(in: 0..<model.graph.nodes.count, using: &random)
        switch Int.random(in: 0..<6, using: &random) {
        case 0: change(&model.graph.initializers[tensor].dimensions)
        case 1, 2: change(&model.graph.initializers[tensor].ints64)
        case 3:
          model.graph.inputs[0].type.tensor.shape.dimensions[Int.random(in: 0..<4, using: &random)]
            .known = extreme()
        case 4:
          let names = [
            "perm", "axes", "pads", "dilations", "strides", "kernel_shape", "output_padding",
          ]
          model.graph.nodes[node].attributes.append(
            ONNXAttribute.with {
              $0.name = names.randomElement(using: &random) ?? ""
              $0.kind = .ints
              $0.ints = (0..<Int.random(in: 0...5, using: &random)).map { _ in extreme() }
            })
        default:
          let names = [
            "axis", "group", "start", "end", "num_outputs", "allowzero", "to", "ceil_mode",
            "transB",
          ]
          model.graph.nodes[node].attributes.append(
            ONNXAttribute.with {
              $0.name = names.randomElement(using: &random) ?? ""
              $0.kind = .int
              $0.int = extreme()
            })
        }
      }
      isRead(try model.serializedData(), heads: Self.heads)
    }
  }

  /// Nodes that read and do something else than they did.
  @Test func otherOperationsAndInputsInAnONNXFile() throws {
    let original = Self.model().model
    let operations = readONNXOperations
    let names =
      original.graph.nodes.flatMap(\.outputs) + original.graph.initializers.map(\.name) + [
        "x", "", "nothing",
      ]
    var random = RandomNumbers(seed: 3)
    for _ in 0..<2_000 {
      var model = original
      for _ in 0..<Int.random(in: 1...2, using: &random) {
        let node = Int.random(in: 0..<model.graph.nodes.count, using: &random)
        switch Int.random(in: 0..<4, using: &random) {
        case 0: model.graph.nodes[node].operation = operations.randomElement(using: &random) ?? ""
        case 1:
          model.graph.nodes[node].inputs = (0..<Int.random(in: 0...5, using: &random)).map { _ in
            names.randomElement(using: &random) ?? ""
          }
        case 2:
          model.graph.nodes.swapAt(
            node, Int.random(in: 0..<model.graph.nodes.count, using: &random))
        default:
          if let input = model.graph.nodes[node].inputs.indices.randomElement(using: &random) {
            model.graph.nodes[node].inputs[input] = names.randomElement(using: &random) ?? ""
          }
        }
      }
      isRead(try model.serializedData(), heads: Self.heads)
    }
  }

  @Test func everyTruncationOfAnONNXFile() throws {
    let bytes = try Self.model().bytes()
    for length in 0..<bytes.count { isRead(bytes.prefix(length), heads: Self.heads) }
  }

  @Test func mutationsAndTruncationsOfASafetensorsFile() throws {
    let network = ExchangedNetwork(
      try UNet(width: 2, heads: [Head(task: "t", channels: 2)]).graph())
    let bytes = try Safetensors.bytes(of: network.tensors.filter { $0.key.hasPrefix("inc") })
    func read(_ bytes: Data) {
      do {
        _ = try Safetensors.read(bytes)
      } catch {
        #expect(error is ExchangeError, "\(error)")
      }
    }
    var random = RandomNumbers(seed: 4)
    for _ in 0..<10_000 { read(mutated(bytes, &random)) }
    // The header is where the format is decided.
    let header = bytes.prefix(1200)
    for _ in 0..<2_000 { read(mutated(header, &random) + bytes.dropFirst(1200)) }
    for length in 0..<bytes.count { read(bytes.prefix(length)) }
  }

  // MARK: Few bytes that ask for much

  @Test(arguments: ["ConstantOfShape", "Expand", "Range"]) func tensorsOfBillions(
    _ operation: String
  ) throws {
    var model = SmallModel()
    model.convolution("a")
    model.integers("shape", [1 << 20, 1 << 20])
    model.integers("start", [0], shape: [])
    model.integers("end", [1 << 40], shape: [])
    model.integers("step", [1], shape: [])
    let inputs = [
      "ConstantOfShape": ["shape"], "Expand": ["start", "shape"],
      "Range": ["start", "end", "step"],
    ]
    model.node(operation, inputs[operation] ?? [], ["huge"], name: "huge")
    model.node("Cast", ["huge"], ["floats"], ["to": .int(1)])
    model.node("Mul", ["a", "floats"], ["b"])
    model.output("b")
    #expect(try model.refusal().hasPrefix("node huge (\(operation)): would compute a tensor of"))
  }

  /// Each doubles what the one before it has; all of it counts.
  @Test func tensorsThatDouble() throws {
    var model = SmallModel()
    model.convolution("a")
    model.floats("v0", [1024, 1, 1])
    for number in 0..<40 {
      model.node("Concat", ["v\(number)", "v\(number)"], ["v\(number + 1)"], ["axis": .int(0)])
    }
    model.node("Mul", ["a", "v40"], ["b"])
    model.output("b")
    #expect(try model.refusal().contains("would compute a tensor of"))
  }

  @Test func aSparseTensorOfBillions() throws {
    var model = SmallModel()
    model.model.graph.sparseInitializers = [
      ONNXSparseTensor.with {
        $0.values = SmallModel.tensor("c.weight", [1], [1])
        $0.places.element = 7
        $0.places.dimensions = [1]
        $0.places.ints64 = [0]
        $0.dimensions = [1 << 20, 3, 32, 32]
      }
    ]
    model.node("Conv", ["x", "c.weight"], ["a"])
    model.output("a")
    #expect(try model.refusal().contains("would compute a tensor of"))
  }

  /// A chain of maps that grow beyond any memory is only shapes, but shapes that no network has.
  @Test func mapsThatGrow() throws {
    var model = SmallModel()
    model.floats("scales", [4], [1, 1, 60000, 60000])
    var last = "x"
    for number in 0..<8 {
      model.node(
        "Resize", [last, "", "scales"], ["r\(number)"],
        ["coordinate_transformation_mode": .string("asymmetric"), "nearest_mode": .string("floor")])
      last = "r\(number)"
    }
    model.output(last)
    #expect(try model.refusal().contains("(Resize): for images of 16×24"))
  }

  @Test func nodesInACircle() throws {
    var model = SmallModel()
    model.node("Add", ["x", "b"], ["a"], name: "a")
    model.node("Add", ["x", "a"], ["b"], name: "b")
    model.output("b")
    #expect(try model.refusal() == "node a (Add): reads b, which nothing before it makes")
  }

  @Test func manyNodesOfOneNameTakeNoLongerThanOthers() throws {
    var model = SmallModel()
    var last = "x"
    for number in 0..<20_000 {
      model.node("Relu", [last], ["r\(number)"], name: "relu")
      last = "r\(number)"
    }
    model.output(last)
    #expect(try model.network().graph.nodes.last?.name == "relu_20000")
  }
}
