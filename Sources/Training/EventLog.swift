// TensorBoard event files: a run's losses and masks in numbers, to be watched while it trains.

import Foundation

/// Writes one event file of TensorBoard's format, the scalar subset: protocol-buffer `Event` messages
/// (tensorflow/core/util/event.proto) in TFRecord frames (length, masked CRC-32C of the length,
/// message, masked CRC-32C of the message; all little-endian).
public final class EventLog {
  private let descriptor: Int32
  private let path: String
  /// Bytes in the file.
  private var written = 0
  /// Records that could not be written yet.
  private var waiting: [UInt8] = []

  /// Bytes of records that are kept while the file cannot be written, as on a full disk.
  private static let mostWaiting = 16 << 20

  /// - Parameters:
  ///   - folder: made when it does not exist.
  ///   - firstStep: TensorBoard forgets what earlier files of the folder say of this step and later.
  /// - Throws: ``EventLogError`` when the folder or the file cannot be made.
  public init(folder: String, firstStep: Int) throws {
    let now = Date().timeIntervalSince1970
    path =
      "\(folder)/events.out.tfevents.\(Int(now)).\(ProcessInfo.processInfo.hostName)."
      + "\(getpid())"
    do {
      try FileManager.default.createDirectory(
        atPath: folder, withIntermediateDirectories: true)
    } catch {
      throw EventLogError(folder, error.localizedDescription)
    }
    descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else { throw EventLogError(path, String(cString: strerror(errno))) }
    var version = Message()
    version.add(1, now)
    version.add(3, "brain.Event:2")
    try append(version)
    var start = Message()
    start.add(1, now)
    start.add(2, firstStep)
    // SessionLog with the status START.
    var session = Message()
    session.add(1, 1)
    start.add(7, session)
    try append(start)
  }

  deinit { close(descriptor) }

  /// Adds the values of one step.
  ///
  /// - Throws: ``EventLogError`` when the file cannot be written now; the values wait, and are written
  ///   with the next ones.
  public func add(_ scalars: [(tag: String, value: Double)], step: Int) throws {
    var summary = Message()
    for (tag, value) in scalars {
      var entry = Message()
      entry.add(1, tag)
      entry.add(2, Float(value))
      summary.add(1, entry)
    }
    var event = Message()
    event.add(1, Date().timeIntervalSince1970)
    event.add(2, step)
    event.add(5, summary)
    try append(event)
  }

  private func append(_ message: Message) throws {
    var record = Message()
    let length = Message.littleEndian(UInt64(message.bytes.count))
    record.bytes += length
    record.bytes += Message.littleEndian(maskedCRC32C(length))
    record.bytes += message.bytes
    record.bytes += Message.littleEndian(maskedCRC32C(message.bytes))
    // Beyond ``mostWaiting`` records are lost.
    if waiting.count < Self.mostWaiting { waiting += record.bytes }
    // Always at the end of what is known to be written: where a full disk took only a part, writing
    // goes on behind it.
    while !waiting.isEmpty {
      let count = waiting.withUnsafeBytes { pwrite(descriptor, $0.baseAddress, $0.count, written) }
      if count > 0 {
        written += count
        waiting.removeFirst(count)
      } else if errno != EINTR {
        throw EventLogError(path, String(cString: strerror(errno)))
      }
    }
  }
}

public struct EventLogError: Error, CustomStringConvertible {
  public let description: String

  fileprivate init(_ path: String, _ reason: String) {
    description = "\(path): cannot write: \(reason)"
  }
}

/// A protocol-buffer message under construction.
private struct Message {
  var bytes: [UInt8] = []

  private enum Wire: Int {
    case varint = 0
    case fixed64 = 1
    case delimited = 2
    case fixed32 = 5
  }

  mutating func add(_ field: Int, _ value: Int) {
    key(field, .varint)
    varint(UInt64(bitPattern: Int64(value)))
  }

  mutating func add(_ field: Int, _ value: Double) {
    key(field, .fixed64)
    bytes += Self.littleEndian(value.bitPattern)
  }

  mutating func add(_ field: Int, _ value: Float) {
    key(field, .fixed32)
    bytes += Self.littleEndian(value.bitPattern)
  }

  mutating func add(_ field: Int, _ text: String) { add(field, Array(text.utf8)) }

  mutating func add(_ field: Int, _ message: Message) { add(field, message.bytes) }

  private mutating func add(_ field: Int, _ content: [UInt8]) {
    key(field, .delimited)
    varint(UInt64(content.count))
    bytes += content
  }

  private mutating func key(_ field: Int, _ wire: Wire) {
    varint(UInt64(field << 3 | wire.rawValue))
  }

  private mutating func varint(_ value: UInt64) {
    var rest = value
    while rest >= 0x80 {
      bytes.append(UInt8(rest & 0x7F) | 0x80)
      rest >>= 7
    }
    bytes.append(UInt8(rest))
  }

  static func littleEndian<T: FixedWidthInteger>(_ value: T) -> [UInt8] {
    withUnsafeBytes(of: value.littleEndian, Array.init)
  }
}

/// CRC-32C (Castagnoli), rotated and offset as TFRecord files have it.
func maskedCRC32C(_ bytes: [UInt8]) -> UInt32 {
  var crc = UInt32.max
  for byte in bytes { crc = crc >> 8 ^ crcTable[Int(UInt8(truncatingIfNeeded: crc) ^ byte)] }
  crc = ~crc
  return (crc >> 15 | crc << 17) &+ 0xA282_EAD8
}

private let crcTable: [UInt32] = (0..<256).map { index in
  (0..<8).reduce(UInt32(index)) { value, _ in
    value & 1 == 1 ? value >> 1 ^ 0x82F6_3B78 : value >> 1
  }
}
