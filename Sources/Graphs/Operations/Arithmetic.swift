// Operations between values, and constants.

/// Element by element; sizes of 1 are repeated.
public enum Arithmetic: String, CaseIterable, Sendable {
  case add, subtract, multiply, divide
}

extension Arithmetic: OperationSettings {
  public var inputCounts: ClosedRange<Int> { 2...2 }

  /// It has no settings.
  public func encode(to encoder: any Encoder) throws {
    enum NoKeys: CodingKey {}
    _ = encoder.container(keyedBy: NoKeys.self)
  }

  public func shape(of inputs: [Shape]) throws -> Shape {
    let (one, other) = (inputs[0], inputs[1])
    let rank = max(one.count, other.count)
    // Shapes are aligned at their ends.
    return try zip(one.padded(to: rank), other.padded(to: rank)).map { a, b in
      guard a == b || a == 1 || b == 1 else {
        throw ShapeError("\(one) and \(other) do not fit each other")
      }
      return a == 1 ? b : a
    }
  }

  public func living(
    _ inputs: [[Bool]], _ shapes: (inputs: [Shape], output: Shape), _ masks: MaskLookup
  ) throws -> [Bool] {
    let count = shapes.output.first ?? 1
    return (0..<count).map { channel in
      zip(inputs, shapes.inputs).contains { living, shape in
        // What lacks the channels' axis counts for all of them.
        living.count == count && shape.count == shapes.output.count
          ? living[channel] : living.contains(true)
      }
    }
  }
}

extension Shape {
  fileprivate func padded(to rank: Int) -> Shape {
    Shape(repeating: 1, count: rank - count) + self
  }
}

/// A tensor that does not depend on the image, of the shape of one image's value.
public struct Constant: Codable, Equatable, Sendable {
  public var value: String
  public var shape: [Int]
  /// Whether training learns it.
  public var isLearned: Bool

  public init(value: String, shape: [Int], isLearned: Bool) {
    self.value = value
    self.shape = shape
    self.isLearned = isLearned
  }

  enum CodingKeys: String, CodingKey {
    case value, shape
    case isLearned = "learned"
  }
}

extension Constant: OperationSettings {
  public var inputCounts: ClosedRange<Int> { 0...0 }

  public var parameters: [ParameterSlot] {
    isLearned ? [ParameterSlot(name: value, shape: shape, role: .constant)] : []
  }

  public var buffers: [Buffer] {
    isLearned ? [] : [Buffer(name: value, shape: shape, initialValue: 0)]
  }

  public func validate(_ node: Graph.Node) throws {
    try node.checkShape(shape, dimensions: shape.count)
  }

  public func shape(of inputs: [Shape]) throws -> Shape { shape }

  public func living(
    _ inputs: [[Bool]], _ shapes: (inputs: [Shape], output: Shape), _ masks: MaskLookup
  ) throws -> [Bool] {
    everywhere(false, shape)
  }
}
