// Reading a file that somebody names, of whatever format.

import Foundation

/// What is wrong with a file that is none of ours: "file: reason".
public struct InputError: Error, CustomStringConvertible, Sendable {
  public let file: String
  public let reason: String

  public init(file: String, reason: String) {
    self.file = file
    self.reason = reason
  }

  public var description: String { "\(file): \(reason)" }
}

/// A plain file opened for reading. Nothing else is: a pipe would be waited for, for ever.
public final class InputFile {
  public let path: String
  private let descriptor: Int32
  /// Bytes.
  public let size: Int

  /// - Throws: ``InputError`` "no such file", "is a folder", "is not a plain file" or "cannot be
  ///   read: …".
  public init(_ path: String) throws {
    self.path = path
    descriptor = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)
    guard descriptor >= 0 else {
      let isMissing = errno == ENOENT || errno == ENOTDIR
      throw InputError(
        file: path,
        reason: isMissing ? "no such file" : "cannot be read: \(String(cString: strerror(errno)))")
    }
    var status = stat()
    fstat(descriptor, &status)
    size = Int(status.st_size)
    guard status.st_mode & S_IFMT == S_IFREG else {
      close(descriptor)
      let isFolder = status.st_mode & S_IFMT == S_IFDIR
      throw InputError(
        file: path, reason: isFolder ? "is a folder" : "is not a plain file")
    }
  }

  deinit { close(descriptor) }

  /// The next bytes; fewer than `count` at the file's end only.
  public func read(upTo count: Int) throws -> [UInt8] {
    try [UInt8](unsafeUninitializedCapacity: min(count, max(size, 1 << 12))) { memory, filled in
      while filled < memory.count {
        let rest = UnsafeMutableRawBufferPointer(
          rebasing: UnsafeMutableRawBufferPointer(memory)[filled...])
        let found = Foundation.read(descriptor, rest.baseAddress, rest.count)
        if found == 0 { return }
        if found > 0 {
          filled += found
        } else if errno != EINTR {
          throw InputError(
            file: path, reason: "cannot be read: \(String(cString: strerror(errno)))")
        }
      }
    }
  }

  /// Everything.
  public func readAll() throws -> [UInt8] {
    guard UInt64(size) <= ProcessInfo.processInfo.physicalMemory else {
      throw InputError(file: path, reason: "its \(size) bytes do not fit in memory")
    }
    return try read(upTo: size)
  }
}
