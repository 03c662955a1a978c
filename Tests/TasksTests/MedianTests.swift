// The median that the constant prediction of numbers is.

import Tasks
import TestSupport
import Testing

@Suite struct MedianTests {
  @Test("The median is that of sorted numbers", arguments: [1, 2, 3, 10, 1001, 70_000])
  func sorted(_ count: Int) {
    var random = SeededRandom(UInt64(count))
    for numbers in [
      random.floats(count, in: -2..<3), random.floats(count, in: 0..<1e-3),
      random.floats(count, in: 0..<3).map { $0.rounded() },
      random.floats(count, in: -1e30..<1e30),
    ] {
      #expect(median(numbers) == numbers.sorted()[count / 2])
    }
  }

  @Test("Of nothing it is 0")
  func empty() { #expect(median([]) == 0) }
}
