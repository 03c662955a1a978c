// Dropout: how much, and which elements.

import TestSupport
import Testing
import Torch

@Suite struct DropoutTests {
  @Test func dropoutDropsItsShareAndScalesTheRest() throws {
    let ones = try Tensor.full(1, shape: [100, 100])
    let result: [Float] = try ones.droppedOut(0.2, using: stream(3)).array()
    #expect(Set(result) == [0, 1.25])
    #expect((1800...2200).contains(result.count { $0 == 0 }))
    #expect(try ones.droppedOut(0.2, using: stream(3)).array() == result)
    #expect(try ones.droppedOut(0.2, using: stream(4)).array() != result)
    #expect(try ones.droppedOut(0, using: stream(3)) === ones)
  }

  private func stream(_ seed: UInt64) -> RandomStream {
    RandomStream(seed: seed, .dropoutInTraining)
  }

  @Test("A part of a batch loses what it loses in the whole, in every layout")
  func parts() throws {
    let whole: [Float] = try Tensor.full(1, shape: [5, 3, 4, 7])
      .droppedOut(0.4, using: stream(6)).array()
    let part = try Tensor.full(1, shape: [2, 3, 4, 7])
    let results = [
      try part.droppedOut(0.4, using: stream(6), firstImage: 3),
      try part.channelsLast().droppedOut(0.4, using: stream(6), firstImage: 3),
      try part.planesDroppedOut(0.4, using: stream(6), firstImage: 3),
    ]
    for result in results { #expect(try result.array() == Array(whole[3 * 84..<5 * 84])) }
  }

  @Test func everyLayerHasAStreamOfItsOwn() throws {
    let ones = try Tensor.full(1, shape: [100, 100])
    let streams = DropoutStreams(stream(3))
    let results: [[Float]] = try [2, 0, 1, 0].map {
      try ones.droppedOut(0.2, using: streams[layer: $0]).array()
    }
    #expect(Set(results).count == 3)
    #expect(results[1] == results[3])
    #expect(try ones.droppedOut(0.2, using: stream(3).part(2)).array() == results[0])
  }

  @Test(arguments: [1, 1.5, .infinity, -0.1, .nan]) func whatIsNoProbabilityIsAnError(p: Double)
    throws
  {
    let ones = try Tensor.full(1, shape: [4])
    _ = expectTorchError { _ = try ones.droppedOut(p, using: stream(1)) }
  }

  @Test func dropoutFollowsThePlaceAndNotTheMemory() throws {
    // Large enough to be split between threads, in the middle of an image too.
    let rows = try Tensor.full(1, shape: [3, 40, 31, 29])
    let expected: [Float] = try rows.droppedOut(0.3, using: stream(5)).array()
    #expect(try rows.channelsLast().droppedOut(0.3, using: stream(5)).array() == expected)
    let strange = try Tensor.full(1, shape: [3, 31, 29, 40]).permuted([0, 3, 2, 1])
    let turned = try Tensor.full(1, shape: [3, 40, 29, 31])
    #expect(
      try strange.droppedOut(0.3, using: stream(5)).array(of: Float.self)
        == turned.droppedOut(0.3, using: stream(5)).array())
    let half: [Float] = try rows.to(.bfloat16).droppedOut(0.3, using: stream(5)).to(.float32)
      .array()
    #expect(half.map { $0 > 0 } == expected.map { $0 > 0 })
    try withThreads(1) { () throws -> Void in
      #expect(try rows.droppedOut(0.3, using: stream(5)).array() == expected)
      #expect(try rows.channelsLast().droppedOut(0.3, using: stream(5)).array() == expected)
    }
  }

  /// Float64 takes the way that GPUs take, by libtorch's operations.
  @Test(arguments: [0, 0.3, 0.5, 0.999])
  func dropoutDropsTheSameOnAnyDevice(p: Double) throws {
    let ones = try Tensor.full(1, shape: [3, 5, 7, 2]).channelsLast()
    let here: [Float] = try ones.droppedOut(p, using: stream(9)).array()
    #expect(
      try ones.to(.float64).droppedOut(p, using: stream(9)).to(.float32).array() == here)
  }
}
