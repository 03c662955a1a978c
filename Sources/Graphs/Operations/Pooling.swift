// Pooling over windows, over everything, and means and maxima along axes.

public struct MaxPool: Codable, Equatable, Sendable {
  public var kernel: Extent
  public var stride: Extent
  public var padding: Extent
  public var dilation: Extent
  /// Whether a last window may reach beyond the padded input.
  public var ceilMode: Bool

  public init(
    kernel: Extent, stride: Extent, padding: Extent = Extent(0), dilation: Extent = Extent(1),
    ceilMode: Bool = false
  ) {
    self.kernel = kernel
    self.stride = stride
    self.padding = padding
    self.dilation = dilation
    self.ceilMode = ceilMode
  }

  enum CodingKeys: String, CodingKey {
    case kernel, stride, padding, dilation
    case ceilMode = "ceil_mode"
  }
}

extension MaxPool: OperationSettings {
  public func validate(_ node: Graph.Node) throws {
    try node.checkPool(kernel, stride, padding, dilation)
  }

  public func shape(of inputs: [Shape]) throws -> Shape {
    try pooled(inputs[0], kernel, stride, padding, dilation, ceilMode)
  }
}

public struct AveragePool: Codable, Equatable, Sendable {
  public var kernel: Extent
  public var stride: Extent
  public var padding: Extent
  public var ceilMode: Bool
  /// Whether the padding's zeros count in the means.
  public var countsPadding: Bool

  public init(
    kernel: Extent, stride: Extent, padding: Extent = Extent(0), ceilMode: Bool = false,
    countsPadding: Bool = true
  ) {
    self.kernel = kernel
    self.stride = stride
    self.padding = padding
    self.ceilMode = ceilMode
    self.countsPadding = countsPadding
  }

  enum CodingKeys: String, CodingKey {
    case kernel, stride, padding
    case ceilMode = "ceil_mode"
    case countsPadding = "counts_padding"
  }
}

extension AveragePool: OperationSettings {
  public func validate(_ node: Graph.Node) throws {
    try node.checkPool(kernel, stride, padding, Extent(1))
  }

  public func shape(of inputs: [Shape]) throws -> Shape {
    try pooled(inputs[0], kernel, stride, padding, Extent(1), ceilMode)
  }
}

/// Means over as many windows as the result has rows and columns.
public struct AdaptiveAveragePool: Codable, Equatable, Sendable, OperationSettings {
  public var size: Extent

  public init(size: Extent) { self.size = size }

  public func validate(_ node: Graph.Node) throws {
    guard (1...1 << 16).contains(size.height), (1...1 << 16).contains(size.width) else {
      throw GraphError(node, "size is out of range")
    }
  }

  public func shape(of inputs: [Shape]) throws -> Shape {
    _ = try inputs[0].map()
    return [inputs[0][0], size.height, size.width]
  }
}

/// Means or maxima along axes; over both axes of a map, global pooling.
public struct Reduce: Equatable, Sendable {
  public enum Kind: String, Codable, Sendable, CaseIterable { case mean, max }

  public var kind: Kind
  /// Counted with N as 0.
  public var axes: [Int]
  /// Whether the axes stay, of size 1.
  public var keepsAxes: Bool

  public init(_ kind: Kind, axes: [Int], keepsAxes: Bool) {
    self.kind = kind
    self.axes = axes
    self.keepsAxes = keepsAxes
  }

  private enum CodingKeys: String, CodingKey {
    case axes
    case keepsAxes = "keeps_axes"
  }

  init(_ word: String, from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: CodingKeys.self)
    self.init(
      Kind(rawValue: word) ?? .mean, axes: try values.decode([Int].self, forKey: .axes),
      keepsAxes: try values.decode(Bool.self, forKey: .keepsAxes))
  }

  public func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: CodingKeys.self)
    try values.encode(axes, forKey: .axes)
    try values.encode(keepsAxes, forKey: .keepsAxes)
  }
}

extension Reduce: OperationSettings {
  public func validate(_ node: Graph.Node) throws {
    guard !axes.isEmpty, Set(axes).count == axes.count else {
      throw GraphError(node, "needs axes, each once")
    }
    guard kind == .mean || axes.sorted() == [2, 3] else {
      throw GraphError(node, "takes maxima over the axes 2 and 3 only")
    }
  }

  public func shape(of inputs: [Shape]) throws -> Shape {
    let places = Set(try axes.map(inputs[0].place(ofAxis:)))
    return inputs[0].enumerated().compactMap { place, size in
      places.contains(place) ? (keepsAxes ? 1 : nil) : size
    }
  }

  public func living(
    _ inputs: [[Bool]], _ shapes: (inputs: [Shape], output: Shape), _ masks: MaskLookup
  ) throws -> [Bool] {
    axes.contains(1) ? everywhere(inputs[0].contains(true), shapes.output) : inputs[0]
  }
}

/// C×H×W after pooling; PyTorch's rule for ceil mode: the last window begins inside the input or its
/// padding before.
private func pooled(
  _ input: Shape, _ kernel: Extent, _ stride: Extent, _ padding: Extent, _ dilation: Extent,
  _ ceilMode: Bool
) throws -> Shape {
  let size = try input.map()
  func length(_ side: KeyPath<Extent, Int>) throws -> Int {
    let (before, step) = (padding[keyPath: side], stride[keyPath: side])
    let reach = dilation[keyPath: side] * (kernel[keyPath: side] - 1) + 1
    let whole = try windows(size[keyPath: side] + 2 * before, reach: reach, stride: step)
    guard ceilMode, (size[keyPath: side] + 2 * before - reach) % step != 0,
      whole * step < size[keyPath: side] + before
    else { return whole }
    return whole + 1
  }
  return [input[0], try length(\.height), try length(\.width)]
}

extension Graph.Node {
  fileprivate func checkPool(
    _ kernel: Extent, _ stride: Extent, _ padding: Extent, _ dilation: Extent
  ) throws {
    try checkWindow(stride: stride, padding: padding, dilation: dilation)
    guard (1...1 << 16).contains(kernel.height), (1...1 << 16).contains(kernel.width),
      2 * padding.height <= kernel.height, 2 * padding.width <= kernel.width
    else { throw GraphError(self, "the padding is more than half of the kernel") }
  }
}
