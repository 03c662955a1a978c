// The progress line's numbers: its bar, times and rates.

import CommandLine
import Testing

@Suite struct ProgressTests {
  @Test("A bar is as full as the work is done, for numbers of any size")
  func bar() {
    for (done, total, filled) in [
      (0, 10, 0), (5, 10, 10), (9, 10, 18), (10, 10, 20), (3, 0, 20), (12, 10, 20),
      (Int.max / 2 + 1, Int.max, 10), (Int.max, Int.max, 20), (Int.max, 1, 20), (-4, 10, 0),
      (Int.min, Int.max, 0),
    ] {
      #expect(Progress.filled(done, of: total, width: 20) == filled, "\(done) of \(total)")
    }
  }

  @Test("Times of any length are formatted")
  func clock() {
    #expect(Progress.clock(0) == "0:00" && Progress.clock(61.4) == "1:01")
    #expect(Progress.clock(3599.6) == "1:00:00" && Progress.clock(36_125) == "10:02:05")
    #expect(Progress.clock(.nan) == "0:00")
    for seconds in [Double.infinity, 1e300] { #expect(Progress.clock(seconds).count > 10) }
  }

  @Test("Rates are whole numbers, at the first moment too")
  func rates() {
    let progress = Progress("test", total: .max, startingAt: .min + 1, quiet: true)
    for count in [0, 1, .max] { #expect(progress.perSecond(count) >= 0) }
    for (number, whole) in [
      (Double.nan, 0), (.infinity, 1 << 53), (-1e300, -1 << 53), (2.5, 3), (-0.4, 0),
    ] {
      #expect(Progress.whole(number) == whole)
    }
  }
}
