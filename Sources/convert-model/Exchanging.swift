// Between model.h5 and what other programs exchange.

import Artifacts
import Exchange
import Graphs
import Networks
import Torch
import Training

/// Calls `body`; what it finds wrong is told of a file.
func naming<Result>(_ file: String, _ body: () throws -> Result) throws -> Result {
  func error(_ reason: String) -> ArtifactError {
    ArtifactError(file: file, path: "", reason: reason)
  }
  do {
    return try body()
  } catch let thrown as ExchangeError {
    throw error(thrown.description)
  } catch let thrown as GraphError {
    throw error(thrown.description)
  }
}

extension ModelFile {
  /// The network with its masks applied.
  func exchanged() throws -> ExchangedNetwork {
    let network = try Network(self)
    let graph = network.graph
    var tensors = Dictionary(
      uniqueKeysWithValues: (model.parameters + model.buffers).map {
        ($0.name, PlainTensor(shape: $0.shape, values: $0.values))
      })
    for mask in model.masks {
      guard let values = tensors[mask.name]?.values, mask.values.count == values.count else {
        throw reader.error("/masks/\(mask.name)", "is not the mask of a weight of the network")
      }
      tensors[mask.name]?.values = zip(values, mask.values).map { $1 == 0 ? 0 : $0 }
    }
    let used = Set(graph.parameters.map(\.name) + graph.buffers.map(\.name))
    return ExchangedNetwork(graph: graph, tensors: tensors.filter { used.contains($0.key) })
  }
}

extension ExchangedNetwork {
  /// As model.h5 holds it.
  ///
  /// - Parameter architecture: its JSON, where it is not the graph's own.
  func model(architecture: String?) throws -> Model {
    func arrays(_ slots: [(name: String, shape: [Int])]) throws -> [NamedArray] {
      try slots.map { name, shape in
        guard let tensor = tensors[name] else { throw ExchangeError("has no tensor \(name)") }
        return NamedArray(name, shape: shape, tensor.values)
      }
    }
    return Model(
      architecture: try architecture ?? Architecture(graph).json, step: 0,
      parameters: try arrays(graph.parameters.map { ($0.name, $0.shape) }),
      buffers: try arrays(graph.buffers.map { ($0.name, $0.shape) }))
  }

  /// As torch.save writes a state dict.
  func stateDict() throws -> [UInt8] {
    let names = graph.parameters.map(\.name) + graph.buffers.map(\.name)
    return try StateDict.bytes(
      of: names.compactMap { name in
        try tensors[name].map { (name, try Tensor($0.values, shape: $0.shape)) }
      })
  }
}

/// The tensors of a file of weights, by name.
func readWeights(_ path: String) throws -> (tensors: [String: PlainTensor], notes: [String]) {
  guard try FileFormat(of: path) == .pth else { return (try Safetensors.read(path), []) }
  let file = try StateDict.read(path)
  let tensors = try file.tensors.map { name, tensor in
    (name, PlainTensor(shape: tensor.shape, values: try tensor.to(.float32).array()))
  }
  var notes = file.key.map { ["the state dict is the checkpoint's entry '\($0)'"] } ?? []
  if !file.skipped.isEmpty {
    notes.append("no tensors, left out: \(file.skipped.prefix(8).joined(separator: ", "))")
  }
  return (Dictionary(tensors) { first, _ in first }, notes)
}
