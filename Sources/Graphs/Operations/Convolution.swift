// Convolutions, transposed convolutions and linear layers: the operations whose weights are pruned.

/// 2-D convolution over N×C×H×W.
public struct Convolution: Codable, Equatable, Sendable {
  /// Names of its parameters.
  public var weight: String
  public var bias: String?
  /// Of the weight: out×in/groups×k×k.
  public var shape: [Int]
  public var stride: Extent
  public var padding: Extent
  public var dilation: Extent
  public var groups: Int

  public init(
    weight: String, bias: String? = nil, shape: [Int], stride: Extent = Extent(1),
    padding: Extent = Extent(0), dilation: Extent = Extent(1), groups: Int = 1
  ) {
    self.weight = weight
    self.bias = bias
    self.shape = shape
    self.stride = stride
    self.padding = padding
    self.dilation = dilation
    self.groups = groups
  }
}

extension Convolution: OperationSettings {
  public var parameters: [ParameterSlot] {
    let fanIn = shape[1...].reduce(1, *)
    return [ParameterSlot(name: weight, shape: shape, role: .convolution)]
      + (bias.map { [ParameterSlot(name: $0, shape: [shape[0]], role: .bias(fanIn: fanIn))] } ?? [])
  }

  public func validate(_ node: Graph.Node) throws {
    try node.checkKernel(
      shape, stride: stride, padding: padding, dilation: dilation, groups: groups,
      grouped: shape.first)
  }

  public func shape(of inputs: [Shape]) throws -> Shape {
    let input = try inputs[0].map(channels: shape[1] * groups)
    func length(_ size: Int, _ kernel: Int, _ side: KeyPath<Extent, Int>) throws -> Int {
      let reach = dilation[keyPath: side] * (kernel - 1) + 1
      return try windows(
        size + 2 * padding[keyPath: side], reach: reach, stride: stride[keyPath: side])
    }
    return [
      shape[0], try length(input.height, shape[2], \.height),
      try length(input.width, shape[3], \.width),
    ]
  }

  public func uses(_ inputs: [Shape], _ output: Shape) -> Int { output[1] * output[2] }

  public func living(
    _ inputs: [[Bool]], _ shapes: (inputs: [Shape], output: Shape), _ masks: MaskLookup
  ) throws -> [Bool] {
    let (outputs, perGroup) = (shape[0], shape[1])
    return try masks.rows(of: weight, shape) { output, row in
      let first = output / (outputs / groups) * perGroup
      return row.reaches(inputs[0][first..<first + perGroup], kernel: shape[2] * shape[3])
    }
  }
}

/// Transposed 2-D convolution over N×C×H×W.
public struct TransposedConvolution: Codable, Equatable, Sendable {
  public var weight: String
  public var bias: String?
  /// Of the weight: in×out/groups×k×k.
  public var shape: [Int]
  public var stride: Extent
  public var padding: Extent
  /// Rows and columns added at the end of the output.
  public var outputPadding: Extent
  public var dilation: Extent
  public var groups: Int

  public init(
    weight: String, bias: String? = nil, shape: [Int], stride: Extent = Extent(1),
    padding: Extent = Extent(0), outputPadding: Extent = Extent(0), dilation: Extent = Extent(1),
    groups: Int = 1
  ) {
    self.weight = weight
    self.bias = bias
    self.shape = shape
    self.stride = stride
    self.padding = padding
    self.outputPadding = outputPadding
    self.dilation = dilation
    self.groups = groups
  }

  enum CodingKeys: String, CodingKey {
    case weight, bias, shape, stride, padding
    case outputPadding = "output_padding"
    case dilation, groups
  }
}

extension TransposedConvolution: OperationSettings {
  public var parameters: [ParameterSlot] {
    // PyTorch counts the fan-in of the weight as it lies, out/groups×k×k.
    let fanIn = shape[1...].reduce(1, *)
    return [ParameterSlot(name: weight, shape: shape, role: .transposedConvolution)]
      + (bias.map {
        [ParameterSlot(name: $0, shape: [shape[1] * groups], role: .bias(fanIn: fanIn))]
      } ?? [])
  }

  public func validate(_ node: Graph.Node) throws {
    try node.checkKernel(
      shape, stride: stride, padding: padding, dilation: dilation, groups: groups,
      grouped: shape.first)
    guard (0..<max(stride.height, dilation.height)).contains(outputPadding.height),
      (0..<max(stride.width, dilation.width)).contains(outputPadding.width)
    else { throw GraphError(node, "output padding must be less than stride or dilation") }
  }

  public func shape(of inputs: [Shape]) throws -> Shape {
    let input = try inputs[0].map(channels: shape[0])
    func length(_ size: Int, _ kernel: Int, _ side: KeyPath<Extent, Int>) throws -> Int {
      let length =
        (size - 1) * stride[keyPath: side] - 2 * padding[keyPath: side]
        + dilation[keyPath: side] * (kernel - 1) + outputPadding[keyPath: side] + 1
      guard length > 0 else { throw ShapeError("gives \(length) rows or columns") }
      return length
    }
    return [
      shape[1] * groups, try length(input.height, shape[2], \.height),
      try length(input.width, shape[3], \.width),
    ]
  }

  public func uses(_ inputs: [Shape], _ output: Shape) -> Int { inputs[0][1] * inputs[0][2] }

  public func living(
    _ inputs: [[Bool]], _ shapes: (inputs: [Shape], output: Shape), _ masks: MaskLookup
  ) throws -> [Bool] {
    let (perGroup, kernel) = (shape[1], shape[2] * shape[3])
    var living = [Bool](repeating: false, count: perGroup * groups)
    _ = try masks.rows(of: weight, shape) { input, row in
      guard inputs[0][input] else { return false }
      let first = input / (shape[0] / groups) * perGroup
      for output in 0..<perGroup
      where row.keeps(output * kernel..<(output + 1) * kernel) {
        living[first + output] = true
      }
      return true
    }
    return living
  }
}

/// A matrix product over the last axis: of a vector per image, or of a map's last axis.
public struct Linear: Codable, Equatable, Sendable {
  public var weight: String
  public var bias: String?
  /// Of the weight: out×in.
  public var shape: [Int]

  public init(weight: String, bias: String? = nil, shape: [Int]) {
    self.weight = weight
    self.bias = bias
    self.shape = shape
  }
}

extension Linear: OperationSettings {
  public var parameters: [ParameterSlot] {
    [ParameterSlot(name: weight, shape: shape, role: .linear)]
      + (bias.map { [ParameterSlot(name: $0, shape: [shape[0]], role: .bias(fanIn: shape[1]))] }
        ?? [])
  }

  public func validate(_ node: Graph.Node) throws { try node.checkShape(shape, dimensions: 2) }

  public func shape(of inputs: [Shape]) throws -> Shape {
    guard inputs[0].last == shape[1] else {
      throw ShapeError("takes \(shape[1]) values along the last axis, not \(inputs[0].last ?? 0)")
    }
    return inputs[0].dropLast() + [shape[0]]
  }

  public func uses(_ inputs: [Shape], _ output: Shape) -> Int { output.dropLast().reduce(1, *) }

  public func living(
    _ inputs: [[Bool]], _ shapes: (inputs: [Shape], output: Shape), _ masks: MaskLookup
  ) throws -> [Bool] {
    // Of a map the last axis is not the channels', which stay as they are.
    guard shapes.output.count == 1 else { return inputs[0] }
    return try masks.rows(of: weight, shape) { _, row in row.reaches(inputs[0][...], kernel: 1) }
  }
}

extension Graph.Node {
  private static let largest = 1 << 24

  func checkShape(_ shape: [Int], dimensions: Int) throws {
    guard shape.count == dimensions, shape.allSatisfy({ (1...Self.largest).contains($0) }),
      shape.reduce(1.0, { $0 * Double($1) }) < 1e12
    else { throw GraphError(self, "has a weight of shape \(shape)") }
  }

  func checkKernel(
    _ shape: [Int], stride: Extent, padding: Extent, dilation: Extent, groups: Int, grouped: Int?
  ) throws {
    try checkShape(shape, dimensions: 4)
    try checkWindow(stride: stride, padding: padding, dilation: dilation)
    guard groups > 0, let grouped, grouped % groups == 0 else {
      throw GraphError(self, "its channels do not come in \(groups) groups")
    }
  }

  func checkWindow(stride: Extent, padding: Extent, dilation: Extent) throws {
    let range = 1...(1 << 16)
    guard
      [stride.height, stride.width, dilation.height, dilation.width].allSatisfy(range.contains),
      [padding.height, padding.width].allSatisfy({ (0...1 << 16).contains($0) })
    else { throw GraphError(self, "stride, padding or dilation is out of range") }
  }
}

/// The number of places of a window along one side.
func windows(_ padded: Int, reach: Int, stride: Int) throws -> Int {
  guard padded >= reach else { throw ShapeError("its window of \(reach) is larger than its input") }
  return (padded - reach) / stride + 1
}

extension Shape {
  /// Rows and columns of a map.
  ///
  /// - Parameter channels: that it must have; nil for any.
  func map(channels: Int? = nil) throws -> Extent {
    guard count == 3 else { throw ShapeError("takes C×H×W, not \(self)") }
    if let channels, self[0] != channels {
      throw ShapeError("takes \(channels) channels, not \(self[0])")
    }
    return Extent(self[1], self[2])
  }
}
