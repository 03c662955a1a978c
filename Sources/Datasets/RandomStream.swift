// Random numbers for order and augmentation: a function of seed and position, so that the same batch
// comes out whatever came before it.

/// SplitMix64 (Steele, Lea & Flood 2014).
struct RandomStream: RandomNumberGenerator {
  private var state: UInt64

  /// - Parameter position: what the numbers are for, such as the epoch or the sample's number.
  init(seed: UInt64, position: UInt64) {
    var mixer = RandomStream(state: seed)
    state = mixer.next() ^ position &* 0x9E37_79B9_7F4A_7C15
    _ = next()
  }

  private init(state: UInt64) { self.state = state }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
