// safetensors (Hugging Face): eight bytes of length, a JSON header with types, shapes and offsets, and the
// numbers.

import Foundation

public enum Safetensors {
  /// Reads a file's tensors as float32: F16 and BF16 exactly, F64 and large integers rounded.
  ///
  /// - Throws: ``ExchangeError`` when the header is not what the format asks for, or does not describe
  ///   every byte once.
  public static func read(_ path: String) throws -> [String: PlainTensor] {
    try read(try regularFile(URL(fileURLWithPath: path)))
  }

  /// Reads the bytes of a file.
  public static func read(_ bytes: Data) throws -> [String: PlainTensor] {
    guard bytes.count >= 8 else {
      throw ExchangeError("is not a safetensors file: it is too short")
    }
    let length = bytes.withUnsafeBytes { UInt64(littleEndian: $0.loadUnaligned(as: UInt64.self)) }
    guard length <= UInt64(bytes.count - 8) else {
      throw ExchangeError("is not a safetensors file, or its header is cut off")
    }
    let header = Data(bytes.dropFirst(8).prefix(Int(length)))
    let numbers = bytes.dropFirst(8 + Int(length))
    let items: [String: Item]
    do {
      items = try JSONDecoder().decode([String: Item].self, from: header)
    } catch {
      throw ExchangeError("its header is not that of a safetensors file")
    }
    // A decoder keeps one of two entries of one name.
    guard keyCount(header) == items.count else { throw ExchangeError("names a tensor twice") }
    var tensors: [String: PlainTensor] = [:]
    var end = 0
    let entries = items.compactMap { name, item in item.entry.map { (name: name, entry: $0) } }
    let isBefore = { (one: (name: String, entry: Entry), other: (name: String, entry: Entry)) in
      one.entry.offsets.lexicographicallyPrecedes(other.entry.offsets)
    }
    for (name, entry) in entries.sorted(by: isBefore) {
      guard let format = formats[entry.dtype] else {
        throw ExchangeError("\(name): its type \(entry.dtype) is not read")
      }
      let offsets = entry.offsets
      guard offsets.count == 2, offsets[0] == end, (end...numbers.count).contains(offsets[1]) else {
        throw ExchangeError(
          "\(name): its offsets \(offsets) overlap others, leave a gap or are not in the file")
      }
      guard let count = elementCount(entry.shape), count * format.size == offsets[1] - offsets[0]
      else {
        throw ExchangeError(
          "\(name): a tensor of \(entry.shape) does not have \(offsets[1] - offsets[0]) bytes")
      }
      end = offsets[1]
      let range = numbers.startIndex + offsets[0]..<numbers.startIndex + end
      tensors[name] = PlainTensor(shape: entry.shape, values: format.floats(numbers[range]))
    }
    guard end == numbers.count else {
      throw ExchangeError("has \(numbers.count - end) bytes behind its last tensor")
    }
    return tensors
  }

  /// Tensors as a file's bytes: F32, in the order of their names.
  public static func bytes(of tensors: [String: PlainTensor]) throws -> Data {
    var items: [String: Entry] = [:]
    var numbers = Data()
    for (name, tensor) in tensors.sorted(by: { $0.key < $1.key }) {
      guard tensor.values.count == elementCount(tensor.shape) else {
        throw ExchangeError("\(name): has \(tensor.values.count) values for \(tensor.shape)")
      }
      let start = numbers.count
      numbers += littleEndianBytes(tensor.values)
      items[name] = Entry(dtype: "F32", shape: tensor.shape, offsets: [start, numbers.count])
    }
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    var header = try encoder.encode(items)
    // The numbers begin at a multiple of 8.
    header += Data(repeating: UInt8(ascii: " "), count: (8 - header.count % 8) % 8)
    return withUnsafeBytes(of: UInt64(header.count).littleEndian) { Data($0) } + header + numbers
  }

  /// What the header says of a tensor.
  private struct Entry: Codable {
    let dtype: String
    let shape: [Int]
    /// First and last byte, the last excluded.
    let offsets: [Int]

    enum CodingKeys: String, CodingKey {
      case dtype, shape
      case offsets = "data_offsets"
    }
  }

  private struct Item: Decodable {
    /// nil for the header's entry on the file itself.
    let entry: Entry?

    init(from decoder: any Decoder) throws {
      entry =
        decoder.codingPath.last?.stringValue == "__metadata__" ? nil : try Entry(from: decoder)
    }
  }

  /// The number of keys of a JSON object.
  private static func keyCount(_ json: Data) -> Int {
    var (count, depth, isInString, isEscaped) = (0, 0, false, false)
    for byte in json {
      if isInString {
        if isEscaped {
          isEscaped = false
        } else if byte == UInt8(ascii: "\\") {
          isEscaped = true
        } else if byte == UInt8(ascii: "\"") {
          isInString = false
        }
        continue
      }
      switch byte {
      case UInt8(ascii: "\""): isInString = true
      case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
      case UInt8(ascii: "}"), UInt8(ascii: "]"): depth -= 1
      case UInt8(ascii: ":") where depth == 1: count += 1
      default: break
      }
    }
    return count
  }

  private static let formats: [String: NumberFormat] = [
    "F64": .float64, "F32": .float32, "F16": .float16, "BF16": .bfloat16, "I64": .int64,
    "I32": .int32,
    "I8": .int8, "U8": .uint8, "BOOL": .boolean,
  ]
}
