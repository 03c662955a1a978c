// prepare-data scenes: renders indoor scenes with exact targets.

import ArgumentParser
import Artifacts
import CommandLine
import Datasets
import Formatting

struct ScenesCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "scenes",
    abstract: "Render indoor scenes with exact targets for up to five tasks.",
    usage: "prepare-data scenes --train 512 --validation 128 --test 128 -o dataset.h5",
    discussion: """
      The tasks: seg (classes), sn (surface normals in camera coordinates), depth (metres along \
      the optical axis), keypoint (Shi–Tomasi response) and edge (gradient magnitude). The same \
      seed gives the same content, however many threads render.
      """,
    version: version)

  @Option(help: "Training images.") var train = 512
  @Option(help: "Validation images.") var validation = 128
  @Option(help: "Test images.") var test = 128
  @Option(help: "Rows of an image.") var height = 96
  @Option(help: "Columns of an image.") var width = 128
  @Option(help: "Tasks, separated by commas, in head order.") var tasks =
    "seg,sn,depth,keypoint,edge"
  @OptionGroup var common: CommonOptions
  @OptionGroup var output: OutputOptions

  func validate() throws {
    let most = 1_000_000_000
    guard (1...most).contains(train), (0...most).contains(validation), (0...most).contains(test)
    else {
      throw ValidationError(
        "--train must be at least 1, --validation and --test at least 0, each at most \(most)")
    }
    guard [train, validation, test].allSatisfy({ $0 <= 1_000_000_000 }) else {
      throw ValidationError("--train, --validation and --test must be at most 1000000000")
    }
    guard (8...4096).contains(height), (8...4096).contains(width) else {
      throw ValidationError("--height and --width must be in 8...4096")
    }
    _ = try taskList(tasks, of: SceneTask.self)
  }

  func run() throws {
    common.warnOfThreads(toolName)
    try OutputFile.check(output.output, .artifact(.dataset))
    let total = train + validation + test
    let options = SceneDatasetOptions(
      counts: [(.train, train), (.validation, validation), (.test, test)],
      size: PixelSize(height: height, width: width), tasks: try taskList(tasks),
      seed: common.seed, threads: common.threadCount)
    let progress = Progress("render", total: total, quiet: common.quiet)
    try writeSceneDataset(
      options, to: output.output,
      provenance: Provenance(
        createdBy: "\(toolName) \(version)", command: commandLine, seed: common.seed)
    ) { done, _ in
      progress.update(done, "\(progress.perSecond(done)) images/s")
    }
    progress.finish()
    common.say(
      "\(output.output): \(Format.count(total)) scenes of \(height)×\(width), \(tasks), "
        + "\(progress.perSecond(total)) images/s")
  }
}
