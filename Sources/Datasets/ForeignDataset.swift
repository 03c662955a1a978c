// Data sets in other people's layouts: what each reader tells, and how one becomes a dataset.h5.

import Artifacts
import Foundation

/// A data set that lies on disk in somebody else's layout.
public protocol ForeignDataset: Sendable {
  /// In head order.
  var tasks: [DatasetTask] { get }
  /// How each task's target is stored, in task order.
  var storage: [DatasetWriter.Storage] { get }
  /// Of every sample.
  var size: PixelSize { get }
  /// The samples of each split that there is, by the name that messages use.
  var splits: [(split: Split, names: [String])] { get }
  /// The index, tables and the like, whose digests the converted file records.
  var tables: [String] { get }

  /// Reads and preprocesses one sample. Called from several threads.
  ///
  /// - Throws: ``InputError`` naming the file that is missing or broken.
  func sample(_ index: Int, of split: Split) throws -> Sample
}

extension ForeignDataset {
  public var tables: [String] { [] }

  /// Of all splits.
  var sampleCount: Int { splits.reduce(0) { $0 + $1.names.count } }

  /// The samples of a split; none where there is no such split.
  func names(of split: Split) -> [String] {
    splits.first { $0.split == split }?.names ?? []
  }
}

/// A folder that somebody names as input. Files are looked up inside it and nowhere else.
public struct InputFolder: Sendable {
  public let path: String

  /// - Throws: ``InputError`` when there is no such folder.
  public init(_ path: String) throws {
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), isFolder.boolValue
    else { throw InputError(file: path, reason: "no such folder") }
    self.path = path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path
  }

  /// The path of a file inside.
  ///
  /// - Throws: ``InputError`` for an absolute name, and for one that climbs out of the folder.
  public func file(_ name: String) throws -> String {
    let parts = name.split(separator: "/", omittingEmptySubsequences: false)
    guard !name.isEmpty, !name.hasPrefix("/"), !parts.contains("..") else {
      throw InputError(
        file: path, reason: "'\(name)' does not name a file inside this folder")
    }
    return path + "/" + name
  }

  public func contains(_ name: String) -> Bool {
    (try? file(name)).map { FileManager.default.fileExists(atPath: $0) } ?? false
  }

  /// The names of what lies in a folder inside, sorted; empty when there is no such folder.
  public func names(in folder: String = "") -> [String] {
    guard let path = folder.isEmpty ? path : try? file(folder) else { return [] }
    return ((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []).sorted()
  }
}
