// Reading ONNX files: one's own network, as PyTorch's exporters write it.

import Foundation
import Graphs
import SwiftProtobuf

extension ExchangedNetwork {
  /// Reads an ONNX file, opset 13 or newer, with what it keeps in files beside it.
  ///
  /// - Parameters:
  ///   - heads: tasks with the outputs that predict them. Empty for our own files, whose outputs are called
  ///     after their tasks.
  ///   - input: how an image becomes the network's input; nil for what our own files say of it, and
  ///     else for what torchvision's networks expect. Its size is taken from the file.
  /// - Throws: ``ExchangeError`` or GraphError: what is not read, by node and operation.
  public init(onnxFile path: String, heads: [Graph.Output] = [], input: ImageInput? = nil) throws {
    let folder = URL(fileURLWithPath: path).deletingLastPathComponent()
    let beside = FilesBeside(folder: folder)
    try self.init(
      onnx: try regularFile(URL(fileURLWithPath: path)), heads: heads, input: input,
      external: { try beside.contents(of: $0) })
  }

  /// Reads the bytes of an ONNX file.
  ///
  /// - Parameter external: gives the bytes of a file that the tensors name by its path beside the
  ///   model's.
  public init(
    onnx bytes: Data, heads: [Graph.Output] = [], input: ImageInput? = nil,
    external: @escaping (String) throws -> Data = { _ in
      throw ExchangeError("keeps tensors in other files, which are not there")
    }
  ) throws {
    var options = BinaryDecodingOptions()
    options.discardUnknownFields = true
    options.messageDepthLimit = 32
    let model: ONNXModel
    do {
      model = try ONNXModel(serializedBytes: bytes, options: options)
    } catch {
      throw ExchangeError("is not an ONNX file, or is damaged")
    }
    let file = try ONNXContents(model, external: external)
    let ownInput = try file.ownInput()
    var image = input ?? ownInput ?? .torchvision
    let probes = try file.probes()
    image.size = file.fixedSize
    var importer = Importer(stored: file.stored, probes: probes, fileBytes: bytes.count)
    let outputs = try file.outputs(for: heads)
    importer.define(file.input.name, .result(importer.image))
    for step in try file.steps(neededFor: outputs.map(\.output)) {
      try importer.take(step)
      if ownInput != nil, step.outputs.contains(OwnFile.normalizedImage) {
        // What our own files do first is the input's description here.
        importer.define(OwnFile.normalizedImage, .result(importer.image))
      }
    }
    try importer.finish()
    let results = try outputs.map { task, output in
      guard case .result(let result) = try importer.value(output), result.name != Graph.image else {
        throw ExchangeError("output \(output) does not depend on the image")
      }
      return Graph.Output(task: task, node: result.name)
    }
    let fusion = Fusion(importer.drafts, importer.tensors, outputs: results.map(\.node))
    graph = try Graph(
      input: image, nodes: try fusion.nodes(), outputs: results,
      parameterOrder: file.parameterOrder)
    _ = try graph.shapes(for: probes[0].image)
    let used = Set(graph.parameters.map(\.name) + graph.buffers.map(\.name))
    tensors = fusion.tensors.filter { used.contains($0.key) }
    if ownInput == nil { importer.notes.addOperands(of: graph) }
    notes = importer.notes.texts
    if input == nil, ownInput == nil {
      notes.append(
        "images are normalised as torchvision's networks expect it, since nothing else was said")
    }
    let leftOut = file.outputNames.filter { name in !outputs.contains { $0.output == name } }
    if !leftOut.isEmpty { notes.append("outputs left out: " + leftOut.listed()) }
    try check()
  }
}

/// What our own files say besides the network.
enum OwnFile {
  static let producer = "disparse"
  /// What they call the image once it is normalised.
  static let normalizedImage = "normalized image"
  /// Keys of the metadata: how the image is normalised, as JSON, and the parameters in network order, one
  /// per line.
  static let inputKey = "image_input"
  static let orderKey = "parameters"
}

/// The parts of a model, checked.
private struct ONNXContents {
  let model: ONNXModel
  let stored: StoredTensors
  let opset: Int
  /// The image.
  let input: ONNXValue

  var outputNames: [String] { model.graph.outputs.map(\.name) }

  init(_ model: ONNXModel, external: @escaping (String) throws -> Data) throws {
    self.model = model
    guard model.hasGraph, !model.graph.nodes.isEmpty else {
      throw ExchangeError("is not an ONNX file: it has no graph")
    }
    guard
      let version = model.operatorSets.first(where: { ["", "ai.onnx"].contains($0.domain) })?
        .version,
      (13...64).contains(version)
    else {
      throw ExchangeError("is not written for opset 13 or newer; export it with opset_version=18")
    }
    opset = Int(version)
    stored = try StoredTensors(model.graph, external: external)
    let inputs = model.graph.inputs.filter { [stored] in !stored.contains($0.name) }
    guard inputs.count == 1, let input = inputs.first else {
      throw ExchangeError(
        "takes \(inputs.count) inputs (\(inputs.map(\.name).listed())); one image is expected")
    }
    let dimensions = input.type.tensor.shape.dimensions
    let channels = dimensions.count == 4 ? dimensions[1].known : 0
    guard dimensions.count == 4, channels == 3 || dimensions[1].size?.isSymbol ?? true else {
      throw ExchangeError(
        "its input \(input.name) is \(input.shapeText), where N×3×H×W is expected")
    }
    self.input = input
  }

  /// How our own files say that an image becomes the network's input.
  func ownInput() throws -> ImageInput? {
    guard let text = ownMetadata(OwnFile.inputKey) else { return nil }
    do {
      return try JSONDecoder().decode(ImageInput.self, from: Data(text.utf8))
    } catch {
      throw ExchangeError("its metadata \(OwnFile.inputKey) is damaged")
    }
  }

  /// As our own files say it.
  var parameterOrder: [String] {
    var seen: Set<String> = []
    let names = ownMetadata(OwnFile.orderKey)?.split(separator: "\n").map(String.init) ?? []
    return names.filter { seen.insert($0).inserted }
  }

  private func ownMetadata(_ key: String) -> String? {
    model.producerName == OwnFile.producer
      ? model.metadata.first { $0.key == key }?.value : nil
  }

  /// Rows and columns where the file fixes both.
  var fixedSize: Extent? {
    let (height, width) = (size(2), size(3))
    return height > 0 && width > 0 ? Extent(height, width) : nil
  }

  /// 0 where it is left open.
  private func size(_ axis: Int) -> Int {
    Int(clamping: max(0, input.type.tensor.shape.dimensions[axis].known))
  }

  /// Sizes of batches that the file allows. Those after the first have, halved again and again with
  /// either rounding, sizes that no other value of a network has by chance.
  func probes() throws -> [Probe] {
    let (batch, height, width) = (size(0), size(2), size(3))
    guard [batch, height, width].allSatisfy({ $0 <= 1 << 16 }) else {
      throw ExchangeError("its input is \(input.shapeText)")
    }
    let sizes =
      height > 0 && width > 0
      ? [Extent(height, width)]
      : [(448, 896), (896, 1344), (447, 895), (449, 897), (373, 517), (402, 602)].map {
        Extent(height > 0 ? height : $0, width > 0 ? width : $1)
      }
    if batch == 0, sizes.count == 1 {
      return [2, 3].map { Probe(batch: $0, image: sizes[0]) }
    }
    return zip(sizes, [2, 3, 5, 7, 11, 13]).map { Probe(batch: batch > 0 ? batch : $1, image: $0) }
  }

  /// The outputs that are asked for.
  func outputs(for heads: [Graph.Output]) throws -> [(task: String, output: String)] {
    let list = model.graph.outputs.map { "\($0.name) (\($0.shapeText))" }.listed(32)
    if heads.isEmpty {
      guard model.producerName == OwnFile.producer else {
        throw ExchangeError(
          "say which output predicts which task, TASK=OUTPUT; its outputs are \(list)")
      }
      return outputNames.map { ($0, $0) }
    }
    return try heads.map { head in
      guard outputNames.contains(head.node) else {
        throw ExchangeError(
          "has no output \(head.node) for task \(head.task); its outputs are \(list)")
      }
      return (head.task, head.node)
    }
  }

  /// The nodes that outputs depend on, in the file's order.
  func steps(neededFor outputs: [String]) throws -> [Step] {
    let nodes = model.graph.nodes
    var producers: [String: Int] = [:]
    for (place, node) in nodes.enumerated() {
      for name in node.outputs where !name.isEmpty { producers[name] = place }
    }
    var isNeeded = nodes.map { _ in false }
    var waiting = outputs.compactMap { producers[$0] }
    while let place = waiting.popLast() {
      if isNeeded[place] { continue }
      isNeeded[place] = true
      waiting += nodes[place].inputs.compactMap { producers[$0] }
    }
    return nodes.indices.filter { isNeeded[$0] }.map { Step(nodes[$0], opset: opset) }
  }
}

extension ONNXDimension.OneOf_Size {
  fileprivate var isSymbol: Bool { if case .symbol = self { true } else { false } }
}

extension ONNXValue {
  /// N×21×64×64; ? where the file says nothing.
  fileprivate var shapeText: String {
    guard type.tensor.hasShape else { return "of unknown shape" }
    let sizes = type.tensor.shape.dimensions.map { dimension in
      switch dimension.size {
      case .known(let size): "\(size)"
      case .symbol(let name) where !name.isEmpty && name.count <= 24: name
      default: "?"
      }
    }
    return sizes.isEmpty ? "a scalar" : sizes.joined(separator: "×")
  }
}

extension Importer {
  /// - Throws: ``ExchangeError`` when only one size of images fits, in a file that leaves the size open.
  func finish() throws {
    let sizes = Set(zip(probes, isAlive).filter(\.1).map(\.0.image))
    guard sizes.count > 1 || Set(probes.map(\.image)).count == 1 else {
      throw ExchangeError("does not take images of several sizes; export it for one size")
    }
  }
}

extension Fusion {
  func nodes() throws -> [Graph.Node] {
    try drafts.map { draft in
      guard case .operation(let operation) = draft.function else {
        throw ExchangeError(
          "node \(draft.name) (Erf): the error function is read only as a part of GELU")
      }
      return Graph.Node(draft.name, operation, draft.inputs)
    }
  }
}

/// The files that an ONNX file keeps its tensors in: in its own folder or below, whatever it says.
private final class FilesBeside {
  private let folder: URL
  private var read: [String: Data] = [:]

  init(folder: URL) { self.folder = folder.resolvingSymlinksInPath().standardizedFileURL }

  func contents(of location: String) throws -> Data {
    if let data = read[location] { return data }
    let parts = location.split(separator: "/", omittingEmptySubsequences: false)
    let file = folder.appendingPathComponent(location).resolvingSymlinksInPath().standardizedFileURL
    guard !location.isEmpty, !location.contains("\0"), !parts.contains(""), !parts.contains(".."),
      file.path.hasPrefix(folder.path + "/") || folder.path == "/"
    else {
      throw ExchangeError(
        "keeps tensors in \(location), which is outside its folder and is not read")
    }
    let data = try regularFile(file)
    read[location] = data
    return data
  }
}

/// The bytes of a file that is no pipe and no device.
func regularFile(_ url: URL) throws -> Data {
  let kind = try? FileManager.default.attributesOfItem(atPath: url.resolvingSymlinksInPath().path)[
    .type]
  guard let kind else { throw ExchangeError("\(url.path): no such file") }
  guard kind as? FileAttributeType == .typeRegular else {
    throw ExchangeError("\(url.path): is not a file")
  }
  do {
    return try Data(contentsOf: url, options: .mappedIfSafe)
  } catch {
    throw ExchangeError("\(url.path): cannot be read")
  }
}
