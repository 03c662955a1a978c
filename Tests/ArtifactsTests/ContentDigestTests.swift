// The digest of a file's content.

import Artifacts
import Foundation
import HDF5
import TestSupport
import Testing

@Suite struct ContentDigestTests {
  private typealias Part = @Sendable (ArtifactWriter) throws -> Void

  private static let parts: [Part] = [
    { try $0.write("b/floats", (0..<60).map(Float.init), shape: [3, 4, 5], .deflate) },
    { try $0.write("a", [1, 2, 3] as [UInt8], shape: [3]) },
    { try $0.write("c", [Double.pi], shape: []) },
    { try $0.writeStrings("names", ["x", "", "z"]) },
    { try $0.write("empty", [Int64](), shape: [0, 2]) },
  ]

  private func digests(_ parts: [Part]) throws -> (recorded: String?, computed: String) {
    try withFolder { folder in
      let writer = try ArtifactWriter(
        folder + "/a.h5", kind: .scores, provenance: someProvenance)
      for part in parts { try part(writer) }
      try writer.finish()
      let reader = try ArtifactReader(opening: folder + "/a.h5")
      return (reader.recordedDigest, try reader.computedDigest())
    }
  }

  @Test func whatIsRecordedIsWhatTheFileHolds() throws {
    let (recorded, computed) = try digests(Self.parts)
    #expect(recorded == computed)
    #expect(computed.count == 64)
    #expect(try digests([]).recorded == digests([]).computed)
  }

  @Test func theOrderOfWritingDoesNotMatter() throws {
    let expected = try digests(Self.parts).computed
    #expect(try digests(Self.parts.reversed()).recorded == expected)
    #expect(try digests(Array(Self.parts[2...] + Self.parts[..<2])).recorded == expected)
  }

  @Test func streamingAndCompressionDoNotMatter() throws {
    let values = (0..<60).map(Float.init)
    let whole = try digests([{ try $0.write("x", values, shape: [3, 20]) }]).recorded
    let streamed = try digests([
      { writer in
        let stream = try writer.stream("x", of: Float.self, shape: [3, 20])
        for row in 0..<3 { try stream.append(Array(values[row * 20..<row * 20 + 20])) }
        try writer.finish(stream)
      }
    ])
    #expect(streamed.recorded == whole && streamed.computed == whole)
  }

  @Test func everyNameShapeTypeAndValueMatters() throws {
    let variants: [Part] = [
      { try $0.write("x", [1, 2] as [Float], shape: [2]) },
      { try $0.write("y", [1, 2] as [Float], shape: [2]) },
      { try $0.write("g/x", [1, 2] as [Float], shape: [2]) },
      { try $0.write("x", [1, 2] as [Float], shape: [2, 1]) },
      { try $0.write("x", [1, 2] as [Double], shape: [2]) },
      { try $0.write("x", [2, 1] as [Float], shape: [2]) },
      { try $0.write("x", [1, Float(2).nextUp] as [Float], shape: [2]) },
      { try $0.writeStrings("x", ["ab", "c"]) },
      { try $0.writeStrings("x", ["a", "bc"]) },
    ]
    let all = try variants.map { try digests([$0]).computed }
    #expect(Set(all).count == variants.count)
  }

  @Test func aFlippedBitIsFound() throws {
    try withFolder { folder in
      let path = folder + "/a.h5"
      let values: [Float] = (0..<50).map { 1000 + Float($0) }
      let writer = try ArtifactWriter(path, kind: .model, provenance: someProvenance)
      try writer.write("x", values, shape: [50])
      try writer.finish()
      var data = try bytes(path)
      let stored = values.withUnsafeBytes { Data($0) }
      let place = try #require(data.range(of: stored)).lowerBound
      data[place + 101] ^= 1
      try data.write(to: URL(fileURLWithPath: path))
      let reader = try ArtifactReader(opening: path)
      #expect(try reader.root.floats("x") != values)
      #expect(try reader.recordedDigest != nil && reader.computedDigest() != reader.recordedDigest)
    }
  }

  @Test func manyRowsAreReadInParts() throws {
    // More than the 4 Mi elements that are read at once.
    let count = 5 << 20
    let (recorded, computed) = try digests([
      { try $0.write("x", (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31) }, shape: [count]) }
    ])
    #expect(recorded == computed)
  }

  @Test func theDigestOfWeightsIsThatOfTheModelFile() throws {
    let arrays = [
      NamedArray("b.weight", shape: [2, 1], [1, 2]),
      NamedArray("a.weight", shape: [3], [0, -1, 5]),
    ]
    let ofParameters = try ContentDigest.ofParameters(arrays.count) { arrays[$0] }
    let turned = Array(arrays.reversed())
    #expect(try ContentDigest.ofParameters(turned.count) { turned[$0] } == ofParameters)
    let written = try digests(
      arrays.map { array in
        { try $0.write("parameters/" + array.name, array.values, shape: array.shape) }
      })
    #expect(written.recorded == ofParameters)
  }

  @Test func filesOfOthersHaveNoRecordedDigest() throws {
    for reference in ReferenceCase.all {
      for path in [reference.dataset, reference.model] {
        let reader = try ArtifactReader(opening: path)
        #expect(reader.recordedDigest == nil)
        #expect(try reader.computedDigest().count == 64)
        #expect(reader.provenance.inputs.isEmpty)
      }
    }
  }
}
