// prepare-data taskonomy: rooms of scanned buildings with targets for up to five tasks.

import ArgumentParser
import CommandLine
import Datasets

struct TaskonomyCommand: SharedCommand {
  enum Uncertain: String, ExpressibleByArgument, CaseIterable { case none, background }

  static let configuration = CommandConfiguration(
    commandName: "taskonomy",
    abstract: "Make a data set of Taskonomy: up to five tasks.",
    usage: """
      prepare-data taskonomy --input taskonomy --split train_val_test_tiny.csv \
      --class-weights semseg_prior_factor.npy -o dataset.h5
      """,
    discussion: """
      The tasks: seg (classes), sn (surface normals), depth (logarithmic), keypoint and edge. \
      Pictures lie in <domain>/taskonomy/<building>/ or <building>_<domain>/. Buildings of the \
      split that are not there are left out with a warning.
      """,
    version: version)

  @Option(help: "The folder of the data set.") var input: String
  @Option(help: "The official table of buildings: id,train,val,test.") var split: String
  @Option(help: "Tasks, separated by commas, in head order.") var tasks =
    "seg,sn,depth,keypoint,edge"
  @Option(help: "Size to resize to, as HxW.") var size = PixelSize(height: 256, width: 256)
  @Option(help: "What pixels of uncertain class are: none (no ground truth) or background.")
  var uncertain = Uncertain.none
  @Option(help: "Weights of the 17 classes, an .npy file (default: all alike).")
  var classWeights: String?
  @OptionGroup var foreign: ForeignOptions
  @OptionGroup var common: CommonOptions
  @OptionGroup var output: OutputOptions

  func validate() throws {
    let tasks = try taskList(tasks, of: TaskonomyTask.self)
    if classWeights != nil, !tasks.contains(.seg) {
      throw ValidationError("--class-weights needs the task seg")
    }
  }

  func run() throws {
    let tasks = try taskList(tasks, of: TaskonomyTask.self).map(\.rawValue)
    let options = ["taskonomy", "tasks \(tasks)", "uncertain \(uncertain)"]
    try writeDataset(reader(), options: options, foreign, common, output)
  }

  private func reader() throws -> any ForeignDataset {
    let reader = try TaskonomyDataset(
      try InputFolder(input), splitFile: split,
      tasks: try taskList(tasks), size: size,
      uncertainIsBackground: uncertain == .background, classWeights: classWeights)
    let missing = reader.missingBuildings
    if !missing.isEmpty {
      let named = missing.prefix(5).joined(separator: ", ") + (missing.count > 5 ? ", …" : "")
      let buildings = missing.count == 1 ? "1 building" : "\(missing.count) buildings"
      common.warn(toolName, "\(input): \(buildings) of the split not there: \(named)")
    }
    return reader
  }
}
