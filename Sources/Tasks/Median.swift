// The median of many numbers.

/// The value with half of the others below it, or 0 of none.
///
/// Found digit by digit of 16 bits in the numbers' order (radix selection), since sorting a million
/// values takes longer than reading them.
package func median(_ values: [Float]) -> Float {
  guard !values.isEmpty else { return 0 }
  var keys = values.map(\.orderedBits)
  var rank = UInt32(0)
  var place = keys.count / 2
  for shift: UInt32 in [16, 0] {
    var counts = [Int](repeating: 0, count: 1 << 16)
    for key in keys { counts[Int(key >> shift & 0xFFFF)] += 1 }
    var digit = 0
    while place >= counts[digit] {
      place -= counts[digit]
      digit += 1
    }
    rank |= UInt32(digit) << shift
    keys = keys.filter { $0 >> shift == rank >> shift }
  }
  return Float(orderedBits: rank)
}

extension Float {
  /// A number whose order is that of the finite floats, −0 before 0.
  fileprivate var orderedBits: UInt32 {
    bitPattern >> 31 == 1 ? ~bitPattern : bitPattern | 1 << 31
  }

  fileprivate init(orderedBits: UInt32) {
    self.init(bitPattern: orderedBits >> 31 == 1 ? orderedBits & ~(1 << 31) : ~orderedBits)
  }
}
