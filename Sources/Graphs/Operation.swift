// Operation: what a node does. One case here, one file of settings under Operations/, and one line in
// each engine make a new operation.

public enum Operation: Equatable, Sendable {
  case convolution(Convolution)
  case transposedConvolution(TransposedConvolution)
  case linear(Linear)
  case batchNorm(BatchNorm)
  case groupNorm(GroupNorm)
  case activation(Activation)
  case softmax(Softmax)
  case arithmetic(Arithmetic)
  case concat(Concat)
  case slice(Slice)
  case pad(Pad)
  case maxPool(MaxPool)
  case averagePool(AveragePool)
  case adaptiveAveragePool(AdaptiveAveragePool)
  case reduce(Reduce)
  case resize(Resize)
  case dropout(Dropout)
  case flatten(Flatten)
  case reshape(Reshape)
  case transpose(Transpose)
  case constant(Constant)

  /// The settings, whatever the operation.
  public var settings: any OperationSettings {
    switch self {
    case .convolution(let settings): settings
    case .transposedConvolution(let settings): settings
    case .linear(let settings): settings
    case .batchNorm(let settings): settings
    case .groupNorm(let settings): settings
    case .activation(let settings): settings
    case .softmax(let settings): settings
    case .arithmetic(let settings): settings
    case .concat(let settings): settings
    case .slice(let settings): settings
    case .pad(let settings): settings
    case .maxPool(let settings): settings
    case .averagePool(let settings): settings
    case .adaptiveAveragePool(let settings): settings
    case .reduce(let settings): settings
    case .resize(let settings): settings
    case .dropout(let settings): settings
    case .flatten(let settings): settings
    case .reshape(let settings): settings
    case .transpose(let settings): settings
    case .constant(let settings): settings
    }
  }

  /// The operation that a file calls so, with its settings read from `decoder`; nil for an unknown one.
  static func reading(_ word: String, from decoder: any Decoder) throws -> Operation? {
    switch word {
    case "convolution": .convolution(try Convolution(from: decoder))
    case "transposed_convolution":
      .transposedConvolution(try TransposedConvolution(from: decoder))
    case "linear": .linear(try Linear(from: decoder))
    case "batch_norm": .batchNorm(try BatchNorm(from: decoder))
    case "group_norm": .groupNorm(try GroupNorm(from: decoder))
    case "softmax": .softmax(try Softmax(from: decoder))
    case "concat": .concat(try Concat(from: decoder))
    case "slice": .slice(try Slice(from: decoder))
    case "pad": .pad(try Pad(from: decoder))
    case "max_pool": .maxPool(try MaxPool(from: decoder))
    case "average_pool": .averagePool(try AveragePool(from: decoder))
    case "adaptive_average_pool": .adaptiveAveragePool(try AdaptiveAveragePool(from: decoder))
    case "mean", "max": .reduce(try Reduce(word, from: decoder))
    case "resize": .resize(try Resize(from: decoder))
    case "dropout": .dropout(try Dropout(from: decoder))
    case "flatten": .flatten(try Flatten(from: decoder))
    case "reshape": .reshape(try Reshape(from: decoder))
    case "transpose": .transpose(try Transpose(from: decoder))
    case "constant": .constant(try Constant(from: decoder))
    default:
      if let kind = Arithmetic(rawValue: word) {
        .arithmetic(kind)
      } else if let activation = try Activation(word, from: decoder) {
        .activation(activation)
      } else {
        nil
      }
    }
  }

  /// What a file calls it.
  public var word: String {
    switch self {
    case .convolution: "convolution"
    case .transposedConvolution: "transposed_convolution"
    case .linear: "linear"
    case .batchNorm: "batch_norm"
    case .groupNorm: "group_norm"
    case .activation(let activation): activation.word
    case .softmax: "softmax"
    case .arithmetic(let kind): kind.rawValue
    case .concat: "concat"
    case .slice: "slice"
    case .pad: "pad"
    case .maxPool: "max_pool"
    case .averagePool: "average_pool"
    case .adaptiveAveragePool: "adaptive_average_pool"
    case .reduce(let reduce): reduce.kind.rawValue
    case .resize: "resize"
    case .dropout: "dropout"
    case .flatten: "flatten"
    case .reshape: "reshape"
    case .transpose: "transpose"
    case .constant: "constant"
    }
  }

  /// What files may call an operation.
  public static let words =
    [
      "convolution", "transposed_convolution", "linear", "batch_norm", "group_norm", "softmax",
      "concat", "slice", "pad", "max_pool", "average_pool", "adaptive_average_pool", "mean", "max",
      "resize", "dropout", "flatten", "reshape", "transpose", "constant",
    ] + Arithmetic.allCases.map(\.rawValue) + Activation.words
}

/// What an operation tells of itself. Shapes are of one image, without N; axes count N as 0.
public protocol OperationSettings: Encodable, Equatable, Sendable {
  var inputCounts: ClosedRange<Int> { get }
  var parameters: [ParameterSlot] { get }
  var buffers: [Buffer] { get }

  /// - Throws: ``GraphError`` when a setting is out of range.
  func validate(_ node: Graph.Node) throws

  /// The shape of the result.
  ///
  /// - Throws: ``ShapeError`` when the inputs do not fit.
  func shape(of inputs: [Shape]) throws -> Shape

  /// How often each of its weights is multiplied for one image.
  func uses(_ inputs: [Shape], _ output: Shape) -> Int

  /// The output channels that depend on the image.
  func living(_ inputs: [[Bool]], _ shapes: (inputs: [Shape], output: Shape), _ masks: MaskLookup)
    throws -> [Bool]
}

/// A parameter as an operation uses it.
public struct ParameterSlot: Equatable, Sendable {
  let name: String
  let shape: [Int]
  let role: Parameter.Role
}

/// Why an operation does not take its inputs.
public struct ShapeError: Error, CustomStringConvertible, Sendable {
  public let description: String

  init(_ description: String) { self.description = description }
}

extension OperationSettings {
  public var inputCounts: ClosedRange<Int> { 1...1 }
  public var parameters: [ParameterSlot] { [] }
  public var buffers: [Buffer] { [] }

  public func validate(_ node: Graph.Node) throws {}

  public func uses(_ inputs: [Shape], _ output: Shape) -> Int { 0 }

  /// Channels stay as they are.
  public func living(
    _ inputs: [[Bool]], _ shapes: (inputs: [Shape], output: Shape), _ masks: MaskLookup
  ) throws -> [Bool] {
    inputs[0]
  }
}
