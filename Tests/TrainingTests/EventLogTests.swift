// Event files on a disk that is full for some steps.

import Foundation
import TestSupport
import Testing
import Training

@Suite struct EventLogTests {
  @Test func whatCouldNotBeWrittenIsWrittenLater() async {
    await #expect(processExitsWith: .success) {
      // A file may not grow beyond a limit, as if the disk were full there.
      signal(SIGXFSZ, SIG_IGN)
      func limit(_ bytes: UInt) {
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit)
        limit.rlim_cur = min(bytes, limit.rlim_max)
        setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit)
      }
      func write(_ folder: String, isFullFor full: Range<Int>) throws -> [UInt8] {
        let log = try EventLog(folder: folder, firstStep: 1)
        for step in 1...20 {
          if step == full.lowerBound { limit(300) }
          if step == full.upperBound { limit(.max) }
          do {
            try log.add([("loss", Double(step))], step: step)
          } catch {
            #expect(full.contains(step) && error is EventLogError)
          }
        }
        let name = try #require(try contents(folder).first)
        return [UInt8](try bytes(folder + "/" + name))
      }
      try withFolder { folder in
        let smooth = try write(folder + "/smooth", isFullFor: 0..<0)
        let disturbed = try write(folder + "/disturbed", isFullFor: 2..<12)
        #expect(smooth.count == disturbed.count)
        // Each record begins with its length: all records are there, and the last ends with the file.
        var (place, records) = (0, 0)
        while place + 12 <= disturbed.count {
          let length = disturbed[place..<place + 8].reversed().reduce(0) { $0 << 8 | Int($1) }
          place += 16 + length
          records += 1
        }
        #expect(place == disturbed.count && records == 22)
      }
    }
  }
}
