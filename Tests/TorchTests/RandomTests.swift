// Seeded random numbers: repeatable, and distributed as they say.

import Testing
import Torch

@Suite struct RandomTests {
  private func normals(_ seed: UInt64) throws -> [Float] {
    try Tensor.normal(mean: 2, deviation: 0.5, shape: [40_000], using: Generator(seed: seed))
      .array()
  }

  private func uniforms(_ seed: UInt64) throws -> [Float] {
    try Tensor.uniform(-3, 5, shape: [40_000], using: Generator(seed: seed)).array()
  }

  @Test func theSeedSettlesTheNumbers() throws {
    #expect(try normals(7) == normals(7))
    #expect(try uniforms(7) == uniforms(7))
    #expect(try normals(7) != normals(8))
    #expect(try uniforms(0) != uniforms(1 << 40))
  }

  @Test func aGeneratorGoesOn() throws {
    let generator = try Generator(seed: 1)
    let first: [Float] = try Tensor.uniform(0, 1, shape: [50], using: generator).array()
    let second: [Float] = try Tensor.uniform(0, 1, shape: [50], using: generator).array()
    #expect(first != second)
  }

  @Test func generatorsDoNotDisturbEachOther() throws {
    let (a, b) = (try Generator(seed: 1), try Generator(seed: 1))
    let first: [Float] = try Tensor.normal(deviation: 1, shape: [50], using: a).array()
    #expect(try Tensor.normal(deviation: 1, shape: [50], using: b).array() == first)
  }

  @Test func normalNumbersHaveTheirMeanAndDeviation() throws {
    let values = try normals(3).map(Double.init)
    let mean = values.reduce(0, +) / 40_000
    let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 40_000
    #expect(abs(mean - 2) < 0.01)
    #expect(abs(variance - 0.25) < 0.01)
  }

  @Test func uniformNumbersFillTheirRange() throws {
    let values = try uniforms(3)
    #expect(values.allSatisfy { (-3..<5).contains($0) })
    for quarter in 0..<4 {
      let low = Float(-3 + 2 * quarter)
      #expect((9_700...10_300).contains(values.count { (low..<low + 2).contains($0) }))
    }
  }
}
