// A temporary folder to run tools in, and what tests look at in it.

import Foundation
import HDF5
import TestSupport
import Testing

/// A folder that goes when its owner goes.
final class Folder: Sendable {
  let path: String

  /// Holds the folders of this process, among them those of static properties, until it ends.
  private static let parent: String = {
    let path =
      FileManager.default.temporaryDirectory.path + "/disparse-integration-\(getpid())"
    atexit { try? FileManager.default.removeItem(atPath: Folder.parent) }
    return path
  }()

  init() throws {
    path = Folder.parent + "/" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func path(_ name: String) -> String { path + "/" + name }

  /// Copies a file into the folder.
  func add(_ source: String, as name: String) throws {
    try FileManager.default.copyItem(atPath: source, toPath: path(name))
  }

  func makeFolder(_ name: String) throws {
    try FileManager.default.createDirectory(
      atPath: path(name), withIntermediateDirectories: true)
  }

  func write(_ text: String, to name: String) throws { try write(Data(text.utf8), to: name) }

  func write(_ data: Data, to name: String) throws {
    try data.write(to: URL(fileURLWithPath: path(name)))
  }

  func bytes(_ name: String) throws -> Data {
    try Data(contentsOf: URL(fileURLWithPath: path(name)))
  }

  func text(_ name: String) throws -> String { String(decoding: try bytes(name), as: UTF8.self) }

  /// The names of what lies in the folder, hidden files too.
  func contents(_ name: String = "") throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: path(name)).sorted()
  }

  /// The root of an HDF5 file.
  func open(_ name: String) throws -> Group { try File.open(path(name)).root }

  /// Replaces an HDF5 file by a changed copy.
  func edit(_ name: String, _ edit: Edit) throws {
    let edited = path(name + ".edited")
    try edit.copy(path(name), to: edited)
    try FileManager.default.removeItem(atPath: path(name))
    try FileManager.default.moveItem(atPath: edited, toPath: path(name))
  }

  /// Runs a tool in the folder.
  ///
  /// - Parameters:
  ///   - arguments: separated by spaces.
  ///   - epoch: SOURCE_DATE_EPOCH.
  func run(_ tool: Tool, _ arguments: String, epoch: Int? = nil) throws -> Outcome {
    try TestSupport.run(
      tool.path, arguments.split(separator: " ").map(String.init), in: path,
      environment: epoch.map { ["SOURCE_DATE_EPOCH": "\($0)"] } ?? [:])
  }

  /// Runs a tool that must succeed.
  @discardableResult
  func succeed(
    _ tool: Tool, _ arguments: String, epoch: Int? = nil,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws -> Outcome {
    let outcome = try run(tool, arguments, epoch: epoch)
    try #require(outcome.status == 0, "\(outcome.stderr)", sourceLocation: sourceLocation)
    return outcome
  }
}
