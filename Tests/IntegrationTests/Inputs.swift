// Good inputs of every tool, to be spoilt, and what a refusal looks like.

import Foundation
import TestSupport
import Testing

/// Good inputs of every tool in one folder, to be spoilt one by one.
struct Inputs {
  let folder: Folder

  init() throws {
    folder = try Folder()
    let run = try ReferenceRun.of(ReferenceCase.all[0])
    for name in ["dataset.h5", "model.h5", "trained.h5", "metrics.h5"] {
      try folder.add(run.folder.path(name), as: name)
    }
    for name in ["scores", "masks"] {
      try folder.add(run.folder.path(name + "-static.h5"), as: name + ".h5")
    }
  }

  /// A command that reads a file, to be run in the folder.
  struct Reader: Sendable, CustomStringConvertible {
    let file: String
    /// What is in the file.
    let format: String
    let tool: Tool
    let arguments: String

    var description: String { "\(tool) \(file)" }

    static let data = Reader(
      file: "dataset.h5", format: "dataset", tool: .scoreImportance,
      arguments: "--data dataset.h5 --model model.h5 --batches 1 \(ReferenceRun.batches) -o out.h5")
    static let model = Reader(
      file: "model.h5", format: "model", tool: .evaluate,
      arguments: "--data dataset.h5 --model model.h5 --split train --threads 1 -o out.h5")
    static let scores = Reader(
      file: "scores.h5", format: "scores", tool: .mergeMasks,
      arguments: "scores.h5 --sparsity 0.9 -o out.h5")
    static let masks = Reader(
      file: "masks.h5", format: "masks", tool: .sparseTrain,
      arguments: "--data dataset.h5 --model model.h5 --masks masks.h5 --steps 1 "
        + "\(ReferenceRun.batches) -o out.h5")
    static let metrics = Reader(
      file: "metrics.h5", format: "metrics", tool: .evaluate,
      arguments: "compare metrics.h5 metrics.h5 --report out.html")
    static let all = [data, model, scores, masks, metrics]
  }

  /// Runs a command that must fail: with status 1, one line on stderr that begins with tool and
  /// file, and no file more or less in the folder. Returns the rest of the line.
  func failure(
    of tool: Tool, _ arguments: String, naming file: String,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws -> String {
    let before = try folder.contents()
    let outcome = try folder.run(tool, arguments)
    #expect(outcome.status == 1, sourceLocation: sourceLocation)
    #expect(outcome.stdout == "", sourceLocation: sourceLocation)
    #expect(try folder.contents() == before, sourceLocation: sourceLocation)
    let lines = outcome.stderr.split(separator: "\n", omittingEmptySubsequences: false)
    try #require(
      lines.count == 2 && lines[1].isEmpty, "\(outcome.stderr)", sourceLocation: sourceLocation)
    let start = "\(tool): \(file): "
    try #require(lines[0].hasPrefix(start), "\(lines[0])", sourceLocation: sourceLocation)
    return String(lines[0].dropFirst(start.count))
  }

  func failure(of reader: Reader, sourceLocation: SourceLocation = #_sourceLocation) throws
    -> String
  {
    try failure(
      of: reader.tool, reader.arguments, naming: reader.file, sourceLocation: sourceLocation)
  }
}
