// What single ONNX operations and habits of exporters become, on files written by the test.

import Exchange
import Foundation
import Graphs
import Testing

struct ImportTests {
  // MARK: Parameters

  @Test func aWeightOfTwoNodesIsOneParameter() throws {
    var model = SmallModel()
    model.convolution("a")
    model.floats("shared.weight", [4, 4, 1, 1])
    model.node("Conv", ["a", "shared.weight"], ["b"])
    model.node("Conv", ["b", "shared.weight"], ["c"])
    model.output("c")
    let network = try model.network()
    #expect(network.graph.parameters.map(\.name) == ["a.weight", "shared.weight"])
  }

  @Test func aliasesOfInitializersAreUntied() throws {
    var model = SmallModel()
    model.convolution("a")
    model.floats("bn1.bias", [4], [0, 0, 0, 0])
    model.floats("bn1.weight", [4], [1, 1, 1, 1])
    for (alias, name) in [
      ("bn1.running_mean", "bn1.bias"), ("bn1.running_var", "bn1.weight"), ("bn2.bias", "bn1.bias"),
    ] {
      model.node("Identity", [name], [alias])
    }
    model.node(
      "BatchNormalization", ["a", "bn1.weight", "bn1.bias", "bn1.running_mean", "bn1.running_var"],
      ["b"])
    model.node(
      "BatchNormalization", ["b", "bn1.weight", "bn2.bias", "bn1.running_mean", "bn1.running_var"],
      ["c"])
    model.output("c")
    let network = try model.network()
    #expect(
      network.graph.parameters.map(\.name) == ["a.weight", "bn1.weight", "bn1.bias", "bn2.bias"])
    #expect(network.graph.buffers.map(\.name) == ["bn1.running_mean", "bn1.running_var"])
    #expect(network.notes.contains { $0.contains("bn2.bias") })
  }

  @Test func aTensorInTwoRolesBecomesTwoParameters() throws {
    var model = SmallModel()
    model.convolution("a")
    model.floats("zeros", [4], [0, 0, 0, 0])
    model.floats("w.weight", [4, 4, 3, 3])
    model.node("Conv", ["x", "a.weight", "zeros"], ["b"])
    model.node(
      "Conv", ["b", "w.weight", "zeros"], ["c"], name: "c", ["pads": .ints([1, 1, 1, 1])])
    model.output("c")
    #expect(
      try model.network().graph.parameters.map(\.name) == [
        "a.weight", "zeros", "w.weight", "zeros_2",
      ])
  }

  @Test func namelessWeightsAreCalledAfterTheirModule() throws {
    var model = SmallModel()
    model.floats("onnx::Conv_12", [4, 3, 1, 1])
    model.floats("onnx::Conv_13", [4])
    model.node(
      "Conv", ["x", "onnx::Conv_12", "onnx::Conv_13"], ["a"], name: "/layer1/layer1.0/conv/Conv")
    model.output("a")
    let network = try model.network()
    #expect(network.graph.parameters.map(\.name) == ["layer1.0.conv.weight", "layer1.0.conv.bias"])
    #expect(network.notes.contains { $0.contains("onnx::Conv_12 → layer1.0.conv.weight") })
  }

  @Test func initializersMayBeInputs() throws {
    var model = SmallModel()
    model.convolution("a")
    model.model.graph.inputs.append(SmallModel.value("a.weight", [4, 3, 1, 1]))
    model.output("a")
    #expect(try model.network().graph.parameters.count == 1)
  }

  @Test func biasesMadeOfZerosAreLeftOut() throws {
    var model = SmallModel()
    model.floats("c.weight", [4, 3, 1, 1])
    model.node("Shape", ["c.weight"], ["shape"], ["start": .int(0), "end": .int(1)])
    model.node("Constant", [], ["zero"], ["value": .floatTensor([], [0])])
    model.node("CastLike", ["zero", "x"], ["like"])
    model.node("Expand", ["like", "shape"], ["bias"])
    model.node("Conv", ["x", "c.weight", "bias"], ["a"], name: "a")
    model.output("a")
    let network = try model.network()
    #expect(
      network.operation("a") == .convolution(Convolution(weight: "c.weight", shape: [4, 3, 1, 1])))
  }

  @Test func otherTypesAreWidened() throws {
    var model = SmallModel()
    model.model.graph.initializers = [
      ONNXTensor.with {
        $0.name = "c.weight"
        $0.element = 10
        $0.dimensions = [1, 3, 1, 1]
        $0.ints32 = [0x3C00, 0xC000, 0x3800]
      },
      ONNXTensor.with {
        $0.name = "c.bias"
        $0.element = 11
        $0.dimensions = [1]
        $0.doubles = [0.1]
      },
    ]
    model.node("Conv", ["x", "c.weight", "c.bias"], ["a"])
    model.output("a")
    let network = try model.network()
    #expect(network.tensors["c.weight"]?.values == [1, -2, 0.5])
    #expect(network.tensors["c.bias"]?.values == [0.1])
  }

  // MARK: Linear layers

  @Test func linearLayersInTheirThreeForms() throws {
    var model = SmallModel()
    model.node("GlobalAveragePool", ["x"], ["p"])
    model.node("Flatten", ["p"], ["f"])
    model.floats("a.weight", [2, 3])
    model.node("Gemm", ["f", "a.weight"], ["a"], name: "a", ["transB": .int(1)])
    model.floats("b.weight", [2, 4])
    model.floats("b.bias", [4])
    model.node("Gemm", ["a", "b.weight", "b.bias"], ["b"], name: "b")
    model.floats("c.weight", [5, 4])
    model.floats("c.bias", [5])
    model.node("Transpose", ["c.weight"], ["ct"], ["perm": .ints([1, 0])])
    model.node("MatMul", ["b", "ct"], ["product"], name: "/c/MatMul")
    model.node("Add", ["c.bias", "product"], ["c"], name: "c")
    model.output("c")
    let network = try model.network()
    #expect(network.operation("a") == .linear(Linear(weight: "a.weight", shape: [2, 3])))
    #expect(
      network.operation("b") == .linear(Linear(weight: "b.weight", bias: "b.bias", shape: [4, 2])))
    #expect(network.tensors["b.weight"]?.values == [0.1, 0.5, 0.2, 0.6, 0.3, 0.7, 0.4, 0.8])
    #expect(
      network.operation("c") == .linear(Linear(weight: "c.weight", bias: "c.bias", shape: [5, 4])))
    #expect(network.tensors["c.weight"]?.values == (1...20).map { Float($0) / 10 })
    #expect(network.graph.nodes.count == 5)
    #expect(network.graph.parameters.last?.role == .bias(fanIn: 4))
  }

  // MARK: Settings

  @Test func batchNormOfATrainingFile() throws {
    var model = SmallModel()
    for name in ["weight", "bias", "running_mean", "running_var"] {
      model.floats("bn." + name, [3])
    }
    model.node(
      "BatchNormalization", ["x", "bn.weight", "bn.bias", "bn.running_mean", "bn.running_var"],
      ["b", "mean", "var"], name: "b",
      ["training_mode": .int(1), "momentum": .float(0.9), "epsilon": .float(1e-5)])
    model.output("b")
    #expect(try model.network().operation("b") == .batchNorm(BatchNorm("bn", channels: 3)))
  }

  @Test func dropoutKeepsItsRatio() throws {
    var model = SmallModel()
    model.floats("ratio", [], [0.2])
    model.node("Dropout", ["x", "ratio"], ["d", "mask"], name: "d")
    model.output("d")
    #expect(try model.network().operation("d") == .dropout(Dropout(probability: 0.2)))
  }

  @Test func activations() throws {
    var model = SmallModel()
    model.floats("low", [], [0])
    model.floats("high", [], [6])
    model.node("HardSigmoid", ["x"], ["a"], name: "a", ["alpha": .float(Float(1.0 / 6))])
    model.node("Mul", ["x", "a"], ["b"], name: "b")
    model.node("Clip", ["b", "low", "high"], ["c"], name: "c")
    model.node("LeakyRelu", ["c"], ["d"], name: "d")
    model.node("Sigmoid", ["d"], ["e"], name: "e")
    model.node("Mul", ["e", "d"], ["f"], name: "f")
    model.node("Clip", ["f", "low"], ["g"], name: "g")
    model.floats("three", [], [3])
    model.node("Add", ["g", "three"], ["h"])
    model.node("Clip", ["h", "low", "high"], ["i"])
    model.node("Mul", ["g", "i"], ["j"])
    model.node("Div", ["j", "high"], ["k"], name: "k")
    model.output("k")
    let network = try model.network()
    let found = network.graph.nodes.map { "\($0.name) \($0.operation.word)" }
    #expect(
      found == ["b hard_swish", "c relu6", "d leaky_relu", "f silu", "g relu", "k hard_swish"])
    #expect(network.operation("d") == .activation(.leakyReLU(slope: 0.01)))
  }

  @Test func sumsAlongAxes() throws {
    var model = SmallModel()
    model.integers("axes", [1])
    model.node("ReduceSum", ["x", "axes"], ["s"], name: "s", ["keepdims": .int(1)])
    model.output("s")
    let network = try model.network()
    #expect(network.operation("s/mean") == .reduce(Reduce(.mean, axes: [1], keepsAxes: true)))
    #expect(network.operation("s") == .arithmetic(.multiply))
    #expect(network.tensors["s.count"]?.values == [3])
  }

  @Test func paddingThatDiffersBetweenTheSidesIsANode() throws {
    var model = SmallModel()
    model.floats("c.weight", [2, 3, 3, 3])
    model.node(
      "Conv", ["x", "c.weight"], ["a"], name: "a",
      ["auto_pad": .string("SAME_UPPER"), "strides": .ints([2, 2])])
    model.node(
      "MaxPool", ["a"], ["b"], name: "b",
      ["kernel_shape": .ints([2, 2]), "pads": .ints([0, 0, 1, 1])])
    model.output("b")
    let network = try model.network()
    #expect(network.operation("a/pad") == .pad(Pad(top: 0, bottom: 1, left: 0, right: 1)))
    #expect(network.inputs("a") == ["a/pad"])
    guard case .pad(let pad) = network.operation("b/pad") else { throw ExchangeError("no pad") }
    #expect(pad.value < -3e38)
    #expect(try network.graph.predictionShapes(for: Extent(16, 24)) == [[2, 8, 12]])
  }

  @Test func averagesCountTheirPaddingOrNot() throws {
    var model = SmallModel()
    let window: [String: SmallModel.Setting] = [
      "kernel_shape": .ints([3, 3]), "pads": .ints([1, 1, 1, 1]),
    ]
    model.node("AveragePool", ["x"], ["a"], name: "a", window)
    model.node(
      "AveragePool", ["a"], ["b"], name: "b", window.merging(["count_include_pad": .int(1)]) { $1 })
    model.output("b")
    let network = try model.network()
    func pool(_ counts: Bool) -> Graphs.Operation {
      .averagePool(
        AveragePool(kernel: Extent(3), stride: Extent(1), padding: Extent(1), countsPadding: counts)
      )
    }
    #expect(network.operation("a") == pool(false))
    #expect(network.operation("b") == pool(true))
  }

  @Test func operandsAreLearnedWhereTheyHaveAName() throws {
    var model = SmallModel()
    model.floats("block.gamma", [3, 1, 1])
    model.floats("onnx::Mul_3", [1, 3, 1, 1])
    model.floats("half", [], [0.5])
    model.node("Mul", ["x", "block.gamma"], ["a"])
    model.node("Mul", ["onnx::Mul_3", "a"], ["b"])
    model.node("Sub", ["half", "b"], ["c"], name: "c")
    model.output("c")
    let network = try model.network()
    #expect(network.graph.parameters.map(\.name) == ["block.gamma"])
    #expect(network.graph.buffers.map(\.shape) == [[3, 1, 1], [1]])
    #expect(network.inputs("c") == ["half", "b"])
  }

  // MARK: Shapes

  @Test func resizingInItsForms() throws {
    var model = SmallModel()
    model.floats("scales", [4], [1, 1, 2, 5.0 / 3])
    model.integers("sizes", [1, 3, 20, 30])
    model.node(
      "Resize", ["x", "", "scales"], ["a"], name: "a",
      ["coordinate_transformation_mode": .string("asymmetric"), "nearest_mode": .string("floor")])
    model.node("Resize", ["a", "", "", "sizes"], ["b"], name: "b", ["mode": .string("linear")])
    model.node("Resize", ["b", "", "", "sizes"], ["c"], name: "c", ["mode": .string("cubic")])
    model.node("Shape", ["x"], ["s"])
    model.node(
      "Resize", ["c", "", "", "s"], ["d"], name: "d",
      ["mode": .string("linear"), "coordinate_transformation_mode": .string("align_corners")])
    model.output("d")
    let network = try model.network()
    #expect(
      network.operation("a")
        == .resize(Resize(.nearest, .asymmetric, to: .factor(height: 2, width: 5.0 / 3))))
    #expect(
      network.operation("b") == .resize(Resize(.bilinear, .halfPixel, to: .size(Extent(20, 30)))))
    #expect(network.operation("c") == nil)
    #expect(
      network.operation("d") == .resize(Resize(.bilinear, .alignCorners, to: .likeSecondInput)))
    #expect(network.inputs("d") == ["b", "image"])
  }

  /// As one exporter writes the size of a skip connection: computed from the image's.
  @Test func sizesComputedFromTheImagesAreFoundAgain() throws {
    var model = SmallModel(image: [0, 3, 0, 0])
    model.floats("c.weight", [4, 3, 3, 3])
    let halving: [String: SmallModel.Setting] = [
      "strides": .ints([2, 2]), "pads": .ints([1, 1, 1, 1]),
    ]
    model.node("Conv", ["x", "c.weight"], ["a"], name: "a", halving)
    model.node(
      "MaxPool", ["a"], ["b"], name: "b",
      ["kernel_shape": .ints([2, 2]), "strides": .ints([2, 2])])
    model.node("Shape", ["x"], ["s"])
    for (name, from, to) in [("images", 0, 1), ("extent", 2, 4)] {
      model.integers("\(name).from", [from])
      model.integers("\(name).to", [to])
      model.node("Slice", ["s", "\(name).from", "\(name).to"], [name])
    }
    model.integers("one", [1])
    model.integers("two", [2])
    model.integers("channels", [4])
    model.node("Sub", ["extent", "one"], ["less"])
    model.node("Div", ["less", "two"], ["half"])
    model.node("Add", ["half", "one"], ["rows"])
    model.node("Concat", ["images", "channels", "rows"], ["size"], ["axis": .int(0)])
    model.node("Resize", ["b", "", "", "size"], ["up"], name: "up", ["mode": .string("linear")])
    model.node("Mul", ["rows", "two"], ["double"])
    model.node("Concat", ["images", "channels", "double"], ["size2"], ["axis": .int(0)])
    model.node(
      "Resize", ["up", "", "", "size2"], ["out"], name: "out", ["mode": .string("linear")])
    model.output("out")
    let network = try model.network()
    #expect(network.operation("up") == .resize(Resize(.bilinear, .halfPixel, to: .likeSecondInput)))
    #expect(network.inputs("up") == ["b", "a"])
    #expect(
      network.operation("out")
        == .resize(Resize(.bilinear, .halfPixel, to: .factor(height: 2, width: 2))))
    #expect(network.graph.input.size == nil)
  }

  @Test(arguments: [[1, -1], [1, 12], [-1, 12], [0, -1], [0, 12]]) func reshapesKeepTheImages(
    _ shape: [Int]
  ) throws {
    var model = SmallModel()
    model.convolution("a", channels: 12)
    model.node("GlobalMaxPool", ["a"], ["p"])
    model.integers("shape", shape)
    model.node("Reshape", ["p", "shape"], ["r"], name: "r")
    model.output("r")
    #expect(try model.network().graph.predictionShapes(for: Extent(16, 24)) == [[12]])
  }

  @Test(arguments: [[12], [-1, 4], [2, 6], [6, -1]]) func reshapesThatMixImagesAreRefused(
    _ shape: [Int]
  ) throws {
    var model = SmallModel()
    model.convolution("a", channels: 12)
    model.node("GlobalMaxPool", ["a"], ["p"])
    model.integers("shape", shape)
    model.node("Reshape", ["p", "shape"], ["r"], name: "r")
    model.output("r")
    #expect(try model.refusal().hasPrefix("node r (Reshape): brings "))
  }

  @Test func cutting() throws {
    var model = SmallModel()
    model.convolution("a", channels: 6)
    model.integers("parts", [1, 2, 3])
    model.node("Split", ["a", "parts"], ["s", "t", "u"], name: "split", ["axis": .int(1)])
    model.integers("order", [2, 0])
    model.node("Gather", ["u", "order"], ["g"], name: "g", ["axis": .int(1)])
    model.integers("from", [1, 0])
    model.integers("to", [-1, Int.max])
    model.integers("axes", [2, 3])
    model.integers("steps", [1, 2])
    model.node("Slice", ["t", "from", "to", "axes", "steps"], ["v"], name: "v")
    model.output("g")
    model.output("v")
    let network = try model.network()
    #expect(network.operation("split/1") == .slice(Slice(axis: 1, from: 1, to: 3)))
    #expect(network.operation("v/axis 2") == .slice(Slice(axis: 2, from: 1, to: -1)))
    #expect(network.operation("v") == .slice(Slice(axis: 3, from: 0, to: nil, step: 2)))
    #expect(network.operation("g/0") == .slice(Slice(axis: 1, from: 2, to: 3)))
    #expect(network.inputs("g") == ["g/0", "g/1"])
    #expect(
      try network.graph.predictionShapes(for: Extent(16, 24)) == [[2, 16, 24], [2, 14, 12]])
  }

  @Test func sparseInitializers() throws {
    for places in [[1, 4], [0, 1, 0, 0, 1, 1, 0, 0]] {
      var model = SmallModel()
      model.model.graph.sparseInitializers = [
        ONNXSparseTensor.with {
          $0.values = SmallModel.tensor("c.weight", [2], [5, 6])
          $0.places.element = 7
          $0.places.dimensions = places.count == 2 ? [2] : [2, 4]
          $0.places.ints64 = places.map { Int64($0) }
          $0.dimensions = [2, 3, 1, 1]
        }
      ]
      model.node("Conv", ["x", "c.weight"], ["a"])
      model.output("a")
      #expect(try model.network().tensors["c.weight"]?.values == [0, 5, 0, 0, 6, 0])
    }
  }

  // MARK: Inputs and outputs

  @Test func theImageIsDescribedByTheUser() throws {
    var model = SmallModel()
    model.convolution("a")
    model.output("a")
    let input = ImageInput(order: .bgr, mean: [1, 2, 3], scale: [1, 1, 1])
    var expected = input
    expected.size = Extent(16, 24)
    #expect(try model.network(input: input).graph.input == expected)
    #expect(try model.network().graph.input.mean == ImageInput.torchvision.mean)
  }

  @Test func headsThatDoNotFitListTheOutputs() throws {
    var model = SmallModel()
    model.convolution("a")
    model.output("890", [0, 4, 16, 24])
    model.node("Relu", ["a"], ["890"])
    let bytes = try model.bytes()
    for heads in [[], [Graph.Output(task: "seg", node: "seg")]] {
      let error = #expect(throws: ExchangeError.self) {
        try ExchangedNetwork(onnx: bytes, heads: heads)
      }
      #expect(error?.description.contains("890 (open×4×16×24)") == true)
    }
  }

  @Test func whatIsNotNeededIsNotRead() throws {
    var model = SmallModel()
    model.convolution("a")
    model.node("RandomUniformLike", ["a"], ["noise"])
    model.output("a")
    var bytes = model
    bytes.output("noise")
    let network = try ExchangedNetwork(
      onnx: try bytes.bytes(), heads: [.init(task: "t", node: "a")])
    #expect(network.graph.nodes.count == 1)
    #expect(network.notes.contains("outputs left out: noise"))
    let refusal = try bytes.refusal()
    #expect(refusal.hasPrefix("node noise (RandomUniformLike): this operation is none of those"))
    #expect(refusal.contains("ConvTranspose"))
  }

  @Test func filesThatAreNoNetworkOfOneImageAreRefused() throws {
    var two = SmallModel()
    two.convolution("a")
    two.output("a")
    two.model.graph.inputs.append(SmallModel.value("y", [1, 3, 8, 8]))
    #expect(try two.refusal().contains("takes 2 inputs (x, y)"))
    var grey = SmallModel(image: [1, 1, 8, 8])
    grey.convolution("a", inputs: 1)
    grey.output("a")
    #expect(try grey.refusal().contains("1×1×8×8, where N×3×H×W is expected"))
    var old = SmallModel(opset: 12)
    old.convolution("a")
    old.output("a")
    #expect(try old.refusal().contains("opset 13"))
  }

  // MARK: Files beside the model's

  @Test func tensorsInOtherFilesAreReadInTheFolderOnly() throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
    let inside = folder.appendingPathComponent("inside")
    try FileManager.default.createDirectory(
      at: inside.appendingPathComponent("deeper"), withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let numbers = littleEndianBytes((0..<14).map { Float($0) })
    for file in ["net.onnx.data", "deeper/data", "../outside"] {
      try numbers.write(to: inside.appendingPathComponent(file))
    }
    try FileManager.default.createSymbolicLink(
      at: inside.appendingPathComponent("link"),
      withDestinationURL: folder.appendingPathComponent("outside"))
    try FileManager.default.createSymbolicLink(
      at: inside.appendingPathComponent("up"), withDestinationURL: folder)
    func read(_ location: String, offset: Int = 8, length: Int = 48) throws -> [Float]? {
      var model = SmallModel()
      model.model.graph.initializers = [
        ONNXTensor.with {
          $0.name = "c.weight"
          $0.element = 1
          $0.dimensions = [4, 3, 1, 1]
          $0.location = .external
          $0.external = [("location", location), ("offset", "\(offset)"), ("length", "\(length)")]
            .map { key, value in
              ONNXEntry.with {
                $0.key = key
                $0.value = value
              }
            }
        }
      ]
      model.node("Conv", ["x", "c.weight"], ["a"])
      model.output("a")
      let file = inside.appendingPathComponent("net.onnx")
      try model.bytes().write(to: file)
      return try ExchangedNetwork(onnxFile: file.path, heads: [.init(task: "a", node: "a")])
        .tensors["c.weight"]?.values
    }
    #expect(try read("net.onnx.data") == (2..<14).map { Float($0) })
    #expect(try read("deeper/data") == (2..<14).map { Float($0) })
    for location in [
      "../outside", folder.path + "/outside", "link", "up/outside", "deeper/../net.onnx.data", "",
      "missing", "deeper",
      "/dev/zero",
    ] {
      #expect(throws: ExchangeError.self, "\(location)") { try read(location) }
    }
    for (offset, length) in [(12, 48), (-4, 48), (8, 44), (Int.max, 48), (8, -48)] {
      #expect(throws: ExchangeError.self) {
        try read("net.onnx.data", offset: offset, length: length)
      }
    }
  }
}
