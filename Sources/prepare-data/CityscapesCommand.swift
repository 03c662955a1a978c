// prepare-data cityscapes: street scenes with classes and disparity.

import ArgumentParser
import CommandLine
import Datasets

struct CityscapesCommand: SharedCommand {
  enum Layout: String, ExpressibleByArgument, CaseIterable { case official, adashare, mtan }

  static let configuration = CommandConfiguration(
    commandName: "cityscapes",
    abstract: "Make a data set of Cityscapes: classes and depth.",
    usage: """
      prepare-data cityscapes --input Cityscapes --layout official -o dataset.h5
             prepare-data cityscapes --input CityScapes --layout adashare --classes 7 -o dataset.h5
      """,
    discussion: """
      The tasks: seg (classes) and depth (disparity). The layouts: official (leftImg8bit, gtFine \
      and disparity as published), adashare (cityscape.json and .npy files), mtan (train and val \
      with image, label and depth). Where the official test set has no labels it is left out.
      """,
    version: version)

  @Option(help: "The folder of the data set.") var input: String
  @Option(help: "Who laid it out.") var layout = Layout.adashare
  @Option(help: "19 classes, their 7 categories, or 2: things and stuff.") var classes = 19
  @Option(help: "Size to resize to, as HxW (official only; default: 256x512).")
  var size: PixelSize?
  @OptionGroup var foreign: ForeignOptions
  @OptionGroup var common: CommonOptions
  @OptionGroup var output: OutputOptions

  private func kinds() throws -> CityscapesClasses {
    guard let kinds = CityscapesClasses(rawValue: classes) else {
      throw ValidationError("--classes \(classes): must be 19, 7 or 2")
    }
    return kinds
  }

  func validate() throws {
    _ = try kinds()
    if size != nil, layout != .official {
      throw ValidationError("--size goes with --layout official only")
    }
  }

  func run() throws {
    let options = ["cityscapes", "layout \(layout)", "classes \(classes)"]
    try writeDataset(reader(), options: options, foreign, common, output)
  }

  private func reader() throws -> any ForeignDataset {
    let folder = try InputFolder(input)
    switch layout {
    case .official:
      return try CityscapesDataset(
        folder, classes: try kinds(), size: size ?? CityscapesDataset.publishedSize)
    case .adashare:
      return try AdaShareCityscapes(folder, classes: try kinds())
    case .mtan:
      return try MTANDataset(folder, tasks: [.seg, .depth], classes: classes, depth: .disparity)
    }
  }
}
