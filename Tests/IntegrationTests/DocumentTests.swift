// What the documents say: their commands and examples run, their links lead somewhere.

import Foundation
import HDF5
import TestSupport
import Testing

/// A text in Markdown of this repository.
private struct Document: CustomStringConvertible {
  let path: String
  let text: String

  static let paths = ["README.md", "pipeline/README.md", "data/README.md"]

  init(_ path: String) throws {
    self.path = path
    text = try String(contentsOfFile: packageRoot + "/" + path, encoding: .utf8)
  }

  var description: String { path }

  /// What stands between ```language and ```.
  func blocks(_ language: String) -> [String] {
    let fence = "```"
    var blocks: [String] = []
    var block: (language: Substring, lines: [Substring])?
    for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
      if let open = block {
        if line.hasPrefix(fence) {
          if open.language == language { blocks.append(open.lines.joined(separator: "\n") + "\n") }
          block = nil
        } else {
          block?.lines.append(line)
        }
      } else if line.hasPrefix(fence) {
        block = (line.dropFirst(fence.count), [])
      }
    }
    return blocks
  }

  /// The lines of shell blocks, without comments.
  var commands: [String] {
    blocks("sh").flatMap { $0.split(separator: "\n") }
      .map { String($0.replacing(#/ +# .*$/#, with: "")) }.filter { !$0.isEmpty }
  }
}

/// Files where make all would have put them, in the folders that the documents name.
private func results() throws -> Folder {
  let (experiment, folder) = (try Experiment.run().folder, try Folder())
  let sparse = "data/scenes/disparse-static/seed-1/"
  for folders in ["data/scenes/dense/seed-1", sparse] { try folder.makeFolder(folders) }
  for (file, name) in [
    ("dataset.h5", "data/scenes/dataset.h5"), ("scores.h5", sparse + "scores.h5"),
    ("masks.h5", sparse + "masks-0.95.h5"), ("disparse.h5", sparse + "disparse-static-0.95.h5"),
    ("disparse-metrics.h5", sparse + "disparse-static-0.95-metrics.h5"),
    ("dense.h5", "data/scenes/dense/seed-1/dense.h5"),
    ("dense-metrics.h5", "data/scenes/dense/seed-1/dense-metrics.h5"),
  ] {
    try folder.add(experiment.path(file), as: name)
  }
  for place in ["", "data/scenes/"] {
    try folder.write(png(height: 32, width: 48, value: 90), to: place + "room.png")
  }
  return folder
}

/// Runs a program that finds our tools in the PATH and Python's packages where libtorch lies.
///
/// - Parameter place: in the folder.
private func runs(
  _ program: String, _ arguments: [String], in folder: Folder, at place: String = ""
) throws -> Outcome {
  let variables = ProcessInfo.processInfo.environment
  let libraries = [variables["PYTHONPATH"], packageRoot + "/.deps"].compactMap { $0 }
  return try run(
    program, arguments, in: folder.path(place),
    environment: [
      "PATH": Tool.folder + ":" + (variables["PATH"] ?? "/usr/bin:/bin"),
      "PYTHONPATH": libraries.joined(separator: ":"), "PYTHONDONTWRITEBYTECODE": "1",
    ])
}

private func canImport(_ packages: String) -> Bool {
  (try? runs("/usr/bin/env", ["python3", "-c", "import " + packages], in: Folder()))?.status == 0
}

private let haveStockTools =
  (try? run("/usr/bin/env", ["h5dump", "--version"], in: "/"))?.status == 0

@Suite(.serialized) struct DocumentTests {
  @Test("The README is short, and links lead to files and headings that there are")
  func links() throws {
    #expect(try Document("README.md").text.count { $0 == "\n" } <= 200)
    for path in Document.paths {
      let document = try Document(path)
      let folder = URL(fileURLWithPath: packageRoot + "/" + path).deletingLastPathComponent()
      let prose = document.text.replacing(#/```.*?```/#.dotMatchesNewlines(), with: "")
      for link in prose.matches(of: #/\]\(([^)]+)\)/#).map({ String($0.1) })
      where !link.hasPrefix("http") {
        let parts = link.split(separator: "#", omittingEmptySubsequences: false).map(String.init)
        let target =
          parts[0].isEmpty
          ? packageRoot + "/" + path : folder.appendingPathComponent(parts[0]).path
        guard FileManager.default.fileExists(atPath: target) else {
          Issue.record("\(path): no \(link)")
          continue
        }
        guard parts.count > 1 else { continue }
        let headings = try String(contentsOfFile: target, encoding: .utf8)
          .matches(of: #/(?m)^#+ (.*)$/#).map { heading in
            String(
              heading.1.lowercased().filter { $0.isLetter || $0.isNumber || " -_".contains($0) }
            )
            .replacing(" ", with: "-")
          }
        #expect(headings.contains(parts[1]), "\(path): no heading \(link)")
      }
    }
  }

  @Test(
    "The README's make commands are what make understands",
    .enabled(if: haveMake, "needs make"))
  func makeCommands() throws {
    let pipeline = try Pipeline()
    for file in ["mine.h5", "net.h5"] { try pipeline.folder.write("", to: file) }
    let commands = try Document("README.md").commands.filter { $0.contains("make ") }
    #expect(commands.count >= 10)
    for command in commands {
      let dry = command.replacing("make ", with: "make -n ")
        .replacing(#/INPUT=\S+/#, with: "INPUT=.").replacing("LIBTORCH=/path ", with: "")
      let outcome = try runs("/bin/sh", ["-c", dry], in: pipeline.folder)
      #expect(outcome.status == 0, "\(command): \(outcome.stderr)")
      let tool = command.contains("make test") ? "swift test" : "release/"
      #expect(outcome.stdout.contains(tool), "\(command)")
    }
  }

  @Test(
    "The README's commands run on what make all leaves",
    .enabled(if: haveStockTools, "needs h5dump and h5ls"))
  func readme() throws {
    let folder = try results()
    let commands = try Document("README.md").blocks("").flatMap { $0.split(separator: "\n") }
      .filter { $0.hasPrefix("$ ") }.map { String($0.dropFirst(2)) }
    #expect(commands.count >= 5)
    for command in commands {
      let outcome = try runs("/bin/sh", ["-c", command], in: folder)
      #expect(outcome.status == 0 && !outcome.stdout.isEmpty, "\(command): \(outcome.stderr)")
    }
  }

  @Test(
    "The shell's examples of data/README.md run",
    .enabled(if: haveStockTools, "needs h5dump and h5ls"))
  func shellExamples() throws {
    let folder = try results()
    let commands = try Document("data/README.md").commands
    #expect(commands.count >= 6)
    for command in commands {
      let outcome = try runs("/bin/sh", ["-c", command], in: folder, at: "data/scenes")
      #expect(outcome.status == 0 && !outcome.stdout.isEmpty, "\(command): \(outcome.stderr)")
    }
    let sparsity = try runs("/bin/sh", ["-c", commands[2]], in: folder, at: "data/scenes").stdout
    #expect(sparsity.contains("(0): 0.9"))
  }

  @Test(
    "The example in h5py of data/README.md runs",
    .enabled(if: canImport("h5py"), "needs Python's h5py"))
  func h5py() throws {
    let example = try #require(try Document("data/README.md").blocks("python").first)
    let outcome = try runs(
      "/usr/bin/env", ["python3", "-c", example], in: results(), at: "data/scenes")
    #expect(outcome.status == 0, "\(outcome.stderr)")
    #expect(outcome.stdout.hasPrefix("union 0.9") && outcome.stdout.contains("\nseg {'miou': "))
    #expect(outcome.stdout.contains(" m\n"))
  }

  @Test(
    "The page in PyTorch predicts what evaluate predict predicts",
    .enabled(
      if: canImport("h5py, torch, PIL"), "needs Python's h5py, torch and PIL"))
  func pyTorch() throws {
    let document = try Document("data/README.md")
    let folder = try results()
    let predict = try #require(document.commands.first { $0.contains("evaluate predict") })
    #expect(try runs("/bin/sh", ["-c", predict], in: folder, at: "data/scenes").status == 0)
    let example = try #require(document.blocks("python").last)
    let outcome = try runs(
      "/usr/bin/env", ["python3", "-c", example], in: folder, at: "data/scenes")
    #expect(outcome.status == 0, "\(outcome.stderr)")
    let lines = outcome.stdout.split(separator: "\n")
    #expect(lines.count == Experiment.tasks.count)
    for line in lines {
      let difference = try #require(line.split(separator: " ").last.flatMap { Double($0) })
      #expect(difference < 1e-4, "\(line)")
    }
  }

  @Test(
    "The README's own data set is what pipeline/README.md says it is",
    .enabled(if: canImport("h5py, numpy"), "needs Python's h5py and numpy"))
  func ownData() throws {
    let folder = try Folder()
    let example = try #require(try Document("README.md").blocks("python").first)
    let made = try runs("/usr/bin/env", ["python3", "-c", example], in: folder)
    #expect(made.status == 0, "\(made.stderr)")
    let check = try folder.succeed(.prepareData, "check mine.h5").stdout
    #expect(check.hasPrefix("mine.h5: dataset, 2 tasks\n"))
    #expect(
      try Document("pipeline/README.md").text.contains("$ prepare-data check mine.h5\n" + check))
  }

  @Test(
    "The network of pipeline/README.md becomes a model, as it says",
    .enabled(if: canImport("torch, onnx"), "needs Python's torch and onnx"))
  func ownNetwork() throws {
    let document = try Document("pipeline/README.md")
    let folder = try Folder()
    let example = try #require(document.blocks("python").first)
    let made = try runs("/usr/bin/env", ["python3", "-c", example], in: folder)
    #expect(made.status == 0, "\(made.stderr)")
    let command = try #require(document.text.firstMatch(of: #/\$ (convert-model net\.onnx .*)\n/#))
      .1
    let converted = try runs("/bin/sh", ["-c", String(command)], in: folder)
    #expect(converted.status == 0, "\(converted.stderr)")
    #expect(document.text.contains("$ \(command)\n\(converted.stdout)"))
  }

  @Test(
    "The pages that pipeline/README.md adds are a method and a data set",
    .enabled(if: haveMake, "needs make"))
  func addedPages() throws {
    let pipeline = try Pipeline()
    let pages = try Document("pipeline/README.md").blocks("make")
    try #require(pages.count == 2)
    try pipeline.folder.write(pages[0], to: "pipeline/methods/fisher.mk")
    try pipeline.folder.write(pages[1], to: "pipeline/datasets/big-scenes.mk")
    let outcome = try pipeline.make("-n all DATASET=big-scenes METHOD=fisher")
    try #require(outcome.status == 0, "\(outcome.stderr)")
    let commands = pipeline.commands(in: outcome.stdout)
    for part in [
      "prepare-data scenes --train 2048 --validation 256 --test 0 --height 192 --width 256 -o",
      "--model data/big-scenes/dense/seed-1/dense.h5 --criterion fisher --batches 32",
      "--sparsity 0.95 --arbiter majority -o data/big-scenes/fisher/seed-1/masks-0.95.h5",
      "--steps 1200", "-o data/big-scenes/fisher/seed-1/fisher-0.95-metrics.h5",
    ] {
      #expect(commands.contains { $0.contains(part) }, "\(part)")
    }
  }

  @Test(
    "Every attribute and dataset of our files stands in data/README.md",
    .enabled(if: haveStockTools, "needs h5dump and h5ls"), arguments: Experiment.files)
  func layout(_ file: String) throws {
    let text = try Document("data/README.md").text
    // Names of tasks and parameters stand for themselves.
    func isNamed(_ name: String) -> Bool {
      Experiment.tasks.contains(name) || name.contains(".") || text.contains(name)
        || Experiment.tasks.contains { name.hasSuffix("_" + $0) }
    }
    let dump = try run(
      "/usr/bin/env", ["h5dump", "-A", file], in: Experiment.run().folder.path)
    try #require(dump.status == 0)
    for match in dump.stdout.matches(of: #/(ATTRIBUTE|DATASET|GROUP) "([^"]+)"/#)
    where match.2 != "/" {
      #expect(isNamed(String(match.2)), "\(file) \(match.2)")
    }
  }
}
