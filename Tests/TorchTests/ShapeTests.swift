// Joining, cutting and padding: against the places that the elements come from.

import TestSupport
import Testing
import Torch

@Suite struct ShapeTests {
  @Test(arguments: [0, 1, 2, 3, -1]) func tensorsAreJoinedInOrder(along dimension: Int) throws {
    let axis = dimension < 0 ? dimension + 4 : dimension
    let lengths = [2, 1, 3]
    let parts = lengths.enumerated().map { index, length in
      var shape = [2, 3, 2, 2]
      shape[axis] = length
      return Values(random: shape, seed: UInt64(index))
    }
    try expectAgreement(parts) {
      try Tensor.concatenated($0, along: dimension)
    } with: { parts in
      var shape = parts[0].shape
      shape[axis] = 6
      return Values(shape) { i in
        let part = i[axis] < 2 ? 0 : i[axis] < 3 ? 1 : 2
        var i = i
        i[axis] -= lengths[..<part].reduce(0, +)
        return parts[part][i]
      }
    }
  }

  @Test func whatDoesNotFitTogetherIsAnError() throws {
    let (a, b) = (try Tensor.full(1, shape: [2, 3]), try Tensor.full(1, shape: [2, 4]))
    #expect(try Tensor.concatenated([a, b], along: 1).shape == [2, 7])
    _ = expectTorchError { _ = try Tensor.concatenated([a, b], along: 0) }
    _ = expectTorchError { _ = try Tensor.concatenated([], along: 0) }
  }

  @Test(arguments: [
    (0, 6, 1), (1, 4, 1), (-3, 6, 1), (0, -2, 1), (1, 6, 2), (0, .max, 3), (.min, .max, 1),
    (4, 2, 1), (9, 12, 1),
  ]) func slicesAreThoseOfPython(from: Int, to: Int, step: Int) throws {
    func end(_ value: Int) -> Int { min(max(value < 0 ? max(value, -6) + 6 : value, 0), 6) }
    let chosen = Array(stride(from: end(from), to: end(to), by: step))
    try expectAgreement([Values(random: [2, 3, 6, 2], seed: 1)]) {
      try $0[0].sliced(along: 2, from: from, to: to, step: step)
    } with: { inputs in
      Values([2, 3, chosen.count, 2]) { inputs[0][[$0[0], $0[1], chosen[$0[2]], $0[3]]] }
    }
  }

  @Test(arguments: [0, -1, Int.min]) func stepsThatGoNowhereAreErrors(step: Int) throws {
    let tensor = try Tensor.full(1, shape: [4])
    _ = expectTorchError { _ = try tensor.sliced(along: 0, from: 0, to: 4, step: step) }
  }

  @Test func hugeStepsTakeTheFirst() throws {
    let tensor = try Tensor([5, 6] as [Float], shape: [2])
    for step in [2, 1 << 40] {
      #expect(try tensor.sliced(along: 0, from: 0, to: 2, step: step).array() == [5] as [Float])
    }
  }

  @Test(arguments: [Padding.constant(0), .constant(-1.5), .reflect, .replicate])
  func paddingFollowsItsMode(mode: Padding) throws {
    func source(_ i: Int, of n: Int) -> Int? {
      switch mode {
      case .constant: (0..<n).contains(i) ? i : nil
      case .reflect: i < 0 ? -i : i >= n ? 2 * (n - 1) - i : i
      case .replicate: min(max(i, 0), n - 1)
      }
    }
    func outside() -> Double { if case .constant(let value) = mode { value } else { .nan } }
    for (top, bottom, left, right) in [(1, 2, 3, 0), (0, 0, 0, 0), (2, 0, 0, 1)] {
      try expectAgreement([Values(random: [2, 3, 4, 5], seed: 1)]) {
        try $0[0].padded(top: top, bottom: bottom, left: left, right: right, mode: mode)
      } with: { inputs in
        Values([2, 3, 4 + top + bottom, 5 + left + right]) { i in
          guard let row = source(i[2] - top, of: 4), let column = source(i[3] - left, of: 5) else {
            return outside()
          }
          return inputs[0][[i[0], i[1], row, column]]
        }
      }
    }
  }

  @Test func paddingBelowZeroCuts() throws {
    let tensor = try Tensor([1, 2, 3, 4, 5, 6] as [Float], shape: [1, 1, 2, 3])
    let cut = try tensor.padded(top: -1, left: -1, right: 1)
    #expect(try cut.array(of: Float.self) == [5, 6, 0])
  }

  @Test(arguments: [Padding.constant(0), .reflect, .replicate])
  func paddingOfStrangeSizesIsAnError(mode: Padding) throws {
    let image = try Tensor.full(1, shape: [1, 1, 4, 4])
    for strange in strangeNumbers where strange > 4 || strange < -4 {
      _ = expectTorchError { _ = try image.padded(top: strange, mode: mode) }
      _ = expectTorchError { _ = try image.padded(left: 1, right: strange, mode: mode) }
    }
    if mode == .reflect { _ = expectTorchError { _ = try image.padded(top: 4, mode: mode) } }
    let vector = try Tensor.full(1, shape: [4])
    _ = expectTorchError { _ = try vector.padded(top: 1, left: 1, mode: mode) }
  }

  @Test func flatteningFollowsRowMajorOrder() throws {
    let input = Values(random: [2, 3, 2, 2], seed: 1)
    for (dimension, shape) in [(0, [24]), (1, [2, 12]), (2, [2, 3, 4]), (3, [2, 3, 2, 2])] {
      try expectAgreement([input]) {
        try $0[0].flattened(from: dimension)
      } with: { inputs in
        Values(shape) { inputs[0].numbers[offset($0, in: shape)] }
      }
    }
  }
}
