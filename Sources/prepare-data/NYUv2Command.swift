// prepare-data nyuv2: NYU-v2 out of any of three layouts.

import ArgumentParser
import CommandLine
import Datasets

struct NYUv2Command: SharedCommand {
  enum Layout: String, ExpressibleByArgument, CaseIterable { case adashare, official, mtan }
  enum Normals: String, ExpressibleByArgument, CaseIterable { case centred, raw }

  static let configuration = CommandConfiguration(
    commandName: "nyuv2",
    abstract: "Make a data set of NYU-v2 as AdaShare, its authors or MTAN published it.",
    usage: "prepare-data nyuv2 --input FOLDER --layout adashare --tasks seg,sn -o dataset.h5",
    discussion: """
      The tasks: seg (40 classes, or mtan's 13), sn (surface normals) and depth (metres). What \
      lies in the folder:
        adashare  nyu_v2_3task.json and the PNG and .npy files it names
        official  nyu_depth_v2_labeled.mat; splits.mat, or train.txt and test.txt with a number \
      of an image per line; classMapping40.mat or .txt for seg. Normals are computed from depth \
      unless there are pictures.
        mtan      {train,val}/{image,label,depth,normal}/0.npy, 1.npy, ...
      The published test images become the validation split.
      """,
    version: version)

  @Option(help: "The folder of the data set.") var input: String
  @Option(help: "Who published it: adashare, official or mtan.") var layout = Layout.adashare
  @Option(help: "Tasks, separated by commas, in head order.") var tasks = "seg,sn"
  @Option(help: "Bytes of normals: centred (-1...1), or raw as in the published tables.")
  var normals = Normals.centred
  @Option(help: "Folder of PNGs with normals, inside the input (official layout).")
  var normalsFolder: String?
  @Option(help: "Classes of the labels (mtan layout; default: 13).") var classes: Int?
  @OptionGroup var foreign: ForeignOptions
  @OptionGroup var common: CommonOptions
  @OptionGroup var output: OutputOptions

  func validate() throws {
    _ = try taskList(tasks, of: MapTask.self)
    if normalsFolder != nil, layout != .official {
      throw ValidationError("--normals-folder is for --layout official")
    }
    if normals == .raw, layout != .adashare, normalsFolder == nil {
      throw ValidationError("--normals raw needs normals that are stored as bytes")
    }
    if let classes {
      guard layout == .mtan else { throw ValidationError("--classes is for --layout mtan") }
      guard (1...255).contains(classes) else {
        throw ValidationError("--classes \(classes): must be in 1...255")
      }
    }
  }

  func run() throws {
    let tasks = try taskList(tasks, of: MapTask.self).map(\.rawValue)
    let options = [
      "nyuv2", "layout \(layout)", "tasks \(tasks)",
      "normals \(normals) \(normalsFolder ?? "")", "classes \(labelClasses)",
    ]
    try writeDataset(reader(), options: options, foreign, common, output)
  }

  private var labelClasses: Int { classes ?? 13 }

  private func reader() throws -> any ForeignDataset {
    let folder = try InputFolder(input)
    let tasks = try taskList(tasks, of: MapTask.self)
    let bytes: ByteNormals = normals == .raw ? .raw : .centred
    switch layout {
    case .adashare: return try NYUv2AdaShare(folder, tasks: tasks, normals: bytes)
    case .official:
      return try NYUv2Official(
        folder, tasks: tasks,
        normals: normalsFolder.map { .pictures(folder: $0, bytes) } ?? .computedFromDepth)
    case .mtan: return try MTANDataset(folder, tasks: tasks, classes: labelClasses)
    }
  }
}
