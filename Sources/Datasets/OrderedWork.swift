// Work on several threads whose results come in order.

import Dispatch
import Synchronization

/// Makes results 0, 1, 2, … ahead of their use, on a number of threads, and hands them out in order.
package final class OrderedWork<Value: Sendable> {
  private let queues: [DispatchQueue]
  private let make: @Sendable (Int) throws -> Value
  private var upcoming: ArraySlice<Upcoming<Value>> = []
  private var next: Int
  private let end: Int
  private let ahead: Int

  /// - Parameters:
  ///   - range: the numbers of the results.
  ///   - threads: made at the same time.
  ///   - ahead: made before they are asked for, at least 1.
  package init(
    _ range: Range<Int>, threads: Int, ahead: Int, _ make: @escaping @Sendable (Int) throws -> Value
  ) {
    queues = (0..<threads).map { DispatchQueue(label: "ordered work \($0)") }
    self.make = make
    next = range.lowerBound
    end = range.upperBound
    self.ahead = ahead
    fill()
  }

  /// Nothing goes on behind the owner's back: files it reads may be closed, or the process end.
  deinit {
    for value in upcoming { _ = try? value.value() }
  }

  /// The next result; nil after the last one.
  package func value() throws -> Value? {
    guard let first = upcoming.popFirst() else { return nil }
    let value = try first.value()
    fill()
    return value
  }

  private func fill() {
    while upcoming.count < ahead, next < end {
      let (make, number) = (make, next)
      upcoming.append(Upcoming(on: queues[number % queues.count]) { try make(number) })
      next += 1
    }
  }
}

/// A value that is being made on another thread.
private final class Upcoming<Value: Sendable>: Sendable {
  private let result = Mutex<Result<Value, any Error>?>(nil)
  private let done = DispatchSemaphore(value: 0)

  init(on queue: DispatchQueue, _ make: @escaping @Sendable () throws -> Value) {
    queue.async { [self] in
      let made = Result { try make() }
      result.withLock { $0 = made }
      done.signal()
    }
  }

  /// Waits for the value; call once.
  func value() throws -> Value {
    done.wait()
    guard let result = result.withLock({ $0 }) else { throw CancellationError() }
    return try result.get()
  }
}
