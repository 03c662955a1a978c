// What the kinds of file have in common: the header that says what a file is, and its check.

import Foundation
import HDF5

/// What is wrong with a file: "file: /dataset: reason".
public typealias ArtifactError = HDF5Error

/// The kinds of file that the tools exchange.
public enum ArtifactKind: String, Sendable, CaseIterable {
  case dataset, scores, masks, model, metrics, predictions

  /// The newest layout that this build reads and writes.
  static let formatVersion = 1
}

/// A file opened for reading whose header has been checked.
public final class ArtifactReader: Sendable {
  public let path: String
  public let kind: ArtifactKind
  public let file: File
  public var root: Group { file.root }

  /// Opens any of them.
  public convenience init(opening path: String) throws {
    try self.init(path, expected: nil)
  }

  /// Opens a file of the given kind.
  ///
  /// - Throws: ``ArtifactError`` when the file is missing, is not HDF5, is truncated, is of another
  ///   kind or of a newer format version.
  public convenience init(opening path: String, as kind: ArtifactKind) throws {
    try self.init(path, expected: kind)
  }

  private init(_ path: String, expected: ArtifactKind?) throws {
    self.path = path
    file = try File.open(path)
    let wanted = expected?.rawValue ?? "disparse"
    guard file.root.hasAttribute("format") else {
      throw ArtifactError(
        file: path, path: "", reason: "not a \(wanted) file (it has no attribute 'format')")
    }
    let format: String = try file.root.attribute("format")
    guard let kind = ArtifactKind(rawValue: format), expected == nil || kind == expected else {
      throw ArtifactError(
        file: path, path: "", reason: "expected a \(wanted) file, found a \(format) file")
    }
    self.kind = kind
    let version: Int = try file.root.attribute("format_version")
    guard version >= 1 else {
      throw ArtifactError(
        file: path, path: "", reason: "format_version \(version) is none that there is")
    }
    guard version <= ArtifactKind.formatVersion else {
      throw ArtifactError(
        file: path, path: "",
        reason: "format_version \(version) is newer than this tool reads "
          + "(\(ArtifactKind.formatVersion)); use a newer disparse")
    }
  }

  /// Bytes of the file as it lies there.
  ///
  /// - Throws: ``ArtifactError`` when the file is gone.
  public func fileSize() throws -> Int {
    var status = stat()
    guard stat(path, &status) == 0 else {
      throw error("", "cannot measure: \(String(cString: strerror(errno)))")
    }
    return Int(status.st_size)
  }

  /// The most that a count in a file may be: sums of a thousand such fit an Int, and a Double holds
  /// each exactly.
  public static let largestCount = 1 << 53

  /// Checks a number of things that a file tells.
  ///
  /// - Throws: ``ArtifactError`` when it is negative or beyond ``largestCount``, or `limit`.
  func checkCount(_ count: Int, upTo limit: Int = largestCount, _ path: String) throws -> Int {
    guard (0...limit).contains(count) else {
      throw error(path, "\(count) is not in 0...\(limit)")
    }
    return count
  }

  /// A number among the root's attributes.
  ///
  /// - Throws: ``ArtifactError`` when it is outside the range, or none.
  func number(_ name: String, in range: ClosedRange<Double>) throws -> Double {
    let value: Double = try root.attribute(name)
    guard range.contains(value) else { throw error("/@" + name, "\(value) is not in \(range)") }
    return value
  }

  public func error(_ path: String, _ reason: String) -> ArtifactError {
    ArtifactError(file: self.path, path: path, reason: reason)
  }

  /// A tensor of float32 whose values are all finite.
  public func readFinite(_ path: String) throws -> NamedArray {
    let dataset = try root.dataset(path)
    let values = try dataset.read(as: Float.self)
    if let index = values.firstIndex(where: { !$0.isFinite }) {
      throw error(dataset.path, "value \(index) is \(values[index])")
    }
    let name = String(path.split(separator: "/").last ?? "")
    return NamedArray(name, shape: dataset.shape, values)
  }

  /// Every tensor of a flat group, by name.
  public func readAllFinite(_ group: String) throws -> [NamedArray] {
    try root.group(group).datasetNames().map { try readFinite(group + "/" + $0) }
  }

  /// The masks of a flat group, by name; every value 0 or 1.
  public func readMasks(_ group: String) throws -> [Mask] {
    try root.group(group).datasetNames().map { name in
      let dataset = try root.dataset(group + "/" + name)
      let values = try dataset.read(as: UInt8.self)
      if let index = values.firstIndex(where: { $0 > 1 }) {
        throw error(dataset.path, "value \(index) is \(values[index]), expected 0 or 1")
      }
      return Mask(name, shape: dataset.shape, values)
    }
  }
}

/// A float32 tensor with its dotted name, row-major.
public struct NamedArray: Sendable, Equatable {
  public let name: String
  public let shape: [Int]
  public let values: [Float]

  public init(_ name: String, shape: [Int], _ values: [Float]) {
    self.name = name
    self.shape = shape
    self.values = values
  }
}

/// Which weights of a parameter stay: 1 = kept, in the parameter's shape.
public struct Mask: Sendable, Equatable {
  public let name: String
  public let shape: [Int]
  public let values: [UInt8]

  public init(_ name: String, shape: [Int], _ values: [UInt8]) {
    self.name = name
    self.shape = shape
    self.values = values
  }
}
