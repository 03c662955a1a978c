// Moves strings between Swift and HDF5, for datasets and attributes alike.

import CHDF5
import Foundation

extension Place {
  /// Makes a null-terminated UTF-8 string type of `length` bytes, which the caller closes.
  func stringType(length: Int, characters: H5T_cset_t = H5T_CSET_UTF8) throws -> hid_t {
    let type = try check("create") { H5Tcopy(chdf5_c_string()) }
    do {
      try check("create") { H5Tset_size(type, length) }
      try check("create") { H5Tset_cset(type, characters) }
    } catch {
      H5Tclose(type)
      throw error
    }
    return type
  }

  /// Makes the type of UTF-8 strings that are padded with zeros, one at least, to one length.
  func stringType(of values: [String]) throws -> hid_t {
    try stringType(length: (values.map(\.utf8.count).max() ?? 0) + 1)
  }

  /// Throws if a string cannot be stored: in HDF5 a zero byte ends a string.
  func checkStrings(_ values: [String]) throws {
    for (index, value) in values.enumerated() where value.utf8.contains(0) {
      throw error("string \(index) contains a zero byte")
    }
  }

  /// Reads `count` strings, of fixed or variable length, that are stored as `type` in `space`.
  /// `read` is given the type in memory and the memory.
  func readStrings(
    _ count: Int, type: hid_t, space: hid_t,
    read: (_ memoryType: hid_t, UnsafeMutableRawPointer) throws -> herr_t
  ) throws -> [String] {
    if count == 0 { return [] }
    let isVariable = try check("read") { H5Tis_variable_str(type) } > 0
    return try isVariable
      ? readVariable(count, type, space, read) : readFixed(count, type, read)
  }

  private func readVariable(
    _ count: Int, _ type: hid_t, _ space: hid_t,
    _ read: (hid_t, UnsafeMutableRawPointer) throws -> herr_t
  ) throws -> [String] {
    try checkMemory(count, of: MemoryLayout<UnsafeMutablePointer<CChar>?>.stride)
    let memoryType = try stringType(
      length: chdf5_variable_length(), characters: H5Tget_cset(type))
    defer { H5Tclose(memoryType) }
    var pointers = [UnsafeMutablePointer<CChar>?](repeating: nil, count: count)
    return try pointers.withUnsafeMutableBytes { memory in
      guard let base = memory.baseAddress else { return [] }
      defer { H5Dvlen_reclaim(memoryType, space, chdf5_default(), base) }
      try check("read") { try read(memoryType, base) }
      return memory.bindMemory(to: UnsafeMutablePointer<CChar>?.self).map {
        $0.map { String(cString: $0) } ?? ""
      }
    }
  }

  private func readFixed(
    _ count: Int, _ type: hid_t, _ read: (hid_t, UnsafeMutableRawPointer) throws -> herr_t
  ) throws -> [String] {
    let size = H5Tget_size(type)
    guard size > 0 else { throw error("has strings of no size") }
    try checkMemory(count, of: size)
    let isSpacePadded = H5Tget_strpad(type) == H5T_STR_SPACEPAD
    var bytes = [UInt8](repeating: 0, count: count * size)
    try bytes.withUnsafeMutableBytes { memory in
      guard let base = memory.baseAddress else { return }
      try check("read") { try read(type, base) }
    }
    return (0..<count).map { index in
      var text = bytes[(index * size)..<((index + 1) * size)].prefix { $0 != 0 }
      while isSpacePadded, text.last == UInt8(ascii: " ") { text.removeLast() }
      return String(decoding: text, as: UTF8.self)
    }
  }
}

/// Strings end to end, each padded with zero bytes.
func paddedStrings(_ values: [String], length: Int) -> [UInt8] {
  values.flatMap { value in
    Array(value.utf8) + [UInt8](repeating: 0, count: length - value.utf8.count)
  }
}
