// Runs the tools as a user does: in a folder, with arguments, to their exit status and output.

import Foundation

/// One of the executables.
enum Tool: String, CaseIterable, Sendable, CustomStringConvertible {
  case prepareData = "prepare-data"
  case scoreImportance = "score-importance"
  case mergeMasks = "merge-masks"
  case sparseTrain = "sparse-train"
  case evaluate
  case convertModel = "convert-model"

  /// Where the tools lie: in DISPARSE_BIN, or where `swift build -c release` puts them.
  static let folder =
    ProcessInfo.processInfo.environment["DISPARSE_BIN"] ?? packageRoot + "/.build/release"

  var description: String { rawValue }
  var path: String { Tool.folder + "/" + rawValue }
}

/// The folder of Package.swift.
let packageRoot = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
  .deletingLastPathComponent().deletingLastPathComponent().path
