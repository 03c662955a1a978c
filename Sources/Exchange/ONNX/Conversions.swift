// Conversions: what each of ONNX's operations becomes in a graph.

import Graphs

extension Importer {
  typealias Conversion = @Sendable (inout Importer, Call) throws -> [Value]

  /// By ONNX's name of the operation. What is not here may still be folded when all inputs are known.
  static let conversions: [String: Conversion] = [
    "Conv": { [.result(try $0.convolution($1))] },
    "ConvTranspose": { [.result(try $0.transposedConvolution($1))] },
    "Gemm": { [.result(try $0.gemm($1))] },
    "MatMul": { [.result(try $0.matrixProduct($1))] },
    "BatchNormalization": { [.result(try $0.batchNorm($1))] },
    "InstanceNormalization": { [.result(try $0.instanceNorm($1))] },
    "GroupNormalization": { [.result(try $0.groupNorm($1))] },
    "Relu": { [.result(try $0.activation(.relu, $1))] },
    "Sigmoid": { [.result(try $0.activation(.sigmoid, $1))] },
    "Tanh": { [.result(try $0.activation(.tanh, $1))] },
    "HardSwish": { [.result(try $0.activation(.hardSwish, $1))] },
    "LeakyRelu": {
      [.result(try $0.activation(.leakyReLU(slope: try $1.step.double("alpha") ?? 0.01), $1))]
    },
    "HardSigmoid": { [.result(try $0.hardSigmoid($1))] },
    "Gelu": { [.result(try $0.gelu($1))] },
    "Erf": { [.result($0.addErf(try $1.result(0), for: $1.step))] },
    "Clip": { [.result(try $0.clip($1))] },
    "Softmax": { [.result(try $0.softmax($1))] },
    "Add": { [.result(try $0.arithmetic(.add, $1))] },
    "Sub": { [.result(try $0.arithmetic(.subtract, $1))] },
    "Mul": { [.result(try $0.arithmetic(.multiply, $1))] },
    "Div": { [.result(try $0.arithmetic(.divide, $1))] },
    "Sum": { [.result(try $0.sum($1))] },
    "Pow": { [.result(try $0.power($1))] },
    "MaxPool": { [.result(try $0.maxPool($1))] },
    "AveragePool": { [.result(try $0.averagePool($1))] },
    "GlobalAveragePool": {
      [.result(try $0.globalPool($1, .adaptiveAveragePool(.init(size: Extent(1)))))]
    },
    "GlobalMaxPool": {
      [.result(try $0.globalPool($1, .reduce(.init(.max, axes: [2, 3], keepsAxes: true))))]
    },
    "ReduceMean": { [.result(try $0.reduce(.mean, $1))] },
    "ReduceMax": { [.result(try $0.reduce(.max, $1))] },
    "ReduceSum": { [.result(try $0.total($1))] },
    "Resize": { [.result(try $0.resize($1))] },
    "Upsample": { [.result(try $0.upsample($1))] },
    "Pad": { [.result(try $0.pad($1))] },
    "Concat": { [.result(try $0.concat($1))] },
    "Slice": { [.result(try $0.slice($1))] },
    "Split": { try $0.split($1).map { .result($0) } },
    "SplitToSequence": { [.sequence(try $0.split($1).map { .result($0) })] },
    "SequenceAt": { [try $0.element($1)] },
    "Gather": { [.result(try $0.gather($1))] },
    "Flatten": { [.result(try $0.flatten($1))] },
    "Reshape": { [.result(try $0.reshape($1))] },
    "Squeeze": { [.result(try $0.squeeze($1))] },
    "Unsqueeze": { [.result(try $0.unsqueeze($1))] },
    "Expand": { [.result(try $0.expand($1))] },
    "Transpose": { [.result(try $0.transpose($1))] },
    "Dropout": { [.result(try $0.dropout($1))] },
    "Identity": { _, call in [.result(try call.result(0))] },
    "Cast": { _, call in
      guard [1, 10, 11, 16].contains(try call.step.int("to")) else {
        throw call.failure("casts to a type that is not floating-point")
      }
      return [.result(try call.result(0))]
    },
    "CastLike": { _, call in [.result(try call.result(0))] },
    "Shape": { importer, call in [try importer.shape(call)] },
  ]

  // MARK: Functions of single values

  mutating func activation(_ activation: Activation, _ call: Call) throws -> Result {
    try add(.activation(activation), [try call.result(0)], for: call.step)
  }

  mutating func hardSigmoid(_ call: Call) throws -> Result {
    let alpha = try call.step.float("alpha") ?? 0.2
    // PyTorch's 1/6 has no short decimal.
    let slope = alpha == Float(1.0 / 6) ? 1.0 / 6 : inDecimal(alpha)
    return try activation(
      .hardSigmoid(alpha: slope, beta: try call.step.double("beta") ?? 0.5), call)
  }

  mutating func gelu(_ call: Call) throws -> Result {
    try activation(.gelu(approximate: try call.step.string("approximate") == "tanh"), call)
  }

  mutating func clip(_ call: Call) throws -> Result {
    let low = call.isGiven(1) ? try call.scalar(1) : -.infinity
    let high = call.isGiven(2) ? try call.scalar(2) : .infinity
    switch (low, high) {
    case (0, 6): return try activation(.relu6, call)
    case (0, .greatestFiniteMagnitude...): return try activation(.relu, call)
    case (...(-.greatestFiniteMagnitude), .greatestFiniteMagnitude...): return try call.result(0)
    default: throw call.failure("only clipping to 0...6 is read, not to \(low)...\(high)")
    }
  }

  mutating func softmax(_ call: Call) throws -> Result {
    let input = try call.result(0)
    let axis = try call.axis(try call.step.int("axis") ?? -1, of: input)
    return try add(.softmax(Softmax(axis: axis)), [input], for: call.step)
  }

  /// The ratio is kept, whether or not the file was exported for training.
  mutating func dropout(_ call: Call) throws -> Result {
    let ratio = try call.optionalKnown(1).map { _ in inDecimal(try call.scalar(1)) }
    return try add(
      .dropout(Dropout(probability: try ratio ?? call.step.double("ratio") ?? 0.5)),
      [try call.result(0)], for: call.step)
  }

  // MARK: Arithmetic

  mutating func arithmetic(_ kind: Arithmetic, _ call: Call) throws -> Result {
    func isResult(_ index: Int) -> Bool {
      if call.isGiven(index), case .result = call.inputs[index] { true } else { false }
    }
    let rank = try call.result(isResult(0) ? 0 : 1).rank
    let operands = try [0, 1].map { index in
      guard isResult(index) else {
        return try constant(
          try call.known(index), rank: rank, call.step.inputs[index], for: call.step)
      }
      let operand = try call.result(index)
      guard operand.rank == rank else {
        throw call.failure("its inputs have \(rank) and \(operand.rank) axes")
      }
      return operand
    }
    return try add(.arithmetic(kind), operands, for: call.step)
  }

  mutating func sum(_ call: Call) throws -> Result {
    var sum = try call.result(0)
    for index in call.inputs.indices.dropFirst() {
      let isLast = index == call.inputs.count - 1
      sum = try add(
        .arithmetic(.add), [sum, try call.result(index)], for: call.step,
        part: isLast ? nil : "\(index)")
    }
    return sum
  }

  /// Squares and cubes, which GELU's approximation is written with.
  mutating func power(_ call: Call) throws -> Result {
    let input = try call.result(0)
    let exponent = try call.scalar(1)
    guard [2, 3].contains(exponent) else {
      throw call.failure("only squares and cubes are read, not powers of \(exponent)")
    }
    let square = try add(
      .arithmetic(.multiply), [input, input], for: call.step, part: exponent == 3 ? "square" : nil)
    return exponent == 2
      ? square : try add(.arithmetic(.multiply), [input, square], for: call.step)
  }

  // MARK: Means and maxima along axes

  mutating func globalPool(_ call: Call, _ operation: Graphs.Operation) throws -> Result {
    try add(operation, [try call.map(0)], for: call.step)
  }

  /// The mean times how many there are.
  mutating func total(_ call: Call) throws -> Result {
    let input = try call.result(0)
    let mean = try reduce(.mean, call, part: "mean")
    let counts = zip(input.shapes, mean.shapes).map {
      (elementCount($0) ?? 0) / (elementCount($1) ?? 1)
    }
    guard zip(counts, isAlive).allSatisfy({ $0 == counts[0] || !$1 }) else {
      throw call.failure("sums as many values as the image's size says; export for one size")
    }
    let count = try constant(
      Known([], .floats([Float(counts[0])])), rank: mean.rank, "\(call.step.name)/count",
      for: call.step)
    return try add(.arithmetic(.multiply), [mean, count], for: call.step)
  }

  mutating func reduce(_ kind: Reduce.Kind, _ call: Call, part: String? = nil) throws -> Result {
    let input = try call.result(0)
    guard let axes = try call.axes(input: 1), !axes.isEmpty else {
      throw call.failure("reduces all axes, that of the images of a batch too")
    }
    let places = try axes.map { try call.axis($0, of: input) }
    let keepsAxes = try call.step.int("keepdims") ?? 1 != 0
    return try add(
      .reduce(Reduce(kind, axes: places.sorted(), keepsAxes: keepsAxes)), [input], for: call.step,
      part: part)
  }
}

/// The names of ONNX's operations that are read, in order.
package let readONNXOperations: [String] = Set(Importer.conversions.keys).union(Folding.operations)
  .sorted()
