// A small seeded generator, so that a scene is a pure function of its seed and index.

/// SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
struct RandomSource {
  private var state: UInt64

  /// Starts an independent stream for one index of one seed.
  init(seed: UInt64, index: Int) {
    state = Self.scramble(seed) ^ Self.scramble(UInt64(bitPattern: Int64(index)) &+ Self.step)
  }

  private static let step: UInt64 = 0x9E37_79B9_7F4A_7C15

  private static func scramble(_ value: UInt64) -> UInt64 {
    var z = value
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  mutating func next() -> UInt64 {
    state &+= Self.step
    return Self.scramble(state)
  }

  /// A number in 0..<1.
  mutating func unit() -> Float {
    Float(next() >> 40) * (1 / Float(1 << 24))
  }

  mutating func uniform(_ low: Float, _ high: Float) -> Float {
    low + (high - low) * unit()
  }

  mutating func integer(_ range: ClosedRange<Int>) -> Int {
    range.lowerBound + Int(next() >> 33) % range.count
  }

  mutating func chance(_ probability: Float) -> Bool {
    unit() < probability
  }

  /// One of the given options, each equally likely.
  mutating func pick<Option>(_ first: Option, _ others: Option...) -> Option {
    let choice = integer(0...others.count)
    return choice == 0 ? first : others[choice - 1]
  }

  mutating func shuffle<Element>(_ elements: inout [Element]) {
    for last in elements.indices.dropFirst().reversed() {
      elements.swapAt(last, integer(0...last))
    }
  }
}
