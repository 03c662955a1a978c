// Writing ONNX files: opset 18, which ONNX Runtime, OpenVINO and TensorRT read.

import Foundation
import Graphs
import SwiftProtobuf

extension ExchangedNetwork {
  /// The network as an ONNX file.
  ///
  /// Its input `image` is N×3×H×W float32, the raw 8-bit RGB values 0...255, which the first nodes
  /// normalise; its outputs are called after the tasks. Batch-norm stays, as for inference.
  ///
  /// - Parameter sparse: whether tensors of which less than a third is not zero are stored as sparse
  ///   initializers. ONNX Runtime makes them dense, some other readers do not know them.
  /// - Throws: ``ExchangeError`` for what ONNX cannot say, and for more than 2 GB of weights.
  public func onnx(sparse: Bool = false) throws -> Data {
    try check()
    var exporter = try Exporter(self, sparse: sparse)
    return try exporter.file()
  }
}

private struct Exporter {
  private let network: ExchangedNetwork
  private let sparse: Bool
  /// By node, for one size of images.
  private let shapes: [Shape]
  private var contents = ONNXGraph()
  /// What the values of nodes are called.
  private var values: [String: String] = [:]
  private var names: Names

  private var graph: Graph { network.graph }

  init(_ network: ExchangedNetwork, sparse: Bool) throws {
    self.network = network
    self.sparse = sparse
    let graph = network.graph
    shapes = try Self.shapes(of: graph)
    let taken = graph.tasks + [Graph.image, OwnFile.normalizedImage]
    if let both = taken.first(where: { network.tensors[$0] != nil }) {
      throw ExchangeError("\(both) is both a tensor's and a task's name")
    }
    names = Names(Set(taken).union(network.tensors.keys))
  }

  /// For the size that the network takes, or for the first of some that it takes.
  private static func shapes(of graph: Graph) throws -> [Shape] {
    if let size = graph.input.size { return try graph.shapes(for: size) }
    let sizes = [Extent(448, 896), Extent(224), Extent(96, 128), Extent(32)]
    for size in sizes.dropLast() {
      if let shapes = try? graph.shapes(for: size) { return shapes }
    }
    return try graph.shapes(for: sizes[sizes.count - 1])
  }

  mutating func file() throws -> Data {
    contents.name = "network"
    addImage()
    for parameter in graph.parameters { addTensor(parameter.name, isLearned: true) }
    for buffer in graph.buffers { addTensor(buffer.name, isLearned: false) }
    for (place, node) in graph.nodes.enumerated() { try add(node, place) }
    for (task, output) in graph.outputs.enumerated() {
      if let place = graph.output(ofTask: task) { addOutput(output, shapes[place]) }
    }
    var model = ONNXModel()
    model.irVersion = 8
    model.producerName = OwnFile.producer
    model.operatorSets = [ONNXOperatorSet.with { $0.version = 18 }]
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    let input = String(decoding: try encoder.encode(graph.input), as: UTF8.self)
    model.metadata = [
      (OwnFile.inputKey, input),
      (OwnFile.orderKey, graph.parameters.map(\.name).joined(separator: "\n")),
    ].map { key, value in
      ONNXEntry.with {
        $0.key = key
        $0.value = value
      }
    }
    model.graph = contents
    do {
      return try model.serializedData()
    } catch {
      throw ExchangeError("the weights are more than the 2 GB that an ONNX file holds")
    }
  }

  // MARK: Input and outputs

  /// Channels in the network's order, then (value − mean) × scale.
  private mutating func addImage() {
    let input = graph.input
    contents.inputs = [
      value(
        Graph.image,
        [
          .symbol("N"), .known(3), input.size.map { .known(Int64($0.height)) } ?? .symbol("H"),
          input.size.map { .known(Int64($0.width)) } ?? .symbol("W"),
        ])
    ]
    var image = Graph.image
    func next(_ isLast: Bool) -> String {
      isLast ? OwnFile.normalizedImage : names.unused("\(Graph.image)/\(contents.nodes.count)")
    }
    let (shifts, scales) = (input.mean != [0, 0, 0], input.scale != [1, 1, 1])
    if input.order == .bgr {
      let result = next(!shifts && !scales)
      emit(
        "Gather", [image, integers([2, 1, 0], "image/bgr")], result, "image/order",
        [.int("axis", 1)])
      image = result
    }
    if shifts {
      let result = next(!scales)
      let mean = floats(input.mean.map { Float($0) }, [3, 1, 1], "image/means")
      emit("Sub", [image, mean], result, "image/mean")
      image = result
    }
    if scales {
      let scale = floats(input.scale.map { Float($0) }, [3, 1, 1], "image/scales")
      emit("Mul", [image, scale], next(true), "image/scale")
      image = OwnFile.normalizedImage
    }
    values[Graph.image] = image
  }

  private mutating func addOutput(_ output: Graph.Output, _ shape: Shape) {
    emit("Identity", [values[output.node] ?? ""], output.task, "\(output.task)/output")
    let sizes = shape.enumerated().map { axis, size -> ONNXDimension.OneOf_Size in
      axis == 0 || graph.input.size != nil || shape.count != 3
        ? .known(Int64(size)) : .symbol("\(output.task)_\(["H", "W"][axis - 1])")
    }
    contents.outputs.append(value(output.task, [.symbol("N")] + sizes))
  }

  private func value(_ name: String, _ sizes: [ONNXDimension.OneOf_Size]) -> ONNXValue {
    ONNXValue.with {
      $0.name = name
      $0.type.tensor.element = 1
      $0.type.tensor.shape.dimensions = sizes.map { size in ONNXDimension.with { $0.size = size } }
    }
  }

  // MARK: Tensors

  private mutating func addTensor(_ name: String, isLearned: Bool) {
    guard let tensor = network.tensors[name] else { return }
    var message = ONNXTensor()
    message.name = name
    message.element = 1
    message.isLearned = isLearned
    let kept = sparse ? tensor.values.indices.filter { tensor.values[$0].bitPattern != 0 } : []
    // A place takes 8 bytes, a value 4.
    guard sparse, !tensor.shape.isEmpty, !kept.isEmpty, kept.count * 3 < tensor.values.count else {
      message.dimensions = tensor.shape.map { Int64($0) }
      message.raw = littleEndianBytes(tensor.values)
      contents.initializers.append(message)
      return
    }
    message.dimensions = [Int64(kept.count)]
    message.raw = littleEndianBytes(kept.map { tensor.values[$0] })
    contents.sparseInitializers.append(
      ONNXSparseTensor.with {
        $0.values = message
        $0.places.element = 7
        $0.places.dimensions = [Int64(kept.count)]
        $0.places.ints64 = kept.map { Int64($0) }
        $0.dimensions = tensor.shape.map { Int64($0) }
      })
  }

  /// A tensor that is a setting. Its name has what marks a name as nobody's: ::.
  private mutating func integers(_ values: [Int], _ name: String) -> String {
    let name = names.unused("\(name)::setting")
    contents.initializers.append(
      ONNXTensor.with {
        $0.name = name
        $0.element = 7
        $0.dimensions = [Int64(values.count)]
        $0.ints64 = values.map { Int64($0) }
      })
    return name
  }

  private mutating func floats(_ values: [Float], _ shape: [Int], _ name: String) -> String {
    let name = names.unused("\(name)::setting")
    contents.initializers.append(
      ONNXTensor.with {
        $0.name = name
        $0.element = 1
        $0.dimensions = shape.map { Int64($0) }
        $0.floats = values
      })
    return name
  }

  private mutating func number(_ value: Double, _ name: String) -> String {
    floats([Float(value)], [], name)
  }

  // MARK: Nodes

  private mutating func emit(
    _ operation: String, _ inputs: [String], _ output: String, _ name: String,
    _ attributes: [ONNXAttribute] = []
  ) {
    contents.nodes.append(
      ONNXNode.with {
        $0.operation = operation
        $0.inputs = inputs
        $0.outputs = [output]
        $0.name = name
        $0.attributes = attributes
      })
  }

  /// One of the nodes that a node of the graph becomes; the last of them has its name.
  private mutating func part(
    _ operation: String, _ inputs: [String], of node: Graph.Node, _ part: String,
    _ attributes: [ONNXAttribute] = []
  ) -> String {
    let name = "\(node.name)/\(part)"
    let output = names.unused(name)
    emit(operation, inputs, output, name, attributes)
    return output
  }

  private mutating func add(_ node: Graph.Node, _ place: Int) throws {
    func failure(_ reason: String) -> ExchangeError {
      ExchangeError("node \(node.name) (\(node.operation.word)): \(reason)")
    }
    if case .constant(let constant) = node.operation {
      values[node.name] = constant.value
      return
    }
    let inputs = node.inputs.map { values[$0] ?? "" }
    let inputShapes = graph.sources[place].map { $0.map { shapes[$0] } ?? [3, 0, 0] }
    let areConstant = graph.sources[place].map {
      $0.map { graph.nodes[$0].operation.isConstant } ?? false
    }
    if areConstant.contains(true) {
      guard case .arithmetic = node.operation, areConstant.contains(false) else {
        throw failure("a constant is written only as an operand beside a value of the network")
      }
    }
    let output = names.unused(node.name)
    values[node.name] = output
    let x = inputs[0]
    func last(_ operation: String, _ inputs: [String], _ attributes: [ONNXAttribute] = []) {
      emit(operation, inputs, output, node.name, attributes)
    }
    switch node.operation {
    case .convolution(let settings):
      last(
        "Conv", [x, settings.weight] + (settings.bias.map { [$0] } ?? []),
        window(settings.shape[2...], settings.stride, settings.padding, settings.dilation)
          + [.int("group", settings.groups)])
    case .transposedConvolution(let settings):
      last(
        "ConvTranspose", [x, settings.weight] + (settings.bias.map { [$0] } ?? []),
        window(settings.shape[2...], settings.stride, settings.padding, settings.dilation)
          + [
            .int("group", settings.groups),
            .ints("output_padding", [settings.outputPadding.height, settings.outputPadding.width]),
          ])
    case .linear(let settings):
      if inputShapes[0].count == 1 {
        last(
          "Gemm", [x, settings.weight] + (settings.bias.map { [$0] } ?? []), [.int("transB", 1)])
      } else {
        let weight = part(
          "Transpose", [settings.weight], of: node, "transposed", [.ints("perm", [1, 0])])
        guard let bias = settings.bias else { return last("MatMul", [x, weight]) }
        last("Add", [part("MatMul", [x, weight], of: node, "product"), bias])
      }
    case .batchNorm(let settings):
      let ones = [Float](repeating: 1, count: settings.channels)
      let zeros = [Float](repeating: 0, count: settings.channels)
      last(
        "BatchNormalization",
        [
          x, settings.weight ?? floats(ones, [settings.channels], node.name),
          settings.bias ?? floats(zeros, [settings.channels], node.name), settings.mean,
          settings.variance,
        ],
        [.float("epsilon", settings.epsilon), .float("momentum", 1 - settings.momentum)])
    case .groupNorm(let settings): addGroupNorm(settings, node, x, inputShapes[0], output)
    case .activation(let activation): add(activation, node, x, output)
    case .softmax(let settings): last("Softmax", [x], [.int("axis", settings.axis)])
    case .arithmetic(let kind):
      let rank = shapes[place].count
      let operands = inputs.indices.map { index in
        // Shapes are aligned at their ends, so N would meet another axis.
        guard !areConstant[index], inputShapes[index].count < rank else { return inputs[index] }
        let axes = integers(Array(1...(rank - inputShapes[index].count)), node.name)
        return part("Unsqueeze", [inputs[index], axes], of: node, "operand \(index)")
      }
      let operations: [Arithmetic: String] = [
        .add: "Add", .subtract: "Sub", .multiply: "Mul", .divide: "Div",
      ]
      last(operations[kind] ?? "", operands)
    case .concat(let settings): last("Concat", inputs, [.int("axis", settings.axis)])
    case .slice(let settings):
      last(
        "Slice",
        [
          x, integers([settings.from], node.name), integers([settings.to ?? .max], node.name),
          integers([settings.axis], node.name), integers([settings.step], node.name),
        ])
    case .pad(let settings):
      let modes: [Pad.Mode: String] = [
        .constant: "constant", .reflect: "reflect", .replicate: "edge",
      ]
      let sides = [0, 0, settings.top, settings.left, 0, 0, settings.bottom, settings.right]
      last(
        "Pad", [x, integers(sides, node.name), number(settings.value, node.name)],
        [.string("mode", modes[settings.mode] ?? "")])
    case .maxPool(let settings):
      last(
        "MaxPool", [x],
        window(
          [settings.kernel.height, settings.kernel.width], settings.stride, settings.padding,
          settings.dilation) + [.int("ceil_mode", settings.ceilMode ? 1 : 0)])
    case .averagePool(let settings):
      last(
        "AveragePool", [x],
        window([settings.kernel.height, settings.kernel.width], settings.stride, settings.padding)
          + [
            .int("ceil_mode", settings.ceilMode ? 1 : 0),
            .int("count_include_pad", settings.countsPadding ? 1 : 0),
          ])
    case .adaptiveAveragePool(let settings):
      if settings.size == Extent(1) { return last("GlobalAveragePool", [x]) }
      let input = Extent(inputShapes[0][1], inputShapes[0][2])
      guard graph.input.size != nil, input.height % settings.size.height == 0,
        input.width % settings.size.width == 0
      else {
        throw failure("ONNX has it only for one size of images, of which each window is as large")
      }
      let each = Extent(input.height / settings.size.height, input.width / settings.size.width)
      last("AveragePool", [x], window([each.height, each.width], each, Extent(0)))
    case .reduce(let settings):
      let keepsAxes = ONNXAttribute.int("keepdims", settings.keepsAxes ? 1 : 0)
      let axes = integers(settings.axes, node.name)
      last(settings.kind == .mean ? "ReduceMean" : "ReduceMax", [x, axes], [keepsAxes])
    case .resize(let settings): addResize(settings, node, inputs, output)
    case .dropout(let settings): last("Dropout", [x, number(settings.probability, node.name)])
    case .flatten: last("Flatten", [x], [.int("axis", 1)])
    case .reshape(let settings): last("Reshape", [x, integers([0] + settings.shape, node.name)])
    case .transpose(let settings): last("Transpose", [x], [.ints("perm", [0] + settings.axes)])
    case .constant: break
    }
  }

  private func window(
    _ kernel: some Sequence<Int>, _ stride: Extent, _ padding: Extent, _ dilation: Extent? = nil
  ) -> [ONNXAttribute] {
    [
      .ints("kernel_shape", Array(kernel)), .ints("strides", [stride.height, stride.width]),
      .ints("pads", [padding.height, padding.width, padding.height, padding.width]),
    ] + (dilation.map { [.ints("dilations", [$0.height, $0.width])] } ?? [])
  }

  /// Opset 18 has a group normalisation of another kind; this is how PyTorch writes it.
  private mutating func addGroupNorm(
    _ settings: GroupNorm, _ node: Graph.Node, _ x: String, _ shape: Shape, _ output: String
  ) {
    let groups = settings.groups
    let grouped = part("Reshape", [x, integers([0, groups, -1], node.name)], of: node, "groups")
    let normalized = part(
      "InstanceNormalization",
      [
        grouped, floats([Float](repeating: 1, count: groups), [groups], node.name),
        floats([Float](repeating: 0, count: groups), [groups], node.name),
      ], of: node, "normalized", [.float("epsilon", settings.epsilon)])
    let size = part("Shape", [x], of: node, "shape")
    let scales = [("Mul", settings.weight), ("Add", settings.bias)].compactMap { operation, name in
      name.map { (operation, $0) }
    }
    guard !scales.isEmpty else { return emit("Reshape", [normalized, size], output, node.name) }
    var value = part("Reshape", [normalized, size], of: node, "channels")
    for (place, (operation, name)) in scales.enumerated() {
      var factor = name
      if shape.count > 1 {
        let axes = integers(Array(1..<shape.count), node.name)
        factor = part("Unsqueeze", [name, axes], of: node, operation == "Mul" ? "scale" : "shift")
      }
      if place == scales.count - 1 {
        emit(operation, [value, factor], output, node.name)
      } else {
        value = part(operation, [value, factor], of: node, "scaled")
      }
    }
  }

  private mutating func add(
    _ activation: Activation, _ node: Graph.Node, _ x: String, _ output: String
  ) {
    func last(_ operation: String, _ inputs: [String], _ attributes: [ONNXAttribute] = []) {
      emit(operation, inputs, output, node.name, attributes)
    }
    switch activation {
    case .relu: last("Relu", [x])
    case .relu6: last("Clip", [x, number(0, node.name), number(6, node.name)])
    case .sigmoid: last("Sigmoid", [x])
    case .tanh: last("Tanh", [x])
    case .hardSwish: last("HardSwish", [x])
    case .leakyReLU(let slope): last("LeakyRelu", [x], [.float("alpha", slope)])
    case .hardSigmoid(let alpha, let beta):
      last("HardSigmoid", [x], [.float("alpha", alpha), .float("beta", beta)])
    case .silu: last("Mul", [x, part("Sigmoid", [x], of: node, "sigmoid")])
    case .gelu(let approximate):
      // x/2 · (1 + erf(x/√2)), or 1 + tanh(√(2/π) · (x + 0.044715x³)) for the second factor.
      var inner: String
      if approximate {
        let square = part("Mul", [x, x], of: node, "square")
        let cube = part("Mul", [x, square], of: node, "cube")
        inner = part("Mul", [number(0.044715, node.name), cube], of: node, "correction")
        inner = part("Add", [x, inner], of: node, "corrected")
        inner = part(
          "Mul", [number((2 / Double.pi).squareRoot(), node.name), inner], of: node, "scaled")
        inner = part("Tanh", [inner], of: node, "tanh")
      } else {
        inner = part("Div", [x, number(2.0.squareRoot(), node.name)], of: node, "scaled")
        inner = part("Erf", [inner], of: node, "erf")
      }
      inner = part("Add", [inner, number(1, node.name)], of: node, "factor")
      inner = part("Mul", [x, inner], of: node, "product")
      last("Mul", [inner, number(0.5, node.name)])
    }
  }

  private mutating func addResize(
    _ settings: Graphs.Resize, _ node: Graph.Node, _ inputs: [String], _ output: String
  ) {
    var attributes: [ONNXAttribute] = [
      .string("mode", settings.mode == .nearest ? "nearest" : "linear"),
      .string("coordinate_transformation_mode", settings.coordinates.rawValue),
    ]
    if settings.mode == .nearest { attributes.append(.string("nearest_mode", "floor")) }
    let sizes: String
    switch settings.target {
    case .factor(let height, let width):
      let scales = floats([1, 1, Float(height), Float(width)], [4], node.name)
      return emit("Resize", [inputs[0], "", scales], output, node.name, attributes)
    case .size(let size): sizes = integers([size.height, size.width], node.name)
    case .likeSecondInput:
      sizes = part("Shape", [inputs[1]], of: node, "extent", [.int("start", 2), .int("end", 4)])
    }
    let images = part("Shape", [inputs[0]], of: node, "images", [.int("start", 0), .int("end", 2)])
    let shape = part("Concat", [images, sizes], of: node, "shape", [.int("axis", 0)])
    emit("Resize", [inputs[0], "", "", shape], output, node.name, attributes)
  }
}

extension Graphs.Operation {
  fileprivate var isConstant: Bool { if case .constant = self { true } else { false } }
}

extension ONNXAttribute {
  fileprivate static func int(_ name: String, _ value: Int) -> ONNXAttribute {
    with {
      $0.name = name
      $0.kind = .int
      $0.int = Int64(value)
    }
  }

  fileprivate static func ints(_ name: String, _ values: [Int]) -> ONNXAttribute {
    with {
      $0.name = name
      $0.kind = .ints
      $0.ints = values.map { Int64($0) }
    }
  }

  fileprivate static func float(_ name: String, _ value: Double) -> ONNXAttribute {
    with {
      $0.name = name
      $0.kind = .float
      $0.float = Float(value)
    }
  }

  fileprivate static func string(_ name: String, _ value: String) -> ONNXAttribute {
    with {
      $0.name = name
      $0.kind = .string
      $0.string = Data(value.utf8)
    }
  }
}
