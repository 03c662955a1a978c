// The sparse engine's operations on planes: against libtorch in float64, with every instruction set
// that this processor has.

import TestSupport
import Testing
import Torch

extension SparseEngineTests {
  @Suite struct PlanesTests {
    /// Sizes, strides and whatever else a test draws, the same in every run.
    private struct Draw {
      var random: SeededRandom

      init(_ seed: Int) { random = SeededRandom(UInt64(seed)) }

      mutating func number(_ range: ClosedRange<Int>) -> Int { .random(in: range, using: &random) }

      mutating func pair(_ range: ClosedRange<Int>) -> Pair { Pair(number(range), number(range)) }

      mutating func flag() -> Bool { .random(using: &random) }

      /// Pictures with up to 33 images.
      mutating func pictures() -> Values {
        let shape = [number(1...33), number(1...4), number(4...14), number(4...14)]
        return Values(random: shape, seed: random.next())
      }
    }

    private static let draws = 0..<10

    /// Float32 tensors with the values, that gradients are asked for.
    private func leaves(_ inputs: [Values], _ layout: (Tensor) throws -> Tensor) throws -> [Tensor]
    {
      try inputs.map {
        let tensor = try $0.tensor().to(.float32)
        let leaf = try $0.shape.count == 4 ? layout(tensor) : tensor
        try leaf.requireGradient()
        return leaf
      }
    }

    /// A scalar that depends on every element in its own way; on positive ones more.
    private func weighted(_ result: Tensor) throws -> Tensor {
      let weights = try Values(random: result.shape, seed: 99).map { $0 + 0.5 }.tensor()
      return try (result * weights.to(result.dtype)).sum()
    }

    /// The result and its gradients, which come out the same when they are asked for again.
    private func outcome(_ result: Tensor, _ leaves: [Tensor]) throws -> [[Float]] {
      let scalar = try weighted(result)
      let gradients = try (0..<2).map { _ in
        try scalar.gradients(of: leaves, retainGraph: true).map {
          try $0?.array(of: Float.self) ?? []
        }
      }
      #expect(gradients[0] == gradients[1])
      return [try result.array()] + gradients[0]
    }

    /// Expects the planes' operation to give what another does in float64, relative to the largest
    /// number, and its gradients; from row-major tensors and from batch innermost ones.
    private func expectAgreement(
      _ inputs: [Values], _ instructions: Instructions,
      _ operation: ([Tensor]) throws -> Tensor, with reference: ([Tensor]) throws -> Tensor,
      _ location: SourceLocation = #_sourceLocation
    ) throws {
      let exact = try leaves(inputs) { $0 }.map { leaf in
        let leaf = try leaf.detached().to(.float64)
        try leaf.requireGradient()
        return leaf
      }
      let expected = try reference(exact)
      let gradients = try weighted(expected).gradients(of: exact)
      let numbers: [[Double]] =
        try [expected.array()] + gradients.map { try $0?.array(of: Double.self) ?? [] }
      for layout in [{ $0 }, { try $0.batchInnermost() }] as [(Tensor) throws -> Tensor] {
        let found = try withInstructions(instructions) {
          let leaves = try leaves(inputs, layout)
          let result = try operation(leaves)
          #expect(result.shape == expected.shape, sourceLocation: location)
          return result.shape == expected.shape ? try outcome(result, leaves) : []
        }
        for (found, expected) in zip(found, numbers) {
          let scale = expected.reduce(1e-3) { max($0, abs($1)) }
          #expect(
            largestDifference(found, expected) < 1e-5 * scale, sourceLocation: location)
        }
      }
    }

    @Test(arguments: Instructions.available, draws)
    func batchNormalization(instructions: Instructions, seed: Int) throws {
      var draw = Draw(seed)
      let x = draw.pictures().map { 2 * $0 + 5 }
      let channels = x.shape[1]
      let inputs = [
        x, Values(random: [channels], seed: 1).map { $0 + 1.5 },
        Values(random: [channels], seed: 2),
        Values(random: x.shape, seed: 3),
      ]
      for training in [true, false] {
        for addsResidual in [true, false] {
          for rectify in [true, false] {
            func statistics(_ dtype: DType) throws -> (mean: Tensor, variance: Tensor) {
              (
                try Values([channels]) { 5 + Double($0[0]) / 8 }.tensor().to(dtype),
                try Values([channels]) { 1 + Double($0[0]) / 8 }.tensor().to(dtype)
              )
            }
            var means: [[Double]] = []
            var variances: [[Double]] = []
            func keep(_ running: (mean: Tensor, variance: Tensor)) throws {
              means.append(try running.mean.to(.float64).array())
              variances.append(try running.variance.to(.float64).array())
            }
            try expectAgreement(addsResidual ? inputs : inputs.dropLast(), instructions) {
              let running = try statistics(.float32)
              let result = try $0[0].planesBatchNormalized(
                weight: $0[1], bias: $0[2], runningMean: running.mean,
                runningVariance: running.variance, residual: addsResidual ? $0[3] : nil,
                rectified: rectify, training: training, momentum: 0.25, epsilon: 1e-3)
              try keep(running)
              return result
            } with: {
              let running = try statistics(.float64)
              var result = try $0[0].batchNormalized(
                weight: $0[1], bias: $0[2], runningMean: running.mean,
                runningVariance: running.variance, training: training, momentum: 0.25,
                epsilon: 1e-3)
              try keep(running)
              if addsResidual { result = try result + $0[3] }
              return rectify ? try result.rectified() : result
            }
            for found in [means, variances] {
              for numbers in found {
                #expect(zip(numbers, found[0]).allSatisfy { relativeDifference($0, $1) < 1e-6 })
              }
            }
          }
        }
      }
    }

    @Test(arguments: Instructions.available)
    func batchNormalizationOfChannelsFarFromZero(instructions: Instructions) throws {
      let x = Values(random: [3, 2, 41, 17], seed: 5).map { $0 + 1000 }
      func statistics(_ dtype: DType) throws -> Tensor { try .full(1, shape: [2], dtype: dtype) }
      try expectAgreement([x], instructions) {
        try $0[0].planesBatchNormalized(
          weight: nil, bias: nil, runningMean: statistics(.float32),
          runningVariance: statistics(.float32), training: true)
      } with: {
        try $0[0].batchNormalized(
          weight: nil, bias: nil, runningMean: statistics(.float64),
          runningVariance: statistics(.float64), training: true)
      }
    }

    @Test(arguments: Instructions.available, draws)
    func pooling(instructions: Instructions, seed: Int) throws {
      var draw = Draw(seed)
      for _ in 0..<4 {
        let x = [draw.pictures()]
        let kernel = draw.pair(1...4)
        let (stride, dilation) = (draw.pair(1...4), draw.pair(1...2))
        let padding = Pair(draw.number(0...kernel.height / 2), draw.number(0...kernel.width / 2))
        let (ceilMode, countsPadding) = (draw.flag(), draw.flag())
        try expectAgreement(x, instructions) {
          try $0[0].averagePooled(
            kernel: kernel, stride: stride, padding: padding, ceilMode: ceilMode,
            countsPadding: countsPadding, inPlanes: true)
        } with: {
          try $0[0].averagePooled(
            kernel: kernel, stride: stride, padding: padding, ceilMode: ceilMode,
            countsPadding: countsPadding)
        }
        let reach = { (side: KeyPath<Pair, Int>) in
          dilation[keyPath: side] * (kernel[keyPath: side] - 1) + 1 - 2 * padding[keyPath: side]
        }
        guard x[0].shape[2] >= reach(\.height), x[0].shape[3] >= reach(\.width) else { continue }
        try expectAgreement(x, instructions) {
          try $0[0].maxPooled(
            kernel: kernel, stride: stride, padding: padding, dilation: dilation,
            ceilMode: ceilMode, inPlanes: true)
        } with: {
          try $0[0].maxPooled(
            kernel: kernel, stride: stride, padding: padding, dilation: dilation,
            ceilMode: ceilMode)
        }
      }
    }

    @Test(arguments: Instructions.available)
    func theFirstOfEqualValuesAndNotANumberAreTheLargest(instructions: Instructions) throws {
      // Few different values, as after a rectifier, and one that is none.
      var x = Values(random: [5, 2, 9, 9], seed: 8).map { max(0, ($0 * 2).rounded()) }
      try expectAgreement([x], instructions) {
        try $0[0].maxPooled(kernel: 3, stride: 2, padding: 1, inPlanes: true)
      } with: {
        try $0[0].maxPooled(kernel: 3, stride: 2, padding: 1)
      }
      x.numbers[400] = .nan
      let tensor = try x.tensor().to(.float32)
      let found: [Float] = try withInstructions(instructions) {
        try tensor.maxPooled(kernel: 3, stride: 1, padding: 1, inPlanes: true).array()
      }
      let expected = try tensor.maxPooled(kernel: 3, stride: 1, padding: 1).array(of: Float.self)
      #expect(found.map(\.isNaN) == expected.map(\.isNaN))
      #expect(found.contains { $0.isNaN })
    }

    @Test(arguments: Instructions.available, draws)
    func globalMeans(instructions: Instructions, seed: Int) throws {
      var draw = Draw(seed)
      try expectAgreement([draw.pictures()], instructions) {
        try $0[0].planesGlobalMean()
      } with: {
        try $0[0].mean(over: [2, 3], keepingDimensions: true)
      }
    }

    @Test(arguments: Instructions.available, draws)
    func resizing(instructions: Instructions, seed: Int) throws {
      var draw = Draw(seed)
      let x = draw.pictures()
      let sizes = [draw.pair(1...40), Pair(2 * x.shape[2], x.shape[3]), draw.pair(1...10)]
      let ways: [Interpolation] = [
        .nearest, .bilinear(alignsCorners: true), .bilinear(alignsCorners: false),
      ]
      for size in sizes {
        for way in ways {
          try expectAgreement([x], instructions) {
            try $0[0].resized(to: size, by: way, inPlanes: true)
          } with: {
            try $0[0].resized(to: size, by: way)
          }
        }
      }
      let size = Pair(x.shape[2] * 3 / 2, x.shape[3] * 3 / 2)
      for way in ways {
        try expectAgreement([x], instructions) {
          try $0[0].resized(to: size, by: way, scales: (1.5, 1.5), inPlanes: true)
        } with: {
          try $0[0].resized(to: size, by: way, scales: (1.5, 1.5))
        }
      }
    }

    @Test(arguments: Instructions.available, draws)
    func dropoutDropsTheSameElements(instructions: Instructions, seed: Int) throws {
      var draw = Draw(seed)
      let x = draw.pictures()
      let stream = RandomStream(seed: UInt64(seed), .dropoutInTraining)
      let factors = try Tensor.full(1, shape: x.shape).droppedOut(0.3, using: stream).to(.float64)
      for rectify in [true, false] {
        try expectAgreement([x], instructions) {
          try $0[0].planesDroppedOut(0.3, using: stream, rectified: rectify)
        } with: {
          try (rectify ? $0[0].rectified() : $0[0]) * factors
        }
      }
    }

    @Test(arguments: Instructions.available)
    func theNumberOfThreadsChangesNothing(instructions: Instructions) throws {
      // Large enough to be divided.
      let shape = [3, 7, 71, 67]
      let inputs = [
        Values(random: shape, seed: 1), Values(random: [7], seed: 2), Values(random: [7], seed: 3),
        Values(random: shape, seed: 4),
      ]
      let stream = RandomStream(seed: 1, .dropoutInTraining)
      let operations: [([Tensor]) throws -> Tensor] = [
        {
          try $0[0].planesBatchNormalized(
            weight: $0[1], bias: $0[2], runningMean: .full(0, shape: [7]),
            runningVariance: .full(1, shape: [7]), residual: $0[3], rectified: true, training: true)
        },
        { try $0[0].maxPooled(kernel: 3, stride: 2, padding: 1, inPlanes: true) },
        { try $0[0].averagePooled(kernel: 3, stride: 2, padding: 1, inPlanes: true) },
        { try $0[0].planesGlobalMean() },
        { try $0[0].resized(to: Pair(100, 90), inPlanes: true) },
        { try $0[0].planesDroppedOut(0.5, using: stream, rectified: true) },
      ]
      for operation in operations {
        let outcomes = try [1, 2, 4].map { threads in
          try withThreads(threads) {
            try withInstructions(instructions) {
              let leaves = try leaves(inputs) { try $0.batchInnermost() }
              return try outcome(operation(leaves), leaves)
            }
          }
        }
        #expect(outcomes[0] == outcomes[1])
        #expect(outcomes[0] == outcomes[2])
      }
    }

    @Test func whatDoesNotFitIsAnError() throws {
      let x = try Tensor.full(1, shape: [1, 3, 1, 1])
      let two = try Tensor.full(1, shape: [2])
      let three = try Tensor.full(1, shape: [3])
      func normalized(_ x: Tensor, _ statistics: Tensor, residual: Tensor? = nil) throws {
        _ = try x.planesBatchNormalized(
          weight: nil, bias: nil, runningMean: statistics, runningVariance: statistics,
          residual: residual, training: false)
      }
      try normalized(x, three)
      _ = expectTorchError { try normalized(x, two) }
      _ = expectTorchError { try normalized(x, three, residual: two) }
      _ = expectTorchError {
        _ = try x.planesBatchNormalized(
          weight: nil, bias: nil, runningMean: three, runningVariance: three, training: true)
      }
      for other in [try x.to(.float64), two] {
        _ = expectTorchError { _ = try other.batchInnermost() }
        _ = expectTorchError { _ = try other.planesGlobalMean() }
        _ = expectTorchError { _ = try other.maxPooled(kernel: 1, stride: 1, inPlanes: true) }
        _ = expectTorchError { _ = try other.averagePooled(kernel: 1, stride: 1, inPlanes: true) }
        _ = expectTorchError { _ = try other.resized(to: 3, inPlanes: true) }
        _ = expectTorchError {
          _ = try other.planesDroppedOut(
            0.5, using: RandomStream(seed: 1, .dropoutInTraining))
        }
      }
      for number in strangeNumbers {
        let both = Pair(number)
        _ = expectTorchError { _ = try x.maxPooled(kernel: both, stride: 1, inPlanes: true) }
        _ = expectTorchError { _ = try x.averagePooled(kernel: both, stride: 1, inPlanes: true) }
        _ = expectTorchError { _ = try x.resized(to: both, inPlanes: true) }
        if number != 1 << 31 && number != 0 {
          _ = expectTorchError {
            _ = try x.maxPooled(kernel: 1, stride: 1, padding: both, inPlanes: true)
          }
        }
        if number <= 0 {
          _ = expectTorchError { _ = try x.maxPooled(kernel: 1, stride: both, inPlanes: true) }
          _ = expectTorchError {
            _ = try x.maxPooled(kernel: 1, stride: 1, dilation: both, inPlanes: true)
          }
        }
      }
    }
  }
}
