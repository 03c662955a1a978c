// ProcessGroup: the processes of one run.

import CMPI
import Foundation
import Synchronization
import Torch

/// The processes of one run: which one this is, and what they tell each other. A run of one process
/// needs no MPI, and everything it is told is its own.
///
/// All processes call the same functions in the same order, each from one thread at a time. What one of
/// them gets, all get, to the last bit: MPI combines in an order that follows from the number of
/// processes and the length, and hands all the same result.
public final class ProcessGroup: Sendable {
  public let rank: Int
  public let size: Int
  /// The hosts' names, by rank.
  public let hosts: [String]
  /// The tool's name, for messages.
  private let tool: String
  private let timeout: Duration
  /// Nil of one process.
  private nonisolated(unsafe) let communicator: MPI_Comm?
  /// For questions while a process waits.
  private nonisolated(unsafe) let questions: MPI_Comm?
  private let counts = Mutex(Counts())

  private struct Counts {
    var exchanges: Int64 = 0
    var bytes = 0
  }

  private static let joined = Mutex(ProcessGroup())

  /// The group that this process has joined, of it alone as long as it has joined none.
  public static var current: ProcessGroup { joined.withLock { $0 } }

  /// This process alone.
  private init() {
    (rank, size, hosts, tool, timeout) = (0, 1, [""], "", .zero)
    (communicator, questions) = (nil, nil)
  }

  private init(_ communicator: MPI_Comm, _ tool: String, timeout: Duration) throws {
    var (rank, size): (Int32, Int32) = (0, 1)
    var questions: MPI_Comm?
    try Self.check(MPI_Comm_rank(communicator, &rank))
    try Self.check(MPI_Comm_size(communicator, &size))
    // What is made of it answers errors as it does.
    try Self.check(cmpi_return_errors(communicator))
    try Self.check(MPI_Comm_dup(communicator, &questions))
    // Answers for the last question and the one before.
    let room = 4 * size * cmpi_room_for_a_number()
    try Self.check(MPI_Buffer_attach(malloc(Int(room)), room))
    self.rank = Int(rank)
    self.size = Int(size)
    self.tool = tool
    self.timeout = timeout
    self.communicator = communicator
    self.questions = questions
    hosts = try Self.hosts(rank: Int(rank), size: Int(size), communicator)
  }

  /// Joins the other processes that a launcher started with this one. Call once, before the others are
  /// needed; of a process that was started alone it takes no time.
  ///
  /// - Parameters:
  ///   - tool: the program's name, for messages.
  ///   - timeout: how long a process may keep the others waiting before the run is given up.
  /// - Throws: ``ProcessGroupError`` when MPI finds other processes than the launcher started.
  public static func join(as tool: String, timeout: Duration) throws -> ProcessGroup {
    let launch = Launch.current
    guard launch.size > 1 else { return current }
    // Of two or three processes Open MPI has one add everything while the others wait; in a ring, as it
    // takes for more, each adds its share.
    if launch.size < 4 { setenv("OMPI_MCA_coll_libnbc_iallreduce_algorithm", "ring", 0) }
    var provided: Int32 = 0
    // One thread at a time: a backward pass on a GPU has a thread of its own.
    try check(MPI_Init_thread(nil, nil, Int32(MPI_THREAD_SERIALIZED), &provided))
    var size: Int32 = 0
    try check(MPI_Comm_size(cmpi_world(), &size))
    guard size == launch.size else {
      throw ProcessGroupError(
        "started as one of \(launch.size) processes, but MPI finds \(size): the launcher is not of "
          + "the MPI that this program was built with (of srun, --mpi=pmix may help)")
    }
    var own: MPI_Comm?
    try check(MPI_Comm_dup(cmpi_world(), &own))
    guard let own else { throw ProcessGroupError("MPI gave no communicator") }
    let group = try ProcessGroup(own, tool, timeout: timeout)
    joined.withLock { $0 = group }
    return group
  }

  private static func hosts(rank: Int, size: Int, _ communicator: MPI_Comm) throws -> [String] {
    let length = 64
    var names = [UInt8](repeating: 0, count: length * size)
    for (index, byte) in ProcessInfo.processInfo.hostName.utf8.prefix(length).enumerated() {
      names[rank * length + index] = byte
    }
    try names.withUnsafeMutableBytes {
      var request: MPI_Request?
      try check(cmpi_gather($0.baseAddress, Int32(length), communicator, &request))
      var done: Int32 = 0
      while done == 0 { try check(cmpi_test(&request, &done)) }
    }
    return (0..<size).map {
      String(decoding: names[$0 * length..<($0 + 1) * length].prefix { $0 != 0 }, as: UTF8.self)
    }
  }

  private static func check(_ status: Int32) throws {
    guard status != MPI_SUCCESS else { return }
    throw ProcessGroupError(text(of: status))
  }

  private static func text(of status: Int32) -> String {
    var text = [CChar](repeating: 0, count: Int(MPI_MAX_ERROR_STRING))
    var length: Int32 = 0
    MPI_Error_string(status, &text, &length)
    return "MPI: "
      + String(decoding: text.prefix(Int(length)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  /// Whether this is the process that writes, speaks and checks.
  public var isFirst: Bool { rank == 0 }

  /// The part of `count` things that is this process's: the parts follow each other in the order of the
  /// ranks, and differ by one thing at most.
  public func share(of count: Int) -> Range<Int> {
    count * rank / size..<count * (rank + 1) / size
  }

  /// What a process is called in messages.
  public func name(ofProcess rank: Int) -> String { "process \(rank) on \(hosts[rank])" }

  /// Bytes that this process has given into sums.
  public var bytes: Int { counts.withLock { $0.bytes } }
}

/// Why the processes do not come together.
public struct ProcessGroupError: Error, CustomStringConvertible, Sendable {
  public let description: String

  init(_ description: String) { self.description = description }
}

// MARK: - What processes tell each other

extension ProcessGroup {
  /// The sums over all processes.
  public func sum(_ values: [Double]) -> [Double] {
    var values = values
    values.withUnsafeMutableBufferPointer { sum($0) }
    return values
  }

  private func sum(_ values: UnsafeMutableBufferPointer<Double>) {
    guard let communicator else { return }
    exchange(bytes: values.count * MemoryLayout<Double>.size) {
      cmpi_sum_doubles(values.baseAddress, Int32(values.count), communicator, &$0)
    }
  }

  /// Has batch-norm in training take its statistics over all processes' images.
  public func divideBatches() {
    guard size > 1 else { return }
    Torch.divideBatches { values, count in
      ProcessGroup.current.sum(UnsafeMutableBufferPointer(start: values, count: Int(count)))
    }
  }

  /// What the first process says.
  public func fromFirst(_ number: Int) -> Int {
    guard let communicator else { return number }
    var number = Int64(number)
    withUnsafeMutableBytes(of: &number) { number in
      exchange { cmpi_broadcast(number.baseAddress, Int32(number.count), communicator, &$0) }
    }
    return Int(number)
  }

  /// The first process that says another number than process 0 does; nil where all agree.
  public func dissenter(_ number: UInt64) -> Int? {
    guard let communicator else { return nil }
    var numbers = [UInt64](repeating: 0, count: size)
    numbers[rank] = number
    numbers.withUnsafeMutableBytes { numbers in
      exchange {
        cmpi_gather(numbers.baseAddress, Int32(numbers.count / size), communicator, &$0)
      }
    }
    return numbers.firstIndex { $0 != numbers[0] }
  }

  private func exchange(bytes: Int = 0, _ start: (inout MPI_Request?) -> Int32) {
    var exchange = begin(bytes: bytes, start)
    wait(for: &exchange)
  }
}

// MARK: - Exchanges under way

extension ProcessGroup {
  /// A sum or the like that all processes take part in.
  struct Exchange {
    fileprivate var request: MPI_Request?
    /// How many this process had begun before.
    fileprivate let number: Int64
  }

  /// - Parameter start: hands MPI the work.
  fileprivate func begin(bytes: Int, _ start: (inout MPI_Request?) -> Int32) -> Exchange {
    let number = counts.withLock { counts in
      counts.bytes += bytes
      counts.exchanges += 1
      return counts.exchanges - 1
    }
    var request: MPI_Request?
    demand(start(&request))
    return Exchange(request: request, number: number)
  }

  /// Begins to sum up values, which must stay where they are until it is done.
  func beginSum(_ values: UnsafeMutablePointer<Float>, count: Int) -> Exchange {
    begin(bytes: count * MemoryLayout<Float>.size) {
      cmpi_sum_floats(values, Int32(count), communicator, &$0)
    }
  }

  /// Lets an exchange go on; MPI works only while it is called.
  func advance(_ exchange: inout Exchange) {
    var isDone: Int32 = 0
    demand(cmpi_test(&exchange.request, &isDone))
  }

  /// Waits until an exchange is done; ends the run when another process takes too long.
  func wait(for exchange: inout Exchange) {
    let start = ContinuousClock.now
    while true {
      var isDone: Int32 = 0
      demand(cmpi_test(&exchange.request, &isDone))
      guard isDone == 0 else { return }
      let waited = ContinuousClock.now - start
      // The others are mostly as fast as this process. Where they are not, it leaves them the cores.
      if waited < .milliseconds(1) { continue }
      if waited < .milliseconds(10) {
        sched_yield()
        continue
      }
      usleep(100)
      answerQuestions(waitingFor: exchange.number)
      if waited > timeout { giveUp(exchange.number) }
    }
  }

  /// An error of MPI leaves the processes without a common state, so it ends the run.
  private func demand(_ status: Int32) {
    guard status != MPI_SUCCESS else { return }
    end("\(name(ofProcess: rank)): \(Self.text(of: status))")
  }
}

// MARK: - The end

extension ProcessGroup {
  /// Goes when all is done; the process is alone afterwards.
  public func leave() {
    guard size > 1 else { return }
    MPI_Finalize()
    Self.joined.withLock { $0 = ProcessGroup() }
  }

  /// Ends all processes at once, if there are others.
  public func abort(_ status: Int32) {
    if size > 1 { MPI_Abort(cmpi_world(), status) }
  }

  /// Ends the run on all processes because of an error on this one.
  public func fail(_ reason: String) -> Never {
    if isFirst { end(reason) }
    // The first process may well meet the same error, and then speaks for all.
    usleep(300_000 + 20_000 * UInt32(min(rank, 100)))
    end("\(name(ofProcess: rank)): \(reason)")
  }

  /// Prints a line that is of interest although this is not the first process.
  public func tell(_ line: String) { write("\(name(ofProcess: rank)): \(line)") }

  private func write(_ line: String) {
    FileHandle.standardError.write(Data("\(tool): \(line)\n".utf8))
  }

  private func end(_ line: String) -> Never {
    write(line)
    MPI_Abort(cmpi_world(), 1)
    exit(1)
  }

  private static let question: Int32 = 1
  private static let answer: Int32 = 2

  /// Tells those who ask that this process has come as far as they have.
  private func answerQuestions(waitingFor number: Int64) {
    while let (from, asked) = receive(Self.question) {
      if number >= asked { _ = cmpi_send(number, Int32(from), Self.answer, questions) }
    }
  }

  private func receive(_ tag: Int32) -> (from: Int, number: Int64)? {
    var (from, found): (Int32, Int32) = (0, 0)
    var number: Int64 = 0
    demand(cmpi_receive(&number, &from, tag, questions, &found))
    return found == 0 ? nil : (Int(from), number)
  }

  /// Ends the run, and names a process that has not come to an exchange: those that wait for it answer a
  /// question, and it does not.
  private func giveUp(_ number: Int64) -> Never {
    var silent = Set(0..<size).subtracting([rank])
    for other in silent { _ = cmpi_send(number, Int32(other), Self.question, questions) }
    let deadline = ContinuousClock.now + .seconds(2)
    while ContinuousClock.now < deadline {
      answerQuestions(waitingFor: number)
      while let (from, _) = receive(Self.answer) { silent.remove(from) }
      usleep(1000)
    }
    // The first of those that wait speaks; the others see to the end if it does not.
    if (0..<size).first(where: { !silent.contains($0) }) != rank { sleep(2) }
    let seconds = Int(timeout / .seconds(1))
    let others = silent.count > 1 ? " (nor have \(silent.count - 1) others)" : ""
    end(
      silent.min().map { "\(name(ofProcess: $0)): has not answered for \(seconds) s\(others)" }
        ?? "\(name(ofProcess: rank)): the network has brought nothing for \(seconds) s")
  }
}
