// What the tests of Torch share.

import TestSupport
import Testing
import Torch

/// The TorchError that `body` throws, which must be one line.
func expectTorchError(_ body: () throws -> Void, _ location: SourceLocation = #_sourceLocation)
  -> String
{
  do {
    try body()
    Issue.record("nothing was thrown", sourceLocation: location)
    return ""
  } catch let error as TorchError {
    #expect(!error.description.isEmpty, sourceLocation: location)
    #expect(!error.description.contains("\n"), sourceLocation: location)
    return error.description
  } catch {
    Issue.record("not a TorchError: \(error)", sourceLocation: location)
    return ""
  }
}

/// Numbers from −1 to 1, the same in every run.
func randomTensor(_ shape: [Int], seed: UInt64 = 0) throws -> (tensor: Tensor, values: [Float]) {
  var random = SeededRandom(seed)
  let values = random.floats(shape.reduce(1, *))
  return (try Tensor(values, shape: shape), values)
}

/// The place of an element in a row-major array.
func offset(_ indices: [Int], in shape: [Int]) -> Int {
  zip(indices, shape).reduce(0) { $0 * $1.1 + $1.0 }
}

/// All index tuples of a shape, row-major.
func indices(of shape: [Int]) -> [[Int]] {
  shape.reduce([[]]) { tuples, length in tuples.flatMap { t in (0..<length).map { t + [$0] } } }
}

/// Runs `body` on so many of libtorch's threads.
func withThreads<Result>(_ count: Int, _ body: () throws -> Result) throws -> Result {
  let before = Runtime.threads
  try Runtime.setThreads(count)
  defer { try? Runtime.setThreads(before) }
  return try body()
}

/// Instruction sets and threads are the process's, so what changes them runs one after the other.
@Suite(.serialized) struct SparseEngineTests {}

/// Runs `body` with kernels for these instructions.
func withInstructions<Result>(_ instructions: Instructions, _ body: () throws -> Result) throws
  -> Result
{
  let before = Instructions.current
  try instructions.use()
  defer { try? before.use() }
  return try body()
}

/// Numbers in row-major order with their shape; what references are written in.
struct Values {
  let shape: [Int]
  var numbers: [Double]

  /// The value of every place.
  init(_ shape: [Int], _ value: ([Int]) -> Double) {
    self.shape = shape
    numbers = indices(of: shape).map(value)
  }

  /// From −1 to 1, the same in every run.
  init(random shape: [Int], seed: UInt64) {
    var random = SeededRandom(seed)
    self.init(shape) { _ in Double.random(in: -1..<1, using: &random) }
  }

  /// 0 outside the shape.
  subscript(_ place: [Int]) -> Double {
    let isInside = zip(place, shape).allSatisfy { (0..<$1).contains($0) }
    return isInside ? numbers[offset(place, in: shape)] : 0
  }

  func map(_ change: (Double) -> Double) -> Values {
    var result = self
    result.numbers = numbers.map(change)
    return result
  }

  /// Infinite where the counts differ or a value is NaN.
  func largestDifference(from others: [Double]) -> Double {
    guard others.count == numbers.count else { return .infinity }
    return zip(numbers, others).reduce(0) { largest, pair in
      let difference = abs(pair.0 - pair.1)
      return difference.isNaN ? .infinity : max(largest, difference)
    }
  }

  func tensor() throws -> Tensor { try Tensor(numbers, shape: shape) }
}

/// Expects an operation to give a reference's numbers and, by differences of the reference, its
/// gradients: row-major and channels last, in float64, and its numbers in float32 too.
func expectAgreement(
  _ inputs: [Values], _ operation: ([Tensor]) throws -> Tensor,
  with reference: ([Values]) throws -> Values, _ location: SourceLocation = #_sourceLocation
) throws {
  let expected = try reference(inputs)
  // A scalar that depends on every element in its own way.
  let weights = Values(random: expected.shape, seed: 99)
  func weighted(_ result: Values) -> Double {
    zip(result.numbers, weights.numbers).reduce(0) { $0 + $1.0 * $1.1 }
  }
  let step = 1e-5
  // Of some thirty elements of each input.
  let slopes = try inputs.indices.map { index in
    let count = inputs[index].numbers.count
    return try stride(from: 0, to: count, by: count / 30 | 1).map { element in
      func moved(_ by: Double) throws -> Double {
        var inputs = inputs
        inputs[index].numbers[element] += by
        return try weighted(reference(inputs))
      }
      return (element, slope: try (moved(step) - moved(-step)) / (2 * step))
    }
  }
  func channelsLast(_ tensor: Tensor) throws -> Tensor {
    tensor.shape.count == 4 ? try tensor.channelsLast() : tensor
  }
  for layout in [{ $0 }, channelsLast] {
    let tensors = try inputs.map { try layout($0.tensor()) }
    for tensor in tensors { try tensor.requireGradient() }
    let result = try operation(tensors)
    #expect(result.shape == expected.shape, sourceLocation: location)
    guard result.shape == expected.shape else { return }
    #expect(
      try expected.largestDifference(from: result.array()) < 1e-9,
      sourceLocation: location)
    let gradients = try (result * weights.tensor()).sum().gradients(of: tensors)
    for (gradient, slopes) in zip(gradients, slopes) {
      let gradient: [Double] = try #require(try gradient?.array(), sourceLocation: location)
      for (element, slope) in slopes {
        #expect(abs(gradient[element] - slope) < 1e-7, sourceLocation: location)
      }
    }
    let single = try operation(inputs.map { try layout($0.tensor().to(.float32)) })
    #expect(
      try largestDifference(single.array(of: Float.self), expected.numbers) < 1e-4,
      sourceLocation: location)
  }
}

/// Sizes, strides and numbers of groups that nothing can have.
let strangeNumbers = [0, -1, -7, 1 << 31, 1 << 40, (1 << 62) + 1, Int.max, Int.min]
