// Fusion: what exporters write as several nodes, and PyTorch has as one, becomes one again.

import Foundation
import Graphs

/// What a subgraph looks like.
private indirect enum Pattern: Sendable {
  /// The value that the whole is a function of.
  case x
  case number(Double)
  case function(Draft.Function, [Pattern])

  static func activation(_ activation: Activation, _ input: Pattern) -> Pattern {
    .function(.operation(.activation(activation)), [input])
  }

  static func arithmetic(_ kind: Arithmetic, _ one: Pattern, _ other: Pattern) -> Pattern {
    .function(.operation(.arithmetic(kind)), [one, other])
  }

  static func sum(_ one: Pattern, _ other: Pattern) -> Pattern { arithmetic(.add, one, other) }
  static func product(_ one: Pattern, _ other: Pattern) -> Pattern {
    arithmetic(.multiply, one, other)
  }
  static func quotient(_ one: Pattern, _ other: Pattern) -> Pattern {
    arithmetic(.divide, one, other)
  }

  /// The product of three, in any order.
  static func products(_ a: Pattern, _ b: Pattern, _ c: Pattern) -> [Pattern] {
    [product(product(a, b), c), product(product(a, c), b), product(product(b, c), a)]
  }

  /// By the activation that it is; the parts of one come before it.
  static let all: [(Activation, [Pattern])] = {
    let clipped = activation(.relu6, sum(.x, .number(3)))
    let sixth = Activation.hardSigmoid(alpha: 1.0 / 6, beta: 0.5)
    let normal = [
      quotient(.x, .number(2.0.squareRoot())), product(.x, .number(0.5.squareRoot())),
    ].map { sum(.function(.erf, [$0]), .number(1)) }
    let cube = product(.number(0.044715), product(.x, product(.x, .x)))
    let approximation = sum(
      activation(.tanh, product(.number((2 / Double.pi).squareRoot()), sum(.x, cube))), .number(1))
    return [
      (sixth, [quotient(clipped, .number(6)), product(clipped, .number(1.0 / 6))]),
      (
        .hardSwish,
        [product(.x, activation(sixth, .x)), quotient(product(.x, clipped), .number(6))]
          + products(.x, clipped, .number(1.0 / 6))
      ),
      (.silu, [product(.x, activation(.sigmoid, .x))]),
      (.gelu(approximate: false), normal.flatMap { products(.x, $0, .number(0.5)) }),
      (.gelu(approximate: true), products(.x, approximation, .number(0.5))),
    ]
  }()
}

/// Drafts with what belongs together put together.
struct Fusion {
  private(set) var drafts: [Draft]
  private(set) var tensors: [String: PlainTensor]
  private var places: [String: Int]
  /// How many nodes read each; predictions count as well.
  private var readers: [String: Int] = [:]
  private var names: Names

  /// - Parameter outputs: nodes that predict something.
  init(_ drafts: [Draft], _ tensors: [String: PlainTensor], outputs: [String]) {
    self.drafts = drafts
    self.tensors = tensors
    places = Dictionary(drafts.enumerated().map { ($1.name, $0) }, uniquingKeysWith: { $1 })
    names = Names(Set(tensors.keys))
    for name in drafts.flatMap(\.inputs) + outputs { readers[name, default: 0] += 1 }
    for place in drafts.indices {
      fuseActivation(place)
      fuseBias(place)
      fuseScaleAndShift(place)
    }
    keepOnly(reachedFrom: outputs)
  }

  private func draft(_ name: String) -> Draft? { places[name].map { drafts[$0] } }

  private mutating func fuseActivation(_ place: Int) {
    guard case .operation(.arithmetic) = drafts[place].function else { return }
    for (activation, patterns) in Pattern.all {
      for pattern in patterns {
        var x: String?
        if matches(pattern, drafts[place].name, &x), let x {
          drafts[place].function = .operation(.activation(activation))
          drafts[place].inputs = [x]
          return
        }
      }
    }
  }

  private func matches(_ pattern: Pattern, _ name: String, _ x: inout String?) -> Bool {
    switch pattern {
    case .x:
      if x == nil { x = name }
      return x == name
    case .number(let number):
      guard let constant = constant(name), let tensor = tensors[constant.value],
        tensor.values.count == 1
      else { return false }
      return (Double(tensor.values[0]) - number).magnitude <= 1e-5 * number.magnitude
    case .function(let function, let inputs):
      guard let draft = draft(name), draft.function == function, draft.inputs.count == inputs.count
      else { return false }
      let orders: [[String]] =
        [.operation(.arithmetic(.add)), .operation(.arithmetic(.multiply))].contains(function)
        ? [draft.inputs, draft.inputs.reversed()] : [draft.inputs]
      return orders.contains { order in
        var found = x
        // What is not just x decides first what x is.
        let pairs = zip(inputs, order).sorted { !$0.0.isX && $1.0.isX }
        guard pairs.allSatisfy({ matches($0, $1, &found) }) else { return false }
        x = found
        return true
      }
    }
  }

  private func constant(_ name: String) -> Constant? {
    guard let draft = draft(name), case .operation(.constant(let constant)) = draft.function else {
      return nil
    }
    return constant
  }

  /// A matrix product and the sum with a vector: one linear layer.
  private mutating func fuseBias(_ place: Int) {
    guard let (before, constant) = operands(of: place, .add),
      case .operation(.linear(var linear)) = before.function, linear.bias == nil,
      constant.tensor.shape.filter({ $0 != 1 }) == [linear.shape[0]].filter({ $0 != 1 }),
      constant.tensor.shape.last == linear.shape[0]
    else { return }
    linear.bias = parameter(constant, "bias", in: before.module)
    drafts[place].function = .operation(.linear(linear))
    drafts[place].inputs = before.inputs
  }

  /// Group normalisation and a factor per channel, then a summand: its scale and shift.
  private mutating func fuseScaleAndShift(_ place: Int) {
    for (kind, suffix) in [(Arithmetic.multiply, "weight"), (.add, "bias")] {
      guard let (before, constant) = operands(of: place, kind),
        case .operation(.groupNorm(var norm)) = before.function,
        constant.tensor.shape == [norm.channels] + before.shapes[0].dropFirst().map({ _ in 1 })
      else { continue }
      // A shift is the last thing done, and a scale comes before it.
      guard norm.bias == nil, kind == .add || norm.weight == nil else { continue }
      let name = parameter(constant, suffix, in: drafts[place].module)
      if kind == .multiply { norm.weight = name } else { norm.bias = name }
      drafts[place].function = .operation(.groupNorm(norm))
      drafts[place].inputs = before.inputs
      return
    }
  }

  private typealias Operand = (node: String, value: String, tensor: PlainTensor)

  /// A node that nothing else reads, and the constant that is added to or multiplied with it.
  private func operands(of place: Int, _ kind: Arithmetic) -> (before: Draft, constant: Operand)? {
    guard case .operation(.arithmetic(kind)) = drafts[place].function else { return nil }
    for inputs in [drafts[place].inputs, drafts[place].inputs.reversed()] {
      if let before = draft(inputs[0]), readers[inputs[0]] == 1, let constant = constant(inputs[1]),
        let tensor = tensors[constant.value]
      {
        return (before, (inputs[1], constant.value, tensor))
      }
    }
    return nil
  }

  /// The name of the vector that a constant becomes as a parameter.
  private mutating func parameter(_ constant: Operand, _ suffix: String, in module: String)
    -> String
  {
    let vector = PlainTensor(shape: [constant.tensor.values.count], values: constant.tensor.values)
    let isNamed = constant.value.hasSuffix("." + suffix)
    if isNamed, readers[constant.node] == 1 {
      tensors[constant.value] = vector
      return constant.value
    }
    let name = names.unused(isNamed || module.isEmpty ? constant.value : "\(module).\(suffix)")
    tensors[name] = vector
    return name
  }

  private mutating func keepOnly(reachedFrom outputs: [String]) {
    var isReached = drafts.map { _ in false }
    for output in outputs { places[output].map { isReached[$0] = true } }
    for place in drafts.indices.reversed() where isReached[place] {
      for input in drafts[place].inputs { places[input].map { isReached[$0] = true } }
    }
    drafts = drafts.indices.filter { isReached[$0] }.map { drafts[$0] }
  }
}

extension Pattern {
  fileprivate var isX: Bool { if case .x = self { true } else { false } }
}
