// What any file to be written must meet, and writing text as safely as the HDF5 files.

import Foundation
import HDF5

/// What a file is to hold that a tool writes.
public enum OutputKind: Equatable, Sendable, CustomStringConvertible {
  case artifact(ArtifactKind)
  /// An HTML page.
  case page
  /// The tables of a comparison.
  case csv, json, latex
  case png
  /// What other programs read networks and weights from.
  case onnx, pth, safetensors

  public var description: String {
    switch self {
    case .artifact(let kind): "\(kind.rawValue) file"
    case .page: "page"
    case .csv: "comparison in CSV"
    case .json: "comparison in JSON"
    case .latex: "comparison in LaTeX"
    case .png: "PNG picture"
    case .onnx: "ONNX file"
    case .pth: "PyTorch checkpoint"
    case .safetensors: "safetensors file"
    }
  }
}

public enum OutputFile {
  /// Tells before hours of work whether a file can be written, and that it replaces nothing but what
  /// an earlier run of the same kind left: a file that somebody else made is not ours to destroy.
  ///
  /// - Parameters:
  ///   - kind: what will be written.
  ///   - inputs: the files that the run reads; none of them may be replaced, by whatever name.
  /// - Throws: ``ArtifactError`` when there is no such folder, or something has the name that is not
  ///   to be replaced.
  public static func check(_ path: String, _ kind: OutputKind, inputs: [String] = []) throws {
    let target = try target(of: path)
    let folder = URL(fileURLWithPath: target).deletingLastPathComponent().path
    guard access(folder, W_OK | X_OK) == 0 else { throw failure(path, errno) }
    var status = stat()
    guard stat(target, &status) == 0 else { return }
    switch status.st_mode & S_IFMT {
    case S_IFREG: break
    case S_IFDIR: throw ArtifactError(file: path, path: "", reason: "is a folder")
    default: throw ArtifactError(file: path, path: "", reason: "is not a plain file")
    }
    if let input = inputs.first(where: { isSame($0, path) }) {
      throw ArtifactError(
        file: path, path: "",
        reason: "is an input of this run" + (input == path ? "" : " (\(input))"))
    }
    // Nothing is lost with an empty file, such as mktemp makes.
    guard status.st_size > 0, try !holds(kind, target) else { return }
    throw ArtifactError(
      file: path, path: "",
      reason: "is there already and is no \(kind); choose another name, or remove it")
  }

  /// Whether a file that is there holds what is to be written anew.
  private static func holds(_ kind: OutputKind, _ path: String) throws -> Bool {
    switch kind {
    case .artifact(let kind):
      do {
        return try ArtifactReader(opening: path).kind == kind
      } catch let error as ArtifactError where !error.isLocked {
        return false
      }
    case .page:
      let start = String(decoding: try InputFile(path).read(upTo: 256), as: UTF8.self).lowercased()
      let text = start.drop { $0.isWhitespace }
      return text.hasPrefix("<!doctype html") || text.hasPrefix("<html")
    case .csv: return try begins(path, with: Array("method,runs,".utf8))
    case .json: return try begins(path, with: Array("{\n  \"methods\"".utf8))
    case .latex: return try begins(path, with: Array("% evaluate compare".utf8))
    case .png: return try begins(path, with: [0x89, 0x50, 0x4E, 0x47])
    // The field of the version, which comes first.
    case .onnx: return try begins(path, with: [0x08])
    case .pth: return try begins(path, with: Array("PK".utf8))
    // Behind the length of the header.
    case .safetensors:
      return try InputFile(path).read(upTo: 9).dropFirst(8).first == UInt8(ascii: "{")
    }
  }

  private static func begins(_ path: String, with signature: [UInt8]) throws -> Bool {
    try InputFile(path).read(upTo: signature.count).elementsEqual(signature)
  }

  /// Where a path leads: a symbolic link is followed, so that it stays and its target is replaced.
  static func target(of path: String) throws -> String {
    var target = path
    for _ in 0..<40 {
      guard let next = try? FileManager.default.destinationOfSymbolicLink(atPath: target) else {
        return target
      }
      let folder = URL(fileURLWithPath: target).deletingLastPathComponent()
      target = URL(fileURLWithPath: next, relativeTo: folder).path
    }
    throw failure(path, ELOOP)
  }

  /// The name of a file that belongs to another: model.h5 with "-best" is model-best.h5.
  public static func path(beside path: String, _ suffix: String) -> String {
    let stem = path.hasSuffix(".h5") ? String(path.dropLast(3)) : path
    return stem + suffix + ".h5"
  }

  /// Removes a file that is there from before.
  ///
  /// - Throws: as ``check(_:_:inputs:)``, and when the file cannot be removed.
  public static func remove(_ path: String, _ kind: OutputKind) throws {
    try check(path, kind)
    if unlink(path) != 0, errno != ENOENT { throw failure(path, errno) }
  }

  /// Whether two paths lead to the same file, by device and inode; where neither is there yet, by name.
  public static func isSame(_ path: String, _ other: String) -> Bool {
    var (first, second) = (stat(), stat())
    switch (stat(path, &first) == 0, stat(other, &second) == 0) {
    case (true, true): return first.st_dev == second.st_dev && first.st_ino == second.st_ino
    case (false, false):
      func resolved(_ path: String) -> String {
        URL(fileURLWithPath: (try? target(of: path)) ?? path).resolvingSymlinksInPath().path
      }
      return resolved(path) == resolved(other)
    default: return false
    }
  }

  /// The last part of a path.
  static func name(of path: String) -> String { URL(fileURLWithPath: path).lastPathComponent }

  /// Writes a text so that it appears whole or not at all.
  ///
  /// - Throws: ``ArtifactError`` with the system's reason; then nothing appears.
  public static func write(_ text: String, _ kind: OutputKind, to path: String) throws {
    try write(Array(text.utf8), kind, to: path)
  }

  /// Writes a file so that it appears whole or not at all.
  ///
  /// - Throws: ``ArtifactError`` with the system's reason; then nothing appears.
  public static func write(_ bytes: some ContiguousBytes, _ kind: OutputKind, to path: String)
    throws
  {
    try check(path, kind)
    let partial = try PartialFile.begin(path)
    try bytes.withUnsafeBytes { bytes in
      var rest = bytes[...]
      while !rest.isEmpty {
        let written = Foundation.write(
          partial.descriptor, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
        if written >= 0 {
          rest = rest.dropFirst(written)
        } else if errno != EINTR {
          throw failure(path, errno)
        }
      }
    }
    try partial.finish()
  }

  static func failure(_ path: String, _ number: Int32) -> ArtifactError {
    let isMissing = number == ENOENT || number == ENOTDIR
    return ArtifactError(
      file: path, path: "",
      reason: isMissing ? "no such folder" : "cannot write: \(String(cString: strerror(number)))")
  }
}
