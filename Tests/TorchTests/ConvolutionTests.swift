// Convolutions and linear layers: against the sums that they are.

import TestSupport
import Testing
import Torch

@Suite struct ConvolutionTests {
  struct Case: Sendable {
    var stride = Pair(1)
    var padding = Pair(0)
    var outputPadding = Pair(0)
    var dilation = Pair(1)
    var groups = 1
    var kernel = Pair(3, 2)
  }

  static let cases = [
    Case(), Case(stride: 2, padding: 1), Case(padding: 2, dilation: 2),
    Case(stride: Pair(3, 1), padding: Pair(0, 2), dilation: Pair(1, 2)),
    Case(stride: Pair(1, 2), padding: 1, groups: 2), Case(padding: Pair(1, 0), groups: 4),
    Case(stride: 2, groups: 2, kernel: 1),
    // Taps that see little of the map, and taps that see nothing.
    Case(padding: 4, dilation: 4, kernel: 3),
    Case(padding: Pair(7, 1), dilation: Pair(7, 1), kernel: 3),
    Case(padding: Pair(1, 9), dilation: Pair(2, 9), kernel: Pair(2, 3)),
  ]

  // oneDNN wrote behind the gradient's buffer here, which a later allocation paid for.
  @Test(arguments: [1, 3, 4, 7, 12])
  func stridedPointwiseConvolutionsOfFewChannelsStayWithinTheirMemory(_ channels: Int) throws {
    for _ in 0..<40 {
      let input = try Tensor.full(1, shape: [2, channels, 10, 14]).channelsLast()
      let weight = try Tensor.full(1, shape: [8, channels, 1, 1]).channelsLast()
      try input.requireGradient()
      try weight.requireGradient()
      let output = try input.convolved(weight, stride: 2)
      #expect(output.shape == [2, 8, 5, 7])
      let gradients = try output.sum().gradients(of: [input, weight])
      let values = try #require(gradients[0]).array(of: Float.self)
      // Every second pixel of every second row reaches the 8 outputs.
      #expect(values.reduce(0, +) == Float(8 * 2 * channels * 5 * 7))
      #expect(try Set(#require(gradients[1]).array(of: Float.self)) == [2 * 5 * 7])
    }
  }

  @Test(arguments: cases) func convolutionIsTheSumItStandsFor(_ it: Case) throws {
    let inputs = [
      Values(random: [2, 4, 5, 4], seed: 1),
      Values(random: [8, 4 / it.groups, it.kernel.height, it.kernel.width], seed: 2),
      Values(random: [8], seed: 3),
    ]
    func length(_ n: Int, _ side: KeyPath<Pair, Int>) -> Int {
      let reach = it.dilation[keyPath: side] * (it.kernel[keyPath: side] - 1)
      return (n + 2 * it.padding[keyPath: side] - reach - 1) / it.stride[keyPath: side] + 1
    }
    try expectAgreement(inputs) {
      try $0[0].convolved(
        $0[1], bias: $0[2], stride: it.stride, padding: it.padding, dilation: it.dilation,
        groups: it.groups)
    } with: { inputs in
      let (x, weight, bias) = (inputs[0], inputs[1], inputs[2])
      let taps = indices(of: Array(weight.shape.dropFirst()))
      return Values([2, 8, length(5, \.height), length(4, \.width)]) { i in
        let first = i[1] / (8 / it.groups) * (4 / it.groups)
        return taps.reduce(bias[[i[1]]]) { sum, k in
          let row = i[2] * it.stride.height - it.padding.height + k[1] * it.dilation.height
          let column = i[3] * it.stride.width - it.padding.width + k[2] * it.dilation.width
          return sum + x[[i[0], first + k[0], row, column]] * weight[[i[1]] + k]
        }
      }
    }
  }

  static let transposedCases = [
    Case(), Case(stride: 2, padding: 1, outputPadding: Pair(1, 0)), Case(padding: 1, dilation: 2),
    Case(stride: Pair(1, 3), outputPadding: Pair(0, 2), dilation: Pair(2, 1), groups: 2),
    Case(stride: 2, groups: 4, kernel: 2),
  ]

  @Test(arguments: transposedCases) func theTransposeSpreadsEveryPixel(_ it: Case) throws {
    let inputs = [
      Values(random: [2, 4, 3, 4], seed: 1),
      Values(random: [4, 8 / it.groups, it.kernel.height, it.kernel.width], seed: 2),
      Values(random: [8], seed: 3),
    ]
    func length(_ n: Int, _ side: KeyPath<Pair, Int>) -> Int {
      (n - 1) * it.stride[keyPath: side] - 2 * it.padding[keyPath: side]
        + it.dilation[keyPath: side] * (it.kernel[keyPath: side] - 1)
        + it.outputPadding[keyPath: side] + 1
    }
    try expectAgreement(inputs) {
      try $0[0].transposedConvolved(
        $0[1], bias: $0[2], stride: it.stride, padding: it.padding,
        outputPadding: it.outputPadding, dilation: it.dilation, groups: it.groups)
    } with: { inputs in
      let (x, weight, bias) = (inputs[0], inputs[1], inputs[2])
      let taps = indices(of: Array(weight.shape.dropFirst()))
      var result = Values([2, 8, length(3, \.height), length(4, \.width)]) { bias[[$0[1]]] }
      for i in indices(of: x.shape) {
        let first = i[1] / (4 / it.groups) * (8 / it.groups)
        for k in taps {
          let row = i[2] * it.stride.height - it.padding.height + k[1] * it.dilation.height
          let column = i[3] * it.stride.width - it.padding.width + k[2] * it.dilation.width
          guard (0..<result.shape[2]).contains(row), (0..<result.shape[3]).contains(column) else {
            continue
          }
          let place = offset([i[0], first + k[0], row, column], in: result.shape)
          result.numbers[place] += x[i] * weight[[i[1]] + k]
        }
      }
      return result
    }
  }

  @Test(arguments: [[5], [4, 5], [2, 3, 5], [2, 1, 3, 5]]) func linearLayersWorkOnTheLastDimension(
    _ shape: [Int]
  ) throws {
    let inputs = [
      Values(random: shape, seed: 1), Values(random: [3, 5], seed: 2), Values(random: [3], seed: 3),
    ]
    func product(_ inputs: [Values], _ bias: Values?) -> Values {
      Values(shape.dropLast() + [3]) { i in
        (0..<5).reduce(bias?[[i[i.count - 1]]] ?? 0) {
          $0 + inputs[0][i.dropLast() + [$1]] * inputs[1][[i[i.count - 1], $1]]
        }
      }
    }
    try expectAgreement(inputs) {
      try $0[0].linear($0[1], bias: $0[2])
    } with: {
      product($0, $0[2])
    }
    try expectAgreement(Array(inputs.dropLast())) {
      try $0[0].linear($0[1])
    } with: {
      product($0, nil)
    }
  }

  @Test func channelsThatDoNotFitAreAnError() throws {
    let image = try Tensor.full(1, shape: [1, 3, 8, 8])
    let weight = try Tensor.full(1, shape: [4, 2, 3, 3])
    #expect(expectTorchError { _ = try image.convolved(weight) }.contains("channels"))
    _ = expectTorchError { _ = try image.convolved(weight, groups: 2) }
    _ = expectTorchError { _ = try image.transposedConvolved(weight) }
    _ = expectTorchError { _ = try image.linear(weight) }
  }

  @Test(arguments: strangeNumbers) func strangeSizesAreErrors(_ strange: Int) throws {
    let image = try Tensor.full(1, shape: [1, 4, 8, 8])
    let weight = try Tensor.full(1, shape: [4, 4, 3, 3])
    for pair in [Pair(strange), Pair(1, strange), Pair(strange, 1)] {
      _ = expectTorchError { _ = try image.convolved(weight, stride: pair) }
      _ = expectTorchError { _ = try image.convolved(weight, dilation: pair) }
      _ = expectTorchError { _ = try image.transposedConvolved(weight, stride: pair) }
      _ = expectTorchError { _ = try image.transposedConvolved(weight, dilation: pair) }
      if strange != 0 {
        _ = expectTorchError { _ = try image.convolved(weight, padding: pair) }
        _ = expectTorchError { _ = try image.transposedConvolved(weight, padding: pair) }
        _ = expectTorchError { _ = try image.transposedConvolved(weight, outputPadding: pair) }
      }
    }
    _ = expectTorchError { _ = try image.convolved(weight, groups: strange) }
    _ = expectTorchError { _ = try image.transposedConvolved(weight, groups: strange) }
  }
}
