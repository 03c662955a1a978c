// Operations with weights, and normalisation.

import Graphs

extension Importer {
  mutating func convolution(_ call: Call) throws -> Result {
    let weight = try kernel(call)
    let window = try Window(call.step, kernel: Extent(weight.shape[2], weight.shape[3]))
    let (input, padding) = try padded(try call.map(0), window, call)
    let groups = try call.step.int("group") ?? 1
    let name = parameter(weight, as: "convolution", "weight", for: call.step)
    return try add(
      .convolution(
        Convolution(
          weight: name,
          bias: try bias(call, fanIn: weight.shape.dropFirst().reduce(1, *), of: name),
          shape: weight.shape, stride: window.stride, padding: padding, dilation: window.dilation,
          groups: groups)), [input], for: call.step)
  }

  mutating func transposedConvolution(_ call: Call) throws -> Result {
    let weight = try kernel(call)
    let window = try Window(call.step, kernel: Extent(weight.shape[2], weight.shape[3]))
    guard !call.step.has("output_shape"), case .each(let sides) = window.padding,
      sides.top == sides.bottom, sides.left == sides.right
    else {
      throw call.failure("its padding differs between the sides, or is told by the output's shape")
    }
    let outputPadding = try call.step.ints("output_padding") ?? [0, 0]
    guard outputPadding.count == 2 else { throw call.failure("is not two-dimensional") }
    let name = parameter(weight, as: "transposed", "weight", for: call.step)
    return try add(
      .transposedConvolution(
        TransposedConvolution(
          weight: name,
          bias: try bias(call, fanIn: weight.shape.dropFirst().reduce(1, *), of: name),
          shape: weight.shape, stride: window.stride, padding: Extent(sides.top, sides.left),
          outputPadding: Extent(outputPadding[0], outputPadding[1]), dilation: window.dilation,
          groups: try call.step.int("group") ?? 1)), [try call.map(0)], for: call.step)
  }

  private func kernel(_ call: Call) throws -> Known {
    let weight = try call.known(1)
    guard weight.shape.count == 4, weight.count > 0 else {
      throw call.failure(
        "only two-dimensional convolutions are read; the weight is \(weight.shape)")
    }
    return weight
  }

  /// - Parameter weight: the parameter beside it, after which it is called where it has no name.
  private mutating func bias(_ call: Call, fanIn: Int, of weight: String) throws -> String? {
    guard let bias = try call.optionalKnown(2) else { return nil }
    guard bias.shape.filter({ $0 != 1 }).count <= 1, bias.count > 0 else {
      throw call.failure("its bias is \(bias.shape)")
    }
    if bias.origin == nil, bias.isFilled(with: 0) {
      notes.count(.zeroBias, of: call.step.name)
      return nil
    }
    return parameter(bias.reshaped([bias.count]), as: "bias \(fanIn)", "bias", for: call.step)
  }

  // MARK: Linear layers

  /// αABᵀ + βC with α and β 1, B a weight.
  mutating func gemm(_ call: Call) throws -> Result {
    let scales = [try call.step.float("alpha") ?? 1, try call.step.float("beta") ?? 1]
    guard scales == [1, 1], try call.step.int("transA") ?? 0 == 0 else {
      throw call.failure("only A·B + C is read, with A not transposed and no factors")
    }
    let isTransposed = try call.step.int("transB") ?? 0 != 0
    return try linear(call, isTransposed ? try call.known(1) : try transposed(call.known(1), call))
  }

  mutating func matrixProduct(_ call: Call) throws -> Result {
    try linear(call, try transposed(call.known(1), call))
  }

  private mutating func linear(_ call: Call, _ weight: Known) throws -> Result {
    guard weight.shape.count == 2, weight.count > 0 else {
      throw call.failure("its weight is \(weight.shape)")
    }
    let name = parameter(weight, as: "linear", "weight", for: call.step)
    return try add(
      .linear(
        Linear(
          weight: name, bias: try bias(call, fanIn: weight.shape[1], of: name), shape: weight.shape)
      ),
      [try call.result(0)], for: call.step)
  }

  /// Graphs store out×in, as PyTorch does.
  private func transposed(_ weight: Known, _ call: Call) throws -> Known {
    guard weight.shape.count == 2 else { throw call.failure("its weight is \(weight.shape)") }
    let shape = [weight.shape[1], weight.shape[0]]
    var result = weight.picking(places(in: shape, steps: [1, weight.shape[1]]), shape)
    result.origin = weight.origin
    result.origin?.isTransposed.toggle()
    return result
  }

  // MARK: Normalisation

  /// Also of files exported for training, where it has three results.
  mutating func batchNorm(_ call: Call) throws -> Result {
    let tensors = try (1...4).map { try call.known($0) }
    let channels = tensors[0].count
    guard channels > 0, tensors.allSatisfy({ $0.shape == [channels] }) else {
      throw call.failure("its parameters differ in size")
    }
    // ONNX counts the old statistics' part, PyTorch the new ones'.
    let kept = Double(try call.step.float("momentum") ?? 0.9)
    return try add(
      .batchNorm(
        BatchNorm(
          weight: scale(tensors[0], 1, "weight", call), bias: scale(tensors[1], 0, "bias", call),
          mean: parameter(tensors[2], as: "mean", "running_mean", for: call.step),
          variance: parameter(tensors[3], as: "variance", "running_var", for: call.step),
          channels: channels, epsilon: try call.step.double("epsilon") ?? 1e-5,
          momentum: ((1 - kept) * 1e6).rounded() / 1e6)), [try call.result(0)], for: call.step)
  }

  /// A scale or shift, unless the exporter wrote ones or zeros because there is none.
  private mutating func scale(_ known: Known, _ neutral: Float, _ suffix: String, _ call: Call)
    -> String?
  {
    known.origin?.isNamed != true && known.isFilled(with: neutral)
      ? nil : parameter(known, as: "normalization \(suffix)", suffix, for: call.step)
  }

  /// A group of its own for each channel.
  mutating func instanceNorm(_ call: Call) throws -> Result {
    try normalizeGroups(call, nil)
  }

  mutating func groupNorm(_ call: Call) throws -> Result {
    guard let groups = try call.step.int("num_groups") else {
      throw call.failure("has no num_groups")
    }
    return try normalizeGroups(call, groups)
  }

  private mutating func normalizeGroups(_ call: Call, _ groups: Int?) throws -> Result {
    let (weight, bias) = (try call.known(1), try call.known(2))
    let input = try call.result(0)
    let channels = input.shapes[0].first ?? 0
    guard channels > 0, weight.shape == [channels], bias.shape == [channels] else {
      throw call.failure("takes a scale and a shift per channel (\(channels)), not \(weight.shape)")
    }
    return try add(
      .groupNorm(
        GroupNorm(
          weight: scale(weight, 1, "weight", call), bias: scale(bias, 0, "bias", call),
          channels: channels, groups: groups ?? channels,
          epsilon: try call.step.double("epsilon") ?? 1e-5)), [input], for: call.step)
  }
}
