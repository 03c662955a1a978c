// Call: a step with its inputs, as the conversions read them.

import Graphs

struct Call {
  let step: Step
  let inputs: [Value?]
  /// How many there are.
  let probes: Int

  func failure(_ reason: String) -> ExchangeError { step.failure(reason) }

  func isGiven(_ index: Int) -> Bool { inputs.indices.contains(index) && inputs[index] != nil }

  private func input(_ index: Int) throws -> Value {
    guard inputs.indices.contains(index), let input = inputs[index] else {
      throw failure("lacks its input \(index + 1)")
    }
    return input
  }

  /// An input that depends on the image.
  func result(_ index: Int) throws -> Result {
    guard case .result(let result) = try input(index) else {
      throw failure("its input \(index + 1) does not depend on the image")
    }
    return result
  }

  /// N×C×H×W.
  func map(_ index: Int) throws -> Result {
    let result = try result(index)
    guard result.rank == 4 else {
      throw failure(
        "takes N×C×H×W, not N×\(result.shapes[0].map { "\($0)" }.joined(separator: "×"))")
    }
    return result
  }

  /// By probe; a tensor that does not depend on the image, but may depend on its size.
  func perProbe(_ index: Int) throws -> [Known] {
    guard case .known(let tensors) = try input(index) else {
      throw failure(
        "its input \(index + 1) depends on the image; only weights and settings may not")
    }
    return tensors.count == 1 ? [Known](repeating: tensors[0], count: probes) : tensors
  }

  /// A tensor that depends on nothing.
  func known(_ index: Int) throws -> Known {
    guard case .known(let tensors) = try input(index) else {
      throw failure("its input \(index + 1) depends on the image, where a constant is needed")
    }
    guard tensors.count == 1 else {
      throw failure("its input \(index + 1) depends on the image's size; export for one size")
    }
    return tensors[0]
  }

  func optionalKnown(_ index: Int) throws -> Known? { isGiven(index) ? try known(index) : nil }

  func integers(_ index: Int) throws -> [Int] {
    guard let integers = try known(index).integers else {
      throw failure("its input \(index + 1) must be integers")
    }
    return integers
  }

  func integersPerProbe(_ index: Int) throws -> [[Int]] {
    try perProbe(index).map { tensor in
      guard let integers = tensor.integers else {
        throw failure("its input \(index + 1) must be integers")
      }
      return integers
    }
  }

  func scalar(_ index: Int) throws -> Float {
    let known = try known(index)
    guard known.count == 1 else { throw failure("its input \(index + 1) must be one number") }
    return known.floats[0]
  }

  /// An axis with N as 0, which it must not be.
  func axis(_ axis: Int, of result: Result) throws -> Int {
    let place = try step.place(axis, of: result.rank)
    guard place > 0 else { throw failure("works along the axis of the images of a batch") }
    return place
  }

  /// Axes that an attribute names in older opsets and an input in newer ones; nil when neither does.
  func axes(input index: Int) throws -> [Int]? {
    isGiven(index) ? try integers(index) : try step.ints("axes")
  }
}
