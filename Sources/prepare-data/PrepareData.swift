// prepare-data: raw images, or a renderer, in; dataset.h5 out.

import ArgumentParser
import Artifacts
import CommandLine

let toolName = "prepare-data"

@main
enum Main {
  static func main() { run(PrepareData.self, cleanUp: PartialFiles.removeAll) }
}

struct PrepareData: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: toolName,
    abstract: "Make a data set for a multi-task network, or check one.",
    usage: """
      prepare-data scenes --train 512 --validation 128 --seed 1 -o dataset.h5
             prepare-data nyuv2 --input FOLDER -o dataset.h5
             prepare-data check dataset.h5
      """,
    version: version,
    subcommands: [
      ScenesCommand.self, NYUv2Command.self, CityscapesCommand.self, TaskonomyCommand.self,
      CheckCommand.self,
    ])
}
