// evaluate predict: what a model makes of pictures.

import ArgumentParser
import Artifacts
import CommandLine
import Datasets
import Foundation
import Graphs
import NetworkOptions
import Reporting
import Tasks
import Training

struct PredictCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "predict",
    abstract: "Predict every task of a model for PNG pictures.",
    usage: "evaluate predict --model model.h5 room.png hall.png --pictures shown -o predictions.h5",
    discussion: """
      The pictures, 8-bit grey or RGB, have one size, any that the network takes. The output has what \
      the network gives, at its own resolution: /predictions/TASK, float32 N×channels×H×W; /image \
      has the pictures' names.

      --pictures writes NAME-TASK.png for each, coloured as on the page of evaluate --report. A model \
      that sparse-train wrote knows its tasks' kinds; of others, a prediction with one channel is shown \
      as a scalar, with three as normals, and with more as classes.
      """,
    version: version)

  @Argument(help: "PNG files.") var images: [String]
  @Option(help: "The model.") var model: String
  @Option(help: "A folder for pictures of the predictions; it is made where there is none.")
  var pictures: String?
  @OptionGroup var machine: MachineOptions
  @OptionGroup var engine: EngineOptions
  @OptionGroup var common: CommonOptions
  @OptionGroup var output: OutputOptions

  func validate() throws {
    guard pictures != nil else { return }
    let stems = images.map(Self.stem)
    if let twice = stems.enumerated().first(where: { stems[..<$0.offset].contains($0.element) }) {
      throw ValidationError("--pictures: two of the images are called \(twice.element)")
    }
  }

  func run() throws {
    try OutputFile.check(output.output, .artifact(.predictions), inputs: [model] + images)
    let machine = try machine.prepare(common, toolName)
    let file = try ModelFile(opening: model)
    var provenance = Provenance(createdBy: "\(toolName) \(version)", command: commandLine)
    try provenance.add(file.reader)
    for image in images { try provenance.add(file: image) }
    let first = try PNGFile(images[0])
    let (predictor, shapes) = try predictor(file, for: first, machine)
    if engine.plan { writeLine(predictor.planTable) }
    if let pictures {
      try FileManager.default.createDirectory(atPath: pictures, withIntermediateDirectories: true)
    }

    let tasks = try shapes.map { try kind(of: $0.task, channels: $0.shape[0], file) }
    let writer = try PredictionsWriter(
      output.output, names: images, architecture: predictor.network.architecture.json,
      shapes: shapes, provenance: provenance)
    let progress = Progress("predict", total: images.count, quiet: common.quiet)
    for (number, path) in images.enumerated() {
      let image = number == 0 ? first : try PNGFile(path)
      guard image.height == first.height, image.width == first.width else {
        throw InputError(
          file: path,
          reason: "is \(image.height)×\(image.width), and the first picture "
            + "\(first.height)×\(first.width); give pictures of one size")
      }
      let values = try predictor.predictions(
        for: image.rgb(), height: image.height, width: image.width)
      try writer.append(values)
      if let pictures {
        for (task, (shape, values)) in zip(tasks, zip(shapes.map(\.shape), values)) {
          let picture = try Picture(
            prediction: values, shape: shape, of: task, height: image.height, width: image.width)
          try OutputFile.write(
            picture.png ?? Data(), .png,
            to: "\(pictures)/\(Self.stem(path))-\(task.name).png")
        }
      }
      progress.update(number + 1)
    }
    progress.finish()
    try writer.finish()
    let sizes = shapes.map { "\($0.task) \($0.shape.map(String.init).joined(separator: "×"))" }
    common.say(
      "\(output.output): \(images.count) \(images.count == 1 ? "picture" : "pictures"); \(sizes.joined(separator: ", ")); \(predictor.engineKind.rawValue) engine"
    )
  }

  /// The model ready for pictures of the first one's size, and its predictions' shapes.
  private func predictor(_ file: ModelFile, for image: PNGFile, _ machine: Machine) throws
    -> (Predictor, shapes: [(task: String, shape: [Int])])
  {
    do {
      let predictor = try Predictor(
        file, machine: machine, engine: engine.engine, for: Extent(image.height, image.width))
      let shapes = try predictor.shapes(height: image.height, width: image.width)
      if let other = shapes.first(where: { $0.shape.count != 3 }) {
        throw GraphError("task \(other.task) is predicted as \(other.shape), which is no map")
      }
      return (predictor, shapes)
    } catch let error as GraphError {
      throw InputError(file: images[0], reason: "does not fit \(model): \(error.description)")
    }
  }

  /// How a task's predictions are drawn.
  private func kind(of task: String, channels: Int, _ file: ModelFile) throws -> any TaskKind {
    let kind =
      file.model.taskKinds[task]
      ?? (channels == 1 ? "regression" : channels == 3 ? "normals" : "segmentation")
    return try TaskDescription(name: task, channels: channels).task(ofKind: kind)
  }

  private static func stem(_ path: String) -> String {
    URL(fileURLWithPath: path).deletingPathExtension().lastPathComponent
  }
}
