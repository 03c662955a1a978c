// A copy of the pipeline with a tiny data set, for tests that run make.

import Foundation
import TestSupport
import Testing

/// A copy of the pipeline with a tiny data set, whose tools count as built.
struct Pipeline {
  let folder: Folder

  private static let settings = """
    PREPARE       = scenes --train 4 --validation 2 --test 0 --height 32 --width 48 --threads 1
    NETWORK       = --stages 1,1,1,1 --width 8 --head-width 8 --dropout 0 --threads 1
    BATCHES       = --batch-size 2 --no-augment --threads 1
    SCORE_BATCHES = --batches 1
    SPARSITY      = 0.3
    STEPS         = 6
    RATE          = 1e-3
    TRAIN         = --learning-rate $(RATE)
    FINE_TUNE      = 2
    FINE_TUNE_RATE = 2.5e-4
    UPDATE_EVERY  = 2
    EVALUATE      = --split validation --threads 1

    """

  init() throws {
    folder = try Folder()
    try folder.add(packageRoot + "/Makefile", as: "Makefile")
    try folder.add(packageRoot + "/pipeline", as: "pipeline")
    try folder.write(Pipeline.settings, to: "pipeline/datasets/tiny.mk")
    try folder.write("", to: "Package.swift")
    try folder.makeFolder(".build")
    try FileManager.default.createSymbolicLink(
      atPath: folder.path(".build/release"), withDestinationPath: Tool.folder)
    for mark in ["set-up", "headers", "tools-built"] { try folder.write("", to: ".build/" + mark) }
  }

  /// The names that a page can have: of data sets, without the tiny one, or of methods.
  func pages(_ folder: String) throws -> [String] {
    try self.folder.contents("pipeline/" + folder).map { String($0.dropLast(3)) }
      .filter { $0 != "tiny" }
  }

  /// - Parameter words: arguments that may hold blanks.
  func make(_ arguments: String, _ words: [String] = []) throws -> Outcome {
    try run("/usr/bin/env", command(arguments, words), in: folder.path)
  }

  func command(_ arguments: String, _ words: [String] = []) -> [String] {
    ["make", "DATASET=tiny"] + arguments.split(separator: " ").map(String.init) + words
  }

  /// The tools that make runs, with the file that each writes.
  func stages(_ arguments: String, _ words: [String] = []) throws -> [String] {
    let outcome = try make(arguments, words)
    try #require(outcome.status == 0, "\(outcome.stderr)")
    return commands(in: outcome.stdout)
      .compactMap {
        try? #/release/([a-z-]+) .*(?:-o|--report) data/tiny/(\S+)/#.firstMatch(in: $0)
      }
      .map { "\($0.1) \($0.2)" }
  }

  /// The lines of make's output that run a tool, each in one piece.
  func commands(in output: String) -> [String] {
    output.replacing("\\\n", with: " ").split(separator: "\n").map(String.init)
      .filter { $0.contains("release/") }
  }

  /// Replaces a tool by a script, in a folder of its own that BIN can name; `$tool` is the tool.
  func replace(_ tools: [Tool], in bin: String, by script: String) throws {
    try folder.makeFolder(bin)
    for tool in Tool.allCases {
      let body = tools.contains(tool) ? script : #"exec "$tool" "$@""#
      try folder.write("#!/bin/sh\ntool='\(tool.path)'\n\(body)\n", to: "\(bin)/\(tool)")
      chmod(folder.path("\(bin)/\(tool)"), 0o755)
    }
  }
}

let haveMake =
  (try? run("/usr/bin/env", ["make", "--version"], in: "/"))?.status == 0
