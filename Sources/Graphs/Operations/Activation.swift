// Functions of single values, and softmax.

public enum Activation: Equatable, Sendable {
  case relu, relu6, silu, sigmoid, tanh
  case hardSwish
  /// Below 0 x · slope.
  case leakyReLU(slope: Double)
  /// alpha · x + beta, held in 0...1.
  case hardSigmoid(alpha: Double, beta: Double)
  /// x · Φ(x), or its approximation by tanh (Hendrycks & Gimpel 2016).
  case gelu(approximate: Bool)

  /// What files call it.
  public var word: String {
    switch self {
    case .relu: "relu"
    case .relu6: "relu6"
    case .silu: "silu"
    case .sigmoid: "sigmoid"
    case .tanh: "tanh"
    case .hardSwish: "hard_swish"
    case .leakyReLU: "leaky_relu"
    case .hardSigmoid: "hard_sigmoid"
    case .gelu: "gelu"
    }
  }

  static let words = [
    "relu", "relu6", "silu", "sigmoid", "tanh", "hard_swish", "leaky_relu", "hard_sigmoid", "gelu",
  ]

  private enum CodingKeys: CodingKey { case slope, alpha, beta, approximate }

  init?(_ word: String, from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: CodingKeys.self)
    switch word {
    case "relu": self = .relu
    case "relu6": self = .relu6
    case "silu": self = .silu
    case "sigmoid": self = .sigmoid
    case "tanh": self = .tanh
    case "hard_swish": self = .hardSwish
    case "leaky_relu": self = .leakyReLU(slope: try values.decode(Double.self, forKey: .slope))
    case "hard_sigmoid":
      self = .hardSigmoid(
        alpha: try values.decode(Double.self, forKey: .alpha),
        beta: try values.decode(Double.self, forKey: .beta))
    case "gelu": self = .gelu(approximate: try values.decode(Bool.self, forKey: .approximate))
    default: return nil
    }
  }

  public func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: CodingKeys.self)
    switch self {
    case .relu, .relu6, .silu, .sigmoid, .tanh, .hardSwish: break
    case .leakyReLU(let slope): try values.encode(slope, forKey: .slope)
    case .hardSigmoid(let alpha, let beta):
      try values.encode(alpha, forKey: .alpha)
      try values.encode(beta, forKey: .beta)
    case .gelu(let approximate): try values.encode(approximate, forKey: .approximate)
    }
  }
}

extension Activation: OperationSettings {
  public func shape(of inputs: [Shape]) throws -> Shape { inputs[0] }
}

/// exp(x) over its sum along an axis.
public struct Softmax: Codable, Equatable, Sendable, OperationSettings {
  /// Counted with N as 0.
  public var axis: Int

  public init(axis: Int) { self.axis = axis }

  public func shape(of inputs: [Shape]) throws -> Shape {
    _ = try inputs[0].place(ofAxis: axis)
    return inputs[0]
  }

  public func living(
    _ inputs: [[Bool]], _ shapes: (inputs: [Shape], output: Shape), _ masks: MaskLookup
  ) throws -> [Bool] {
    axis == 1 ? everywhere(inputs[0].contains(true), shapes.output) : inputs[0]
  }
}

/// All channels alike.
func everywhere(_ living: Bool, _ shape: Shape) -> [Bool] {
  [Bool](repeating: living, count: shape.first ?? 1)
}

extension Shape {
  /// Where an axis, which counts N as 0, lies in the shape of one image.
  func place(ofAxis axis: Int) throws -> Int {
    guard (1...Swift.max(1, count)).contains(axis), !isEmpty else {
      throw ShapeError("has no axis \(axis) in N×\(self)")
    }
    return axis - 1
  }
}
