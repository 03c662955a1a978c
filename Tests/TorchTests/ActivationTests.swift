// Activations: against their formulas in Double.

import Foundation
import TestSupport
import Testing
import Torch

@Suite struct ActivationTests {
  struct Activation: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let apply: @Sendable (Tensor) throws -> Tensor
    let formula: @Sendable (Double) -> Double
  }

  static let activations: [Activation] = [
    Activation(testDescription: "ReLU", apply: { try $0.rectified() }, formula: { max($0, 0) }),
    Activation(
      testDescription: "ReLU6", apply: { try $0.clamped(0, 6) }, formula: { min(max($0, 0), 6) }),
    Activation(
      testDescription: "clamped below", apply: { try $0.clamped(-2.5, .infinity) },
      formula: { max($0, -2.5) }),
    Activation(
      testDescription: "leaky ReLU", apply: { try $0.leakyRectified(0.2) },
      formula: { $0 > 0 ? $0 : 0.2 * $0 }),
    Activation(testDescription: "SiLU", apply: { try $0.silu() }, formula: { $0 / (1 + exp(-$0)) }),
    Activation(
      testDescription: "hard swish", apply: { try $0.hardSwish() },
      formula: { $0 * min(max($0 + 3, 0), 6) / 6 }),
    Activation(
      testDescription: "sigmoid", apply: { try $0.sigmoid() }, formula: { 1 / (1 + exp(-$0)) }),
    Activation(
      testDescription: "hard sigmoid of ONNX",
      apply: { try $0.hardSigmoid(alpha: 0.2, beta: 0.5) },
      formula: { min(max(0.2 * $0 + 0.5, 0), 1) }),
    Activation(
      testDescription: "hard sigmoid of PyTorch",
      apply: { try $0.hardSigmoid(alpha: 1.0 / 6, beta: 0.5) },
      formula: { min(max($0 + 3, 0), 6) / 6 }),
    Activation(
      testDescription: "tanh", apply: { try $0.tanh() }, formula: { Foundation.tanh($0) }),
    Activation(
      testDescription: "GELU", apply: { try $0.gelu(approximate: false) },
      formula: { $0 * 0.5 * (1 + erf($0 / 2.0.squareRoot())) }),
    Activation(
      testDescription: "approximate GELU", apply: { try $0.gelu(approximate: true) },
      formula: { x in
        0.5 * x * (1 + Foundation.tanh((2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x)))
      }),
  ]

  @Test(arguments: activations) func itIsItsFormula(_ it: Activation) throws {
    // From −8 to 8, so that every piece of the piecewise ones is met.
    try expectAgreement([Values(random: [2, 3, 4, 5], seed: 1).map { 8 * $0 }]) {
      try it.apply($0[0])
    } with: {
      $0[0].map(it.formula)
    }
    try expectAgreement([Values(random: [7], seed: 2).map { 8 * $0 }]) {
      try it.apply($0[0])
    } with: {
      $0[0].map(it.formula)
    }
  }

  @Test func theBoundsThemselvesHaveNoGradient() throws {
    func gradient(_ values: [Float], _ body: (Tensor) throws -> Tensor) throws -> [Float]? {
      let x = try Tensor(values, shape: [values.count])
      try x.requireGradient()
      return try body(x).sum().gradients(of: [x])[0]?.array()
    }
    #expect(try gradient([-1, 0, 1]) { try $0.rectified() } == [0, 0, 1])
    #expect(try gradient([-1, 0, 1, 6, 7]) { try $0.clamped(0, 6) } == [0, 0, 1, 0, 0])
    let slopes = try gradient([-2, -1, 0, 1, 2]) { try $0.hardSigmoid(alpha: 0.5, beta: 0.5) }
    #expect(slopes == [0, 0, 0.5, 0, 0])
  }

  @Test func rectifyingGivesNoNegativeZeroAndKeepsWhatIsNotANumber() throws {
    let tensor = try Tensor([-2, -0.0, 0, 3, .nan] as [Float], shape: [5])
    let result: [Float] = try tensor.rectified().array()
    #expect(Array(result.prefix(4)) == [0, 0, 0, 3])
    #expect(result[4].isNaN)
    #expect(try tensor.clamped(0, 6).array(of: Float.self)[4].isNaN)
  }

  @Test(arguments: [0, 1, 3, -1]) func softmaxSumsToOne(along dimension: Int) throws {
    let axis = dimension < 0 ? dimension + 4 : dimension
    try expectAgreement([Values(random: [2, 3, 2, 4], seed: 1).map { 5 * $0 }]) {
      try $0[0].softmax(along: dimension)
    } with: { inputs in
      let x = inputs[0]
      return Values(x.shape) { i in
        let row = (0..<x.shape[axis]).map { k in
          var i = i
          i[axis] = k
          return exp(x[i])
        }
        return row[i[axis]] / row.reduce(0, +)
      }
    }
    let large = try Tensor([1000, 0] as [Float], shape: [2]).softmax(along: 0)
    #expect(try large.array(of: Float.self) == [1, 0])
  }
}
