// Arithmetic: against Swift's own, with broadcasting, in place, and on shapes that do not fit.

import TestSupport
import Testing
import Torch

@Suite struct ArithmeticTests {
  @Test func operatorsGiveSwiftsResults() throws {
    let (a, x) = try randomTensor([5, 7], seed: 1)
    let (b, y) = try randomTensor([5, 7], seed: 2)
    #expect(try (a + b).array() == zip(x, y).map { $0 + $1 })
    #expect(try (a - b).array() == zip(x, y).map { $0 - $1 })
    #expect(try (a * b).array() == zip(x, y).map { $0 * $1 })
    #expect(try (a / b).array() == zip(x, y).map { $0 / $1 })
    #expect(try (a * 0.3).array() == x.map { $0 * 0.3 })
    #expect(try (a + 0.3).array() == x.map { $0 + 0.3 })
    #expect(try a.abs().array() == x.map { abs($0) })
  }

  /// One picture or one value per channel against a batch.
  @Test(arguments: [[2, 3, 2, 4], [1, 3, 1, 1], [2, 4], []])
  func gradientsAreThoseOfSchool(shape: [Int]) throws {
    let inputs = [
      Values(random: [2, 3, 2, 4], seed: 1), Values(random: shape, seed: 2).map { $0 + 2 },
    ]
    func pairwise(_ inputs: [Values], _ body: (Double, Double) -> Double) -> Values {
      Values([2, 3, 2, 4]) { i in
        let place = zip(i.suffix(shape.count), shape).map { min($0, $1 - 1) }
        return body(inputs[0][i], inputs[1][place])
      }
    }
    try expectAgreement(inputs) {
      try $0[0] + $0[1]
    } with: {
      pairwise($0, +)
    }
    try expectAgreement(inputs) {
      try $0[0] - $0[1]
    } with: {
      pairwise($0, -)
    }
    try expectAgreement(inputs) {
      try $0[0] * $0[1]
    } with: {
      pairwise($0, *)
    }
    try expectAgreement(inputs) {
      try $0[0] / $0[1]
    } with: {
      pairwise($0, /)
    }
    try expectAgreement([inputs[1]]) {
      try $0[0] * -1.5 + 0.25
    } with: {
      $0[0].map { $0 * -1.5 + 0.25 }
    }
  }

  @Test func aRowIsAddedToEveryRow() throws {
    let matrix = try Tensor([1, 2, 3, 4, 5, 6] as [Float], shape: [2, 3])
    let row = try Tensor([10, 20, 30] as [Float], shape: [3])
    let sum = try matrix + row
    #expect(sum.shape == [2, 3])
    #expect(try sum.array(of: Float.self) == [11, 22, 33, 14, 25, 36])
  }

  @Test func aColumnTimesARowIsATable() throws {
    let column = try Tensor([1, 2] as [Float], shape: [2, 1])
    let row = try Tensor([3, 4, 5] as [Float], shape: [1, 3])
    let table = try column * row
    #expect(table.shape == [2, 3])
    #expect(try table.array(of: Float.self) == [3, 4, 5, 6, 8, 10])
  }

  @Test func aSingleValueMeetsEveryElement() throws {
    let one = try Tensor.full(1, shape: [])
    let values = try Tensor([0.25, -2] as [Float], shape: [2])
    #expect(try (one - values).array(of: Float.self) == [0.75, 3])
  }

  @Test func batchesMeetAValuePerChannel() throws {
    let (images, values) = try randomTensor([2, 3, 2, 2])
    let mean = try Tensor([1, 2, 3] as [Float], shape: [1, 3, 1, 1])
    let expected = indices(of: [2, 3, 2, 2]).enumerated().map { values[$0] - Float($1[1] + 1) }
    #expect(try (images - mean).array() == expected)
    #expect(try (images.channelsLast() - mean).array() == expected)
  }

  @Test func sumsGoOverEverythingOrOneDimension() throws {
    let tensor = try Tensor((0..<24).map(Float.init), shape: [2, 3, 4])
    #expect(try tensor.sum().item() == 276)
    #expect(try tensor.sum().shape == [])
    #expect(try tensor.sum(over: 0).array() == (0..<12).map { Float(2 * $0 + 12) })
    let middle = try tensor.sum(over: 1)
    #expect(middle.shape == [2, 4])
    #expect(try middle.array(of: Float.self) == [12, 15, 18, 21, 48, 51, 54, 57])
  }

  @Test func argmaxNamesTheLargestAlongADimension() throws {
    let tensor = try Tensor([1, 9, 3, 7, 2, 8] as [Float], shape: [2, 3])
    #expect(try tensor.argmax(over: 1).array(of: Int64.self) == [1, 2])
    #expect(try tensor.argmax(over: 0).array(of: Int64.self) == [1, 0, 1])
  }

  @Test func inPlaceOperationsChangeTheTensorThatIsNamed() throws {
    let tensor = try Tensor([1, 2, 3] as [Float], shape: [3])
    let other = try Tensor([10, 20, 30] as [Float], shape: [3])
    try tensor.add(other)
    #expect(try tensor.array(of: Float.self) == [11, 22, 33])
    try tensor.add(other, times: -0.5)
    #expect(try tensor.array(of: Float.self) == [6, 12, 18])
    try tensor.assign(other)
    #expect(try tensor.array(of: Float.self) == [10, 20, 30])
    try tensor.add(tensor)
    #expect(try other.array(of: Float.self) == [10, 20, 30])
  }

  @Test(arguments: [false, true])
  func aMaskZeroesWhatItPrunes(_ channelsLast: Bool) throws {
    let (source, values) = try randomTensor([2, 3, 4, 5])
    let mask = (0..<values.count).map { UInt8($0 % 3 == 0 ? 1 : 0) }
    // Alike or not, the formats of tensor and mask do not matter.
    let tensor = channelsLast ? try source.channelsLast() : source
    for kept in [
      try Tensor(mask, shape: [2, 3, 4, 5]), try Tensor(mask, shape: [2, 3, 4, 5]).channelsLast(),
    ] {
      try tensor.keep(kept)
      let masked: [Float] = try tensor.array()
      #expect(masked == zip(values, mask).map { $1 == 1 ? $0 : 0 })
      #expect(masked.allSatisfy { $0 != 0 || $0.bitPattern == 0 })
    }
  }

  @Test func aMaskIsAByteForEachElement() throws {
    let tensor = try Tensor.full(1, shape: [2, 3])
    _ = expectTorchError { try tensor.keep(Tensor([1, 0] as [UInt8], shape: [2])) }
    _ = expectTorchError { try tensor.keep(Tensor.full(1, shape: [2, 3])) }
    #expect(try tensor.array(of: Float.self) == [1, 1, 1, 1, 1, 1])
  }

  @Test func loopsOnAllThreadsCoverTheirRangeOnce() throws {
    for count in [0, 1, 70_000, 1_000_003] {
      let sums = inParallel(0..<count) { range in range.reduce(0, +) }
      #expect(sums.reduce(0, +) == count * (count - 1) / 2)
    }
  }

  @Test func assigningKeepsTheOrderWhateverTheMemoryFormat() throws {
    let (source, values) = try randomTensor([2, 3, 4, 5])
    let target = try Tensor.full(0, shape: [2, 3, 4, 5]).channelsLast()
    try target.assign(source)
    #expect(try target.array() == values)
  }

  @Test func shapesThatDoNotFitAreAnError() throws {
    let a = try Tensor.full(1, shape: [2, 3])
    let b = try Tensor.full(1, shape: [4])
    for operation in [(+), (-), (*), (/)] as [(Tensor, Tensor) throws -> Tensor] {
      let text = expectTorchError { _ = try operation(a, b) }
      #expect(text.contains("3") && text.contains("4"))
    }
    _ = expectTorchError { try a.add(b) }
    _ = expectTorchError { try a.assign(b) }
    _ = expectTorchError { _ = try a.sum(over: 2) }
  }

  @Test func inPlaceOperationsOnALeafThatIsDifferentiatedAreAnError() throws {
    let leaf = try Tensor.full(1, shape: [2])
    try leaf.requireGradient()
    _ = expectTorchError { try leaf.add(leaf) }
    #expect(try leaf.array(of: Float.self) == [1, 1])
  }
}
