// Seeded random numbers: repeatable, and distributed as they say.

import Testing
import Torch

@Suite struct RandomTests {
  private let count = 200_000

  private func normals(_ seed: UInt64, _ purpose: RandomStream.Purpose = .order) throws -> [Float] {
    try Tensor.normal(
      mean: 2, deviation: 0.5, shape: [count], stream: RandomStream(seed: seed, purpose)
    ).array()
  }

  private func uniforms(_ seed: UInt64) throws -> [Float] {
    try Tensor.uniform(-3, 5, shape: [count], stream: RandomStream(seed: seed, .order)).array()
  }

  @Test func theSeedSettlesTheNumbers() throws {
    #expect(try normals(7) == normals(7))
    #expect(try uniforms(7) == uniforms(7))
    #expect(try normals(7) != normals(8))
    #expect(try uniforms(0) != uniforms(1 << 40))
  }

  @Test func theNumberOfThreadsDoesNotMatter() throws {
    let several = (try normals(3), try uniforms(3))
    try withThreads(1) { () throws -> Void in
      #expect(try normals(3) == several.0)
      #expect(try uniforms(3) == several.1)
    }
  }

  @Test func streamsShareNothingAndAreUncorrelated() throws {
    // Neighbouring seeds, all purposes, neighbouring indices.
    var streams: [RandomStream] = []
    for seed in UInt64(0)..<4 {
      for purpose in RandomStream.Purpose.allCases {
        for index in 0..<4 { streams.append(RandomStream(seed: seed, purpose, index: index)) }
      }
    }
    let draws = streams.map { stream in
      var stream = stream
      return (0..<1000).map { _ in stream.next() }
    }
    #expect(Set(draws.joined()).count == draws.count * 1000)
    let units = draws.map { $0.map { Double($0) * 0x1p-64 - 0.5 } }
    // A sum of 1000 products of variance 1/144 has the deviation 2.64.
    for first in units.indices {
      for second in units.indices where second > first {
        let sum = zip(units[first], units[second]).reduce(0) { $0 + $1.0 * $1.1 }
        #expect(abs(sum) < 6 * 2.64, "streams \(first) and \(second)")
      }
    }
    let parts = (0..<3).map { index in
      var part = streams[0].part(index)
      return part.next()
    }
    #expect(Set(parts + draws[0]).count == 1003)
  }

  @Test func normalNumbersHaveTheirMeanAndDeviation() throws {
    let values = try normals(3).map(Double.init)
    let mean = values.reduce(0, +) / Double(count)
    let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(count)
    #expect(abs(mean - 2) < 0.005)
    #expect(abs(variance - 0.25) < 0.005)
    // Shares beyond one, two and three deviations.
    for (deviations, share) in [(1.0, 0.317311), (2, 0.045500), (3, 0.002700)] {
      let beyond = values.count { abs($0 - 2) > 0.5 * deviations }
      let error = (share * (1 - share) / Double(count)).squareRoot()
      #expect(abs(Double(beyond) / Double(count) - share) < 5 * error)
    }
  }

  @Test func uniformNumbersFillTheirRange() throws {
    let values = try uniforms(3)
    #expect(values.allSatisfy { (-3..<5).contains($0) })
    for quarter in 0..<4 {
      let low = Float(-3 + 2 * quarter)
      #expect((49_000...51_000).contains(values.count { (low..<low + 2).contains($0) }))
    }
  }
}
