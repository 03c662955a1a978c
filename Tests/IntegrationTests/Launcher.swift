// Runs tools as many processes of one run, by mpirun.

import Foundation
import TestSupport

/// Open MPI's launcher.
enum Launcher {
  static let path = ["/usr/bin/mpirun", "/usr/local/bin/mpirun"].first {
    FileManager.default.isExecutableFile(atPath: $0)
  }

  static let isThere = path != nil

  /// For containers, where everybody is root.
  static let environment = [
    "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "SOURCE_DATE_EPOCH": "\(Experiment.epoch)",
  ]

  /// Data set, initial weights and masks of the tiny experiment, whose 8 training images make batches that
  /// do not divide by 3.
  static func makeFolder() throws -> Folder {
    let folder = try Folder()
    let experiment = try Experiment.run().folder
    for name in ["dataset.h5", "initial.h5", "masks.h5"] {
      try folder.add(experiment.path(name), as: name)
    }
    return folder
  }

  /// Words before a tool's name. However a test goes wrong, mpirun ends it.
  static func words(_ processes: Int) -> [String] {
    ["--oversubscribe", "--timeout", "120", "-n", "\(processes)"]
  }
}

extension Folder {
  /// Runs a tool in the folder as one process without a launcher, or as several.
  func run(_ processes: Int, _ tool: Tool, _ arguments: String) throws -> Outcome {
    let words = arguments.split(separator: " ").map(String.init)
    guard processes > 1, let launcher = Launcher.path else {
      return try TestSupport.run(
        tool.path, words, in: path, environment: ["SOURCE_DATE_EPOCH": "\(Experiment.epoch)"])
    }
    return try TestSupport.run(
      launcher, Launcher.words(processes) + [tool.path] + words, in: path,
      environment: Launcher.environment)
  }
}

extension Child {
  /// A tool's processes that run in a folder.
  static func processes(of tool: Tool, in folder: Folder) throws -> [pid_t] {
    let place = URL(fileURLWithPath: folder.path).resolvingSymlinksInPath().path
    func link(_ name: String, of process: pid_t) -> String? {
      try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(process)/\(name)")
    }
    return try FileManager.default.contentsOfDirectory(atPath: "/proc").compactMap { pid_t($0) }
      .filter {
        link("cwd", of: $0) == place && link("exe", of: $0)?.hasSuffix("/\(tool)") == true
      }.sorted()
  }
}
