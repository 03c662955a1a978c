// convert-model: other programs' networks and weights in, a model.h5 out; or the other way round.

import ArgumentParser
import Artifacts
import CommandLine
import Exchange
import Formatting
import Foundation
import Graphs
import Training

let toolName = "convert-model"

@main
enum Main {
  static func main() { run(ConvertModel.self, cleanUp: PartialFiles.removeAll) }
}

struct ConvertModel: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: toolName,
    abstract: "Bring a network or weights from PyTorch, and take them back.",
    usage: """
      convert-model net.onnx --heads seg=output,depth=890 -o model.h5
             convert-model resnet50.pth --like initial.h5 --rename =backbone. -o model.h5
             convert-model model.h5 -o net.onnx
      """,
    discussion: """
      From ONNX (opset 13 or newer, by either of PyTorch's exporters) comes a network with its \
      weights; --heads says which output predicts which task, in the data set's order of tasks. \
      Batch-norm stays batch-norm where the exporter left it: torch.onnx.export with \
      dynamo=False, training=TrainingMode.PRESERVE and do_constant_folding=False does.

      From a PyTorch state dict (.pth, .pt) or safetensors come weights for the network of --like. \
      What the file lacks keeps the values of --like, a whole module at a time; both are said.

      To ONNX, .pth or safetensors goes a model.h5, with its masks applied. The ONNX network takes \
      the raw 8-bit image as float32 N×3×H×W, RGB, 0...255.
      """,
    version: version)

  @Argument(help: "An .onnx, .pth, .pt, .safetensors or model.h5 file.") var input: String
  @Option(help: "Tasks with the ONNX outputs that predict them: seg=OUTPUT,depth=OUTPUT.")
  var heads: HeadList?
  @Option(help: "Channel order of the ONNX network's input: RGB or BGR (default: RGB).")
  var inputOrder: ImageInput.Order?
  @Option(
    parsing: .unconditional,
    help: "What is subtracted from 8-bit values: one number or three (default: ImageNet's).")
  var inputMean: NumberList?
  @Option(
    parsing: .unconditional,
    help: "What they are then multiplied by: one number or three (default: 1 over ImageNet's).")
  var inputScale: NumberList?
  @Option(help: "The model whose network the weights are for.") var like: String?
  @Option(
    help: """
      FROM=TO: names in the file that begin with FROM begin with TO instead; may be given several \
      times.
      """)
  var rename: [RenameRule] = []
  @Flag(
    help: "Write pruned weights to ONNX as sparse initializers; the file is smaller, not faster.")
  var sparse = false
  @OptionGroup var common: CommonOptions
  @OptionGroup var output: OutputOptions

  func validate() throws {
    let (from, to) = (try FileFormat(of: input), try FileFormat(of: output.output))
    func refuse(_ option: String, _ isGiven: Bool, unless isPossible: Bool, _ reason: String) throws
    {
      if isGiven, !isPossible { throw ValidationError("\(option) \(reason)") }
    }
    guard (from == .model) != (to == .model) else {
      throw ValidationError("\(input) to \(output.output): one of them must be a model.h5")
    }
    try refuse("--heads", heads != nil, unless: from == .onnx, "goes with an ONNX file to read")
    for (option, isGiven) in [
      ("--input-order", inputOrder != nil), ("--input-mean", inputMean != nil),
      ("--input-scale", inputScale != nil),
    ] { try refuse(option, isGiven, unless: from == .onnx, "goes with an ONNX file to read") }
    try refuse("--sparse", sparse, unless: to == .onnx, "goes with an ONNX file to write")
    let areWeights = from == .pth || from == .safetensors
    try refuse("--like", like != nil, unless: areWeights, "goes with a file of weights alone")
    try refuse("--rename", !rename.isEmpty, unless: areWeights, "goes with a file of weights alone")
    if areWeights, like == nil {
      throw ValidationError("\(input) holds weights alone; --like names a model with their network")
    }
  }

  func run() throws {
    let format = try FileFormat(of: output.output)
    _ = try InputFile(input)
    try OutputFile.check(
      output.output, format.outputKind, inputs: [input, like].compactMap { $0 })
    switch try FileFormat(of: input) {
    case .onnx: try write(naming(input) { try readONNX() }, like: nil)
    case .pth, .safetensors: try fill()
    case .model: try export(to: format)
    }
  }

  private func readONNX() throws -> ExchangedNetwork {
    let outputs = heads?.heads ?? []
    guard inputOrder != nil || inputMean != nil || inputScale != nil else {
      return try ExchangedNetwork(onnxFile: input, heads: outputs)
    }
    let usual = ImageInput.torchvision
    let order = inputOrder ?? .rgb
    func inOrder(_ values: [Double]) -> [Double] { order == .rgb ? values : values.reversed() }
    return try ExchangedNetwork(
      onnxFile: input, heads: outputs,
      input: ImageInput(
        order: order, mean: inputMean?.three ?? inOrder(usual.mean),
        scale: inputScale?.three ?? inOrder(usual.scale)))
  }

  /// Weights for the network of another model.
  private func fill() throws {
    guard let like else { return }
    let file = try ModelFile(opening: like)
    let filled = try naming(input) {
      let (tensors, notes) = try readWeights(input)
      var filled = try file.exchanged().filled(with: tensors, renames: rename)
      filled.notes = notes + filled.notes
      return filled
    }
    try write(filled, like: file)
  }

  private func write(_ network: ExchangedNetwork, like: ModelFile?) throws {
    var provenance = Provenance(createdBy: "\(toolName) \(version)", command: commandLine)
    try provenance.add(file: input)
    if let like { try provenance.add(like.reader) }
    let model = try network.model(architecture: like?.model.architecture)
    try ModelFile.write(output.output, model, provenance: provenance)
    say(network.notes)
    let graph = network.graph
    let weights = graph.prunable.reduce(0) { $0 + $1.count }
    common.say(
      "\(output.output): \(graph.nodes.count) operations, "
        + "\(Format.count(graph.parameters.reduce(0) { $0 + $1.count })) parameters, "
        + "\(Format.count(weights)) of them prunable; tasks \(graph.tasks.joined(separator: ", "))")
  }

  private func export(to format: FileFormat) throws {
    let file = try ModelFile(opening: input)
    let network = try file.exchanged()
    switch format {
    case .onnx:
      try OutputFile.write(
        naming(output.output) { try network.onnx(sparse: sparse) }, .onnx, to: output.output)
    case .pth:
      try OutputFile.write(
        naming(output.output) { try network.stateDict() }, .pth, to: output.output)
    case .safetensors:
      try OutputFile.write(
        naming(output.output) { try Safetensors.bytes(of: network.tensors) }, .safetensors,
        to: output.output)
    case .model: return
    }
    let masked = file.model.masks.isEmpty ? "" : ", masks applied"
    common.say("\(output.output): \(network.tensors.count) tensors\(masked)")
  }

  private func say(_ notes: [String]) {
    for note in notes { common.say("note: \(note)") }
  }
}
