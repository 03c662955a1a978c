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
