// Convolutions under masks: against libtorch's in float64, by every instruction set of this machine.

import TestSupport
import Testing
import Torch

extension SparseEngineTests {
  @Suite struct SparseConvolutionTests {
    /// A layer, a mask and a batch at random.
    struct Case: CustomStringConvertible {
      let shape: [Int]
      let input: [Int]
      let stride: Pair
      let padding: Pair
      let dilation: Pair
      let groups: Int
      let density: Double
      let hasBias: Bool
      let mask: [UInt8]
      let values: (input: [Float], weight: [Float], bias: [Float], gradient: [Float])

      var description: String {
        "\(shape) of \(input), stride \(stride), padding \(padding), dilation \(dilation), groups "
          + "\(groups), density \(density)"
      }

      init(seed: UInt64) {
        var random = SeededRandom(seed)
        func pick(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &random) }
        groups = pick(0...3) > 0 ? 1 : pick(2...4)
        // Some layers have more rows than a block, and more outputs than a panel.
        let scale = pick(0...7) == 0 ? 16 : 1
        let kernel = [pick(1...4), pick(1...4)]
        shape = [groups * scale * pick(1...9), scale * pick(1...9)] + kernel
        stride = Pair(pick(1...3), pick(1...3))
        padding = Pair(pick(0...4), pick(0...4))
        dilation = Pair(pick(1...5), pick(1...5))
        let reach = [dilation.height * (kernel[0] - 1) + 1, dilation.width * (kernel[1] - 1) + 1]
        input = [
          scale > 1 ? pick(1...4) : pick(1...33), groups * shape[1], pick(reach[0]...24),
          pick(reach[1]...24),
        ]
        hasBias = pick(0...1) == 0
        density = [0, 0.02, 0.1, 0.4, 0.7, 1][pick(0...5)]
        var masked = random
        let (share, inputs) = (density, shape[1])
        // An input channel in ten is read by no weight.
        mask = (0..<shape.reduce(1, *)).map { place in
          let channel = place / (kernel[0] * kernel[1]) % inputs
          return Double.random(in: 0..<1, using: &masked) < share && channel % 10 != 7 ? 1 : 0
        }
        random = masked
        let outputs = [
          (input[2] + 2 * padding.height - reach[0]) / stride.height + 1,
          (input[3] + 2 * padding.width - reach[1]) / stride.width + 1,
        ]
        values = (
          random.floats(input.reduce(1, *)), random.floats(mask.count), random.floats(shape[0]),
          random.floats(input[0] * shape[0] * outputs[0] * outputs[1])
        )
      }

      /// The kept weights' places in row-major order, out × height × width × in.
      var kept: [Int] {
        let taps = shape[2] * shape[3]
        return mask.indices.map { place in
          let (channel, rest) = (place % shape[1], place / shape[1])
          return (rest / taps * shape[1] + channel) * taps + rest % taps
        }.filter { mask[$0] == 1 }
      }

      func layer() throws -> SparseConvolution {
        try SparseConvolution(
          shape: shape, stride: stride, padding: padding, dilation: dilation, groups: groups,
          mask: Tensor(mask, shape: shape))
      }

      /// Output, and gradients of input, kept weights and bias, by our kernels.
      func byKernels(_ precision: Precision = .float32) throws -> [[Float]] {
        let input = try Tensor(values.input, shape: self.input)
        let weights = try Tensor(kept.map { values.weight[$0] }, shape: [kept.count])
        let bias = hasBias ? try Tensor(values.bias, shape: [shape[0]]) : nil
        let leaves = [input, weights] + (bias.map { [$0] } ?? [])
        for leaf in leaves { try leaf.requireGradient() }
        let output = try withPrecision(precision, on: .cpu) {
          try layer().output(of: input, weights: weights, bias: bias)
        }
        let weighted = try output * Tensor(values.gradient, shape: output.shape)
        let gradients = try weighted.sum().gradients(of: leaves)
        return try ([output] + gradients).map { try #require($0).array() }
      }

      /// The same by libtorch in float64.
      func byLibtorch() throws -> [[Double]] {
        let input = try Tensor(values.input.map(Double.init), shape: self.input)
        let weight = try Tensor(
          zip(values.weight, mask).map { Double($0) * Double($1) }, shape: shape)
        let bias = hasBias ? try Tensor(values.bias.map(Double.init), shape: [shape[0]]) : nil
        let leaves = [input, weight] + (bias.map { [$0] } ?? [])
        for leaf in leaves { try leaf.requireGradient() }
        let output = try input.convolved(
          weight, bias: bias, stride: stride, padding: padding, dilation: dilation, groups: groups)
        let weighted = try output * Tensor(values.gradient.map(Double.init), shape: output.shape)
        let gradients = try weighted.sum().gradients(of: leaves)
        var results: [[Double]] = try ([output] + gradients).map { try #require($0).array() }
        let gradient = results[2]
        results[2] = kept.map { gradient[$0] }
        return results
      }
    }

    @Test(arguments: 0..<120) func kernelsAgreeWithLibtorch(_ seed: Int) throws {
      let it = Case(seed: UInt64(seed))
      let expected = try it.byLibtorch()
      for instructions in Instructions.available {
        try withInstructions(instructions) {
          let found = try it.byKernels()
          for (name, pair) in zip(["output", "input", "weights", "bias"], zip(found, expected)) {
            let scale = pair.1.map(abs).max() ?? 0
            let difference = largestDifference(pair.0, pair.1)
            #expect(
              difference <= 1e-5 * max(scale, 1e-3), "\(name) by \(instructions): \(it)")
          }
        }
      }
    }

    /// Weight gradients alone are in bfloat16, by the instructions that have it.
    @Test(arguments: 0..<120) func bfloat16AgreesWithLibtorch(_ seed: Int) throws {
      let it = Case(seed: UInt64(seed))
      let expected = try it.byLibtorch()
      for instructions in Instructions.available {
        try withInstructions(instructions) {
          let (found, exact) = (try it.byKernels(.bfloat16), try it.byKernels())
          #expect(found[0] == exact[0] && found[1] == exact[1])
          let scale = expected[2].map(abs).max() ?? 0
          #expect(
            largestDifference(found[2], expected[2]) <= 1e-2 * max(scale, 1e-3),
            "by \(instructions): \(it)")
          #expect(instructions == .avx512BF16 || found[2] == exact[2])
        }
      }
    }

    @Test func anyNumberOfThreadsGivesTheSameBytes() throws {
      for seed in 200..<210 {
        let it = Case(seed: UInt64(seed))
        let alone = try withThreads(1) { try it.byKernels() }
        #expect(try withThreads(2) { try it.byKernels() } == alone)
      }
    }

    @Test func finishingIsWhatFollowsAConvolution() throws {
      for seed in 300..<312 {
        let it = Case(seed: UInt64(seed))
        let layer = try it.layer()
        let weights = try Tensor(it.kept.map { it.values.weight[$0] }, shape: [it.kept.count])
        let input = try Tensor(it.values.input, shape: it.input)
        let plain = try layer.output(of: input, weights: weights)
        let (scale, _) = try randomTensor([it.shape[0]], seed: 1)
        let (shift, _) = try randomTensor([it.shape[0]], seed: 2)
        let (residual, _) = try randomTensor(plain.shape, seed: 3)
        func perChannel(_ tensor: Tensor) throws -> Tensor {
          try tensor.reshaped([1, it.shape[0], 1, 1])
        }
        let expected = try (plain * perChannel(scale) + perChannel(shift) + residual).rectified()
        let found = try layer.finishedOutput(
          of: input, weights: weights, scale: scale, shift: shift, residual: residual,
          rectified: true)
        #expect(try largestDifference(found.array(), expected.doubles()) < 1e-4)
      }
    }

    @Test func linearLayersAreConvolutionsOfOnePlace() throws {
      let mask: [UInt8] = (0..<35).map { $0 % 3 == 0 ? 1 : 0 }
      let (input, _) = try randomTensor([6, 7], seed: 1)
      let (whole, values) = try randomTensor([5, 7], seed: 2)
      let (bias, _) = try randomTensor([5], seed: 3)
      let layer = try SparseConvolution(shape: [5, 7], mask: Tensor(mask, shape: [5, 7]))
      let kept = mask.indices.filter { mask[$0] == 1 }.map { values[$0] }
      let found = try layer.output(
        of: input, weights: Tensor(kept, shape: [kept.count]), bias: bias)
      try whole.keep(Tensor(mask, shape: [5, 7]))
      #expect(found.shape == [6, 5])
      #expect(
        try largestDifference(found.array(), input.linear(whole, bias: bias).doubles()) < 1e-5)
    }

    /// Each task goes back through the same activations.
    @Test func aGraphServesSeveralBackwardPasses() throws {
      let it = Case(seed: 5)
      let input = try Tensor(it.values.input, shape: it.input)
      let weights = try Tensor(it.kept.map { it.values.weight[$0] }, shape: [it.kept.count])
      try weights.requireGradient()
      let loss = try it.layer().output(of: input, weights: weights).sum()
      let first = try #require(loss.gradients(of: [weights], retainGraph: true)[0]).doubles()
      #expect(try #require(loss.gradients(of: [weights])[0]).doubles() == first)
    }

    @Test func whatDoesNotFitIsRefused() throws {
      let layer = try SparseConvolution(shape: [4, 3, 3, 3], mask: nil)
      let weights = try Tensor.full(1, shape: [108])
      let image = try Tensor.full(1, shape: [1, 3, 8, 8])
      #expect(try layer.output(of: image, weights: weights).shape == [1, 4, 6, 6])
      for (input, kept) in [
        (image, try Tensor.full(1, shape: [107])),
        (try Tensor.full(1, shape: [1, 2, 8, 8]), weights),
        (try Tensor.full(1, shape: [1, 3, 2, 8]), weights),
        (try Tensor.full(1, shape: [3]), weights),
      ] {
        _ = expectTorchError { _ = try layer.output(of: input, weights: kept) }
      }
      let strided = try SparseConvolution(shape: [4, 3, 3, 3], stride: Pair(2), mask: nil)
      _ = expectTorchError {
        _ = try strided.output(of: Tensor.full(1, shape: [1, 3, 2, 8]), weights: weights)
      }
      _ = expectTorchError {
        _ = try layer.output(of: image, weights: weights, bias: Tensor.full(1, shape: [3]))
      }
      for stride in [Pair(0), Pair(-1)] {
        _ = expectTorchError {
          _ = try SparseConvolution(shape: [4, 3, 3, 3], stride: stride, mask: nil)
        }
      }
      _ = expectTorchError {
        _ = try SparseConvolution(
          shape: [4, 3, 3, 3], mask: Tensor([1], shape: [1]))
      }
      _ = expectTorchError { _ = try SparseConvolution(shape: [4, 3, 3], mask: nil) }
    }
  }
}

extension Tensor {
  fileprivate func doubles() throws -> [Double] { try to(.float64).array() }
}
