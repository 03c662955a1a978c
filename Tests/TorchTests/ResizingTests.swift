// Resizing: targets in integers, and networks' pictures against PyTorch's rules.

import TestSupport
import Testing
import Torch

@Suite struct TargetResizingTests {
  @Test(arguments: [(65, 9), (9, 65), (7, 3), (3, 7), (5, 5), (1, 4), (4, 1), (321, 41), (49, 7)])
  func nearestTakesTheFloorOfTheScaledIndex(from: Int, to: Int) throws {
    let other = 3
    let rows = try Tensor((0..<from * other).map { Int64($0) }, shape: [1, from, other])
    #expect(
      try rows.resizedNearest(height: to, width: other).array(of: Int64.self)
        == (0..<to).flatMap { i in (0..<other).map { Int64(i * from / to * other + $0) } })
    let columns = try Tensor((0..<from * other).map(Float.init), shape: [1, 1, other, from])
    let resized = try columns.resizedNearest(height: other, width: to)
    #expect(resized.shape == [1, 1, other, to])
    #expect(
      try resized.array(of: Float.self)
        == (0..<other).flatMap { row in (0..<to).map { Float(row * from + $0 * from / to) } })
  }

  @Test func nearestWorksOnEveryImageAndChannelAlike() throws {
    let shape = [2, 3, 5, 4]
    let (tensor, values) = try randomTensor(shape)
    let expected = indices(of: [2, 3, 8, 3]).map {
      values[offset([$0[0], $0[1], $0[2] * 5 / 8, $0[3] * 4 / 3], in: shape)]
    }
    #expect(try tensor.resizedNearest(height: 8, width: 3).array() == expected)
    #expect(try tensor.channelsLast().resizedNearest(height: 8, width: 3).array() == expected)
  }

  @Test func nearestOfAVectorIsAnError() throws {
    let vector = try Tensor.full(1, shape: [3])
    _ = expectTorchError { _ = try vector.resizedNearest(height: 1, width: 1) }
  }
  @Test(arguments: strangeNumbers)
  func strangeSizesAreErrors(_ strange: Int) throws {
    let image = try Tensor.full(1, shape: [1, 4, 4])
    _ = expectTorchError { _ = try image.resizedNearest(height: strange, width: 4) }
    _ = expectTorchError { _ = try image.resizedNearest(height: 4, width: strange) }
  }
}

@Suite struct NetworkResizingTests {
  struct Case: Sendable {
    var size: Pair
    var scales: (Double, Double)?
  }

  static let cases = [
    Case(size: Pair(10, 14)), Case(size: Pair(3, 4)), Case(size: Pair(5, 7)), Case(size: 1),
    Case(size: Pair(13, 5)), Case(size: Pair(7, 4), scales: (1.5, 0.7)),
    Case(size: Pair(10, 17), scales: (2, 2.45)),
  ]

  @Test(arguments: cases) func nearestTakesTheFloor(_ it: Case) throws {
    let scales = it.scales ?? (Double(it.size.height) / 5, Double(it.size.width) / 7)
    try expectAgreement([Values(random: [2, 3, 5, 7], seed: 1)]) {
      try $0[0].resized(to: it.size, by: .nearest, scales: it.scales)
    } with: { inputs in
      Values([2, 3, it.size.height, it.size.width]) { i in
        let row = min(Int(Double(i[2]) / scales.0 + 1e-9), 4)
        let column = min(Int(Double(i[3]) / scales.1 + 1e-9), 6)
        return inputs[0][[i[0], i[1], row, column]]
      }
    }
  }

  @Test(arguments: cases, [false, true])
  func bilinearWeighsTheNeighbours(_ it: Case, alignsCorners: Bool) throws {
    let scales = it.scales ?? (Double(it.size.height) / 5, Double(it.size.width) / 7)
    /// The two pixels between which a place lies, and the second one's share.
    func neighbours(_ i: Int, of n: Int, to: Int, scale: Double) -> (Int, Int, share: Double) {
      let place =
        alignsCorners
        ? (to == 1 ? 0 : Double(i * (n - 1)) / Double(to - 1))
        : max((Double(i) + 0.5) / scale - 0.5, 0)
      let first = min(Int(place), n - 1)
      return (first, min(first + 1, n - 1), place - Double(first))
    }
    try expectAgreement([Values(random: [2, 3, 5, 7], seed: 1)]) {
      try $0[0].resized(
        to: it.size, by: .bilinear(alignsCorners: alignsCorners), scales: it.scales)
    } with: { inputs in
      Values([2, 3, it.size.height, it.size.width]) { i in
        let rows = neighbours(i[2], of: 5, to: it.size.height, scale: scales.0)
        let columns = neighbours(i[3], of: 7, to: it.size.width, scale: scales.1)
        func between(_ row: Int) -> Double {
          inputs[0][[i[0], i[1], row, columns.0]] * (1 - columns.share)
            + inputs[0][[i[0], i[1], row, columns.1]] * columns.share
        }
        return between(rows.0) * (1 - rows.share) + between(rows.1) * rows.share
      }
    }
  }

  /// What torch.nn.functional.interpolate gives for a row of seven.
  @Test func itIsPyTorchs() throws {
    let row = try Tensor([3, -1, 4, 1, -5, 9, 2] as [Float], shape: [1, 1, 1, 7])
    func resized(_ width: Int, _ interpolation: Interpolation, scale: Double? = nil) throws
      -> [Float]
    {
      try row.resized(to: Pair(1, width), by: interpolation, scales: scale.map { (1, $0) }).array()
    }
    #expect(try resized(4, .nearest) == [3, -1, 1, 9])
    #expect(try resized(4, .nearest, scale: 0.7) == [3, -1, 4, -5])
    // 23 · 14 / 46 is 7, but as float32 less.
    let column = try Tensor((0..<14).map(Float.init), shape: [1, 1, 14, 1])
    #expect(try column.resized(to: Pair(46, 1), by: .nearest).array(of: Float.self)[23] == 6)
    let halves = Interpolation.bilinear(alignsCorners: false)
    for (found, expected) in [
      (try resized(4, halves, scale: 0.7), [2.142857, 2.214286, 0.571429, 2]),
      (try resized(10, halves), [3, 0.8, 0.25, 3.75, 2.05, -1.1, -4.3, 5.5, 5.85, 2]),
      (
        try resized(10, halves, scale: 1.5),
        [3, 1, -0.166666, 3.166667, 2.5, 0, -4, 2, 7.833331, 3.166666]
      ),
      (
        try resized(10, .bilinear(alignsCorners: true)),
        [3, 0.333333, 0.666667, 4, 2, -1, -5, 4.333338, 6.666666, 2]
      ),
    ] {
      #expect(largestDifference(found, expected) < 1e-5)
    }
  }

  @Test func bilinearPutsPixelCentresAtHalfIntegers() throws {
    let pair = try Tensor([0, 8] as [Float], shape: [1, 1, 1, 2])
    #expect(try pair.resized(to: Pair(1, 4)).array(of: Float.self) == [0, 2, 6, 8])
    let four = try Tensor([0, 2, 6, 8] as [Float], shape: [1, 1, 1, 4])
    #expect(try four.resized(to: 2).array(of: Float.self) == [1, 7, 1, 7])
  }

  static let interpolations: [Interpolation] = [
    .nearest, .bilinear(alignsCorners: false), .bilinear(alignsCorners: true),
  ]

  @Test(arguments: interpolations) func strangeSizesAndScalesAreErrors(
    _ interpolation: Interpolation
  ) throws {
    let image = try Tensor.full(1, shape: [1, 1, 4, 4])
    for strange in strangeNumbers {
      for size in [Pair(strange), Pair(4, strange), Pair(strange, 4)] {
        _ = expectTorchError { _ = try image.resized(to: size, by: interpolation) }
      }
    }
    for strange in [0, -1, 1e-300, 1e300, .infinity, .nan, 1.3, 0.7] {
      for scales in [(strange, 1), (1, strange)] {
        _ = expectTorchError { _ = try image.resized(to: 4, by: interpolation, scales: scales) }
      }
    }
    let vector = try Tensor.full(1, shape: [4])
    _ = expectTorchError { _ = try vector.resized(to: 4, by: interpolation) }
    _ = expectTorchError { _ = try vector.resized(to: 4, by: interpolation, scales: (1, 1)) }
  }
}
