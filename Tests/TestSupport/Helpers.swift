// What the tests of several rooms share: folders, repeatable random numbers, comparisons.

import Foundation

/// Calls `body` with the path of a new folder, which is removed afterwards.
public func withFolder<R>(_ body: (String) throws -> R) throws -> R {
  let folder = FileManager.default.temporaryDirectory.path + "/disparse-tests-" + UUID().uuidString
  try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
  defer { try? FileManager.default.removeItem(atPath: folder) }
  return try body(folder)
}

/// The names of what lies in a folder.
public func contents(_ folder: String) throws -> [String] {
  try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
}

public func bytes(_ path: String) throws -> Data {
  try Data(contentsOf: URL(fileURLWithPath: path))
}

/// Random numbers that are the same in every run (xorshift64*, Vigna 2016).
public struct SeededRandom: RandomNumberGenerator {
  private var state: UInt64

  public init(_ seed: UInt64) { state = (seed &+ 1) &* 0x9E37_79B9_7F4A_7C15 }

  public mutating func next() -> UInt64 {
    state ^= state >> 12
    state ^= state << 25
    state ^= state >> 27
    return state &* 0x2545_F491_4F6C_DD1D
  }

  public mutating func floats(_ count: Int, in range: Range<Float> = -1..<1) -> [Float] {
    (0..<count).map { _ in Float.random(in: range, using: &self) }
  }
}

/// The largest difference of two lists; infinite where they differ in length or a value is NaN.
public func largestDifference(_ a: [Float], _ b: [Double]) -> Double {
  guard a.count == b.count else { return .infinity }
  return zip(a, b).reduce(0) { largest, pair in
    let difference = abs(Double(pair.0) - pair.1)
    return difference.isNaN ? .infinity : max(largest, difference)
  }
}

public func largestDifference(_ a: [Float], _ b: [Float]) -> Double {
  largestDifference(a, b.map(Double.init))
}

/// |a − b| over |b|; infinite where either is NaN.
public func relativeDifference(_ a: Double, _ b: Double) -> Double {
  let difference = abs(a - b) / max(abs(b), .leastNormalMagnitude)
  return difference.isNaN ? .infinity : difference
}

/// Changes, drops, doubles or cuts some of the bytes.
public func damaged(_ bytes: [UInt8], _ random: inout SeededRandom) -> [UInt8] {
  var result = bytes
  for _ in 0..<Int.random(in: 1...4, using: &random) where !result.isEmpty {
    let place = Int.random(in: 0..<result.count, using: &random)
    switch Int.random(in: 0..<8, using: &random) {
    case 0: result.removeSubrange(place...)
    case 1: result.remove(at: place)
    case 2: result.insert(.random(in: 0...255, using: &random), at: place)
    case 3: result[place] = [0, 1, 0x7F, 0x80, 0xFF].randomElement(using: &random) ?? 0
    default: result[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
    }
  }
  return result
}
