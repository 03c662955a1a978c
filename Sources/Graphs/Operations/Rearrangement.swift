// Operations that move values: joining, cutting, padding, reshaping; and dropout.

/// Values one behind the other along an axis.
public struct Concat: Codable, Equatable, Sendable, OperationSettings {
  /// Counted with N as 0.
  public var axis: Int

  public init(axis: Int) { self.axis = axis }

  public var inputCounts: ClosedRange<Int> { 1...4096 }

  public func shape(of inputs: [Shape]) throws -> Shape {
    let place = try inputs[0].place(ofAxis: axis)
    var shape = inputs[0]
    for other in inputs.dropFirst() {
      guard other.count == shape.count,
        shape.indices.allSatisfy({ $0 == place || shape[$0] == other[$0] })
      else { throw ShapeError("\(inputs[0]) and \(other) do not fit each other") }
      shape[place] += other[place]
    }
    return shape
  }

  public func living(
    _ inputs: [[Bool]], _ shapes: (inputs: [Shape], output: Shape), _ masks: MaskLookup
  ) throws -> [Bool] {
    if axis == 1 { return inputs.flatMap { $0 } }
    return inputs[0].indices.map { channel in inputs.contains { $0[channel] } }
  }
}

/// Every `step`-th value of a range along an axis.
public struct Slice: Codable, Equatable, Sendable {
  /// Counted with N as 0.
  public var axis: Int
  public var from: Int
  /// Excluded; a negative number counts from the end, nil is the end.
  public var to: Int?
  public var step: Int

  public init(axis: Int, from: Int, to: Int?, step: Int = 1) {
    self.axis = axis
    self.from = from
    self.to = to
    self.step = step
  }

  /// The range in an axis of a size.
  public func range(of size: Int) throws -> Range<Int> {
    func place(_ index: Int) -> Int { min(max(index < 0 ? size + index : index, 0), size) }
    let (from, to) = (place(from), to.map(place) ?? size)
    guard from < to else { throw ShapeError("takes nothing of \(size) values") }
    return from..<to
  }
}

extension Slice: OperationSettings {
  public func validate(_ node: Graph.Node) throws {
    guard (1...1 << 24).contains(step), from.magnitude <= 1 << 24, (to ?? 0).magnitude <= 1 << 24
    else { throw GraphError(node, "its range is out of range") }
  }

  public func shape(of inputs: [Shape]) throws -> Shape {
    var shape = inputs[0]
    let place = try shape.place(ofAxis: axis)
    shape[place] = (try range(of: shape[place]).count - 1) / step + 1
    return shape
  }

  public func living(
    _ inputs: [[Bool]], _ shapes: (inputs: [Shape], output: Shape), _ masks: MaskLookup
  ) throws -> [Bool] {
    guard axis == 1 else { return inputs[0] }
    let range = try range(of: inputs[0].count)
    return stride(from: range.lowerBound, to: range.upperBound, by: step).map { inputs[0][$0] }
  }
}

/// Rows and columns around a map; negative numbers cut.
public struct Pad: Codable, Equatable, Sendable {
  public enum Mode: String, Codable, Sendable, CaseIterable { case constant, reflect, replicate }

  public var top: Int
  public var bottom: Int
  public var left: Int
  public var right: Int
  public var mode: Mode
  /// Of the new pixels, in the constant mode.
  public var value: Double

  public init(
    top: Int, bottom: Int, left: Int, right: Int, mode: Mode = .constant, value: Double = 0
  ) {
    self.top = top
    self.bottom = bottom
    self.left = left
    self.right = right
    self.mode = mode
    self.value = value
  }
}

extension Pad: OperationSettings {
  public func validate(_ node: Graph.Node) throws {
    guard [top, bottom, left, right].allSatisfy({ $0.magnitude <= 1 << 16 }) else {
      throw GraphError(node, "its padding is out of range")
    }
  }

  public func shape(of inputs: [Shape]) throws -> Shape {
    let size = try inputs[0].map()
    let (height, width) = (size.height + top + bottom, size.width + left + right)
    guard height > 0, width > 0 else { throw ShapeError("leaves nothing of \(inputs[0])") }
    let most = mode == .reflect ? 1 : 0
    guard
      mode == .constant
        || (max(top, bottom) <= size.height - most && max(left, right) <= size.width - most)
    else { throw ShapeError("pads \(inputs[0]) by more than there is to \(mode.rawValue)") }
    return [inputs[0][0], height, width]
  }
}

/// In training, zeroes values and scales the others (Srivastava et al. 2014).
public struct Dropout: Codable, Equatable, Sendable, OperationSettings {
  public var probability: Double

  public init(probability: Double) { self.probability = probability }

  public func validate(_ node: Graph.Node) throws {
    guard (0..<1).contains(probability) else {
      throw GraphError(node, "dropout \(probability) is not in [0, 1)")
    }
  }

  public func shape(of inputs: [Shape]) throws -> Shape { inputs[0] }
}

/// All axes but N as one.
public struct Flatten: Codable, Equatable, Sendable, OperationSettings {
  public init() {}

  public func shape(of inputs: [Shape]) throws -> Shape { [inputs[0].reduce(1, *)] }

  public func living(
    _ inputs: [[Bool]], _ shapes: (inputs: [Shape], output: Shape), _ masks: MaskLookup
  ) throws -> [Bool] {
    let each = shapes.inputs[0].dropFirst().reduce(1, *)
    return inputs[0].flatMap { [Bool](repeating: $0, count: each) }
  }
}

/// The same values in another shape; N stays.
public struct Reshape: Codable, Equatable, Sendable {
  /// Without N; one of them may be −1, for what is left.
  public var shape: [Int]

  public init(shape: [Int]) { self.shape = shape }
}

extension Reshape: OperationSettings {
  public func validate(_ node: Graph.Node) throws {
    guard !shape.isEmpty, shape.count <= 8,
      shape.allSatisfy({ $0 == -1 || (1...1 << 24).contains($0) }),
      shape.count(where: { $0 == -1 }) <= 1, shape.reduce(1.0, { $0 * Double($1) }).magnitude < 1e12
    else { throw GraphError(node, "has the shape \(shape)") }
  }

  public func shape(of inputs: [Shape]) throws -> Shape {
    let count = inputs[0].reduce(1, *)
    let known = shape.filter { $0 > 0 }.reduce(1, *)
    guard shape.contains(-1) ? count % known == 0 : count == known else {
      throw ShapeError("cannot bring \(inputs[0]) to \(shape)")
    }
    return shape.map { $0 == -1 ? count / known : $0 }
  }

  public func living(
    _ inputs: [[Bool]], _ shapes: (inputs: [Shape], output: Shape), _ masks: MaskLookup
  ) throws -> [Bool] {
    shapes.inputs[0].first == shapes.output.first
      ? inputs[0] : everywhere(inputs[0].contains(true), shapes.output)
  }
}

/// Axes in another order; N stays the first.
public struct Transpose: Codable, Equatable, Sendable {
  /// Counted with N as 0, which is not among them.
  public var axes: [Int]

  public init(axes: [Int]) { self.axes = axes }
}

extension Transpose: OperationSettings {
  public func validate(_ node: Graph.Node) throws {
    guard !axes.isEmpty, axes.sorted() == Array(1...axes.count) else {
      throw GraphError(node, "\(axes) is no order of the axes")
    }
  }

  public func shape(of inputs: [Shape]) throws -> Shape {
    guard inputs[0].count == axes.count else {
      throw ShapeError("takes \(axes.count) axes besides N, not \(inputs[0])")
    }
    return axes.map { inputs[0][$0 - 1] }
  }

  public func living(
    _ inputs: [[Bool]], _ shapes: (inputs: [Shape], output: Shape), _ masks: MaskLookup
  ) throws -> [Bool] {
    axes[0] == 1 ? inputs[0] : everywhere(inputs[0].contains(true), shapes.output)
  }
}
