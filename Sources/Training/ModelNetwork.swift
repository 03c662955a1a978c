// Networks in model files: how weights and masks get in and out, and which heads a data set's tasks
// need.

import Artifacts
import Formatting
import Graphs
import Networks
import Sparsity
import Torch

extension NamedArray {
  init(_ name: String, _ tensor: Tensor) throws {
    self.init(name, shape: tensor.shape, try tensor.array(of: Float.self))
  }

  /// A weight in the parameter's shape, 0 where it is pruned.
  init(_ weight: Weight) throws { try self.init(weight.name, weight.whole()) }

  func tensor() throws -> Tensor { try Tensor(values, shape: shape) }
}

extension Mask {
  func tensor() throws -> Tensor { try Tensor(values, shape: shape) }
}

extension Architecture {
  /// Reads what a file records.
  ///
  /// - Throws: ``ArtifactError`` naming the file.
  public init(json: String, in reader: ArtifactReader) throws {
    do {
      try self.init(json: json)
    } catch let error as ArchitectureError {
      throw reader.error("/@architecture", error.description)
    }
  }

  /// - Parameter network: what messages call the network.
  /// - Throws: ``ArtifactError`` when a network made for other tasks, or for images of other sizes,
  ///   meets this data set.
  public func check(fits dataset: DatasetFile, network: String) throws {
    let expected = Head.of(dataset.tasks)
    guard let split = dataset.splits.first else { return }
    let found: [Head]
    do {
      let shapes = try graph.predictionShapes(for: Extent(split.height, split.width))
      if let shape = shapes.first(where: { $0.count != 3 }) {
        throw GraphError("predicts \(shape), and not a map")
      }
      found = zip(tasks, shapes).map { Head(task: $0, channels: $1[0]) }
    } catch let error as GraphError {
      throw dataset.reader.error("", "does not fit \(network): \(error.description)")
    }
    guard found != expected else { return }
    func list(_ heads: [Head]) -> String {
      heads.map { "\($0.task) (\($0.channels))" }.joined(separator: ", ")
    }
    let isReordered =
      found.count == expected.count && found.allSatisfy { expected.contains($0) }
    throw dataset.reader.error(
      "/@tasks",
      "has the tasks \(list(expected)), but \(network) is for \(list(found))"
        + (isReordered ? "; their order must be the same" : ""))
  }
}

extension Head {
  /// The heads that a data set's tasks need.
  public static func of(_ tasks: [DatasetTask]) -> [Head] {
    tasks.map { Head(task: $0.name, channels: $0.channels) }
  }
}

extension Network {
  /// The network of a model.h5.
  ///
  /// - Parameter dropout: overrides the model's probability.
  /// - Throws: ``ArtifactError`` naming the parameter that is missing or misshaped.
  public convenience init(_ file: ModelFile, dropout: Double? = nil, on device: Device = .cpu)
    throws
  {
    let model = file.model
    let architecture = try Architecture(json: model.architecture, in: file.reader)
      .with(dropout: dropout)
    func tensors(_ arrays: [NamedArray]) throws -> [String: Tensor] {
      Dictionary(uniqueKeysWithValues: try arrays.map { ($0.name, try $0.tensor()) })
    }
    do {
      try self.init(
        architecture, parameters: tensors(model.parameters), buffers: tensors(model.buffers),
        on: device)
    } catch let error as NetworkError {
      let isBuffer = architecture.graph.buffers.contains { $0.name == error.name }
      let group = isBuffer ? "buffers" : "parameters"
      throw file.reader.error("/\(group)/\(error.name)", error.reason)
    }
  }

  /// Parameters and buffers as they stand.
  public func snapshot() throws -> (parameters: [NamedArray], buffers: [NamedArray]) {
    (try weights.map { try NamedArray($0) }, try bufferArrays())
  }

  func bufferArrays() throws -> [NamedArray] {
    try buffers.map { try NamedArray($0.name, $0.tensor) }
  }

  /// The masks of the weights that are not dense.
  public func masks() throws -> [Mask] {
    try weights.compactMap { weight in
      try weight.mask.map { Mask(weight.name, shape: weight.shape, try $0.array()) }
    }
  }

  /// Takes masks by name; weights without one are dense.
  ///
  /// - Throws: ``NetworkError`` for a mask of no weight, or of another shape than its weight.
  public func setMasks(_ masks: [Mask]) throws {
    try graph.check(masks)
    let byName = Dictionary(uniqueKeysWithValues: masks.map { ($0.name, $0) })
    for weight in prunable { try weight.setMask(byName[weight.name]?.tensor()) }
  }
}

extension EngineChoice {
  /// The engine for a network with some masks on pictures of a size.
  ///
  /// - Throws: ``EngineError`` when the sparse engine is asked for where it cannot run.
  public func kind(for graph: Graph, masks: [Mask], image: Extent, on machine: Machine) throws
    -> EngineKind
  {
    try kind(
      for: graph, kept: masks.keptWeights, image: image, on: machine.device, machine.precision)
  }
}

extension [Mask] {
  /// How many weights stay, by the name of their layer.
  var keptWeights: [String: Int] {
    reduce(into: [:]) { kept, mask in
      kept[mask.name] = mask.values.reduce(0) { $0 + Int($1) }
    }
  }
}

extension Graph {
  /// What masks leave of the weights with the same owners.
  ///
  /// - Parameter kept: how many weights stay, by layer; all of a layer that is not there.
  func componentSizes(kept: [String: Int]) -> [ComponentSize] {
    let network = prunableNetwork(of: self)
    return network.components.map { component in
      let layers = component.layers.map { network.layers[$0] }
      return ComponentSize(
        owners: network.name(of: component), weights: layers.reduce(0) { $0 + $1.count },
        kept: layers.reduce(0) { $0 + (kept[$1.name] ?? $1.count) })
    }
  }
}

extension Network {
  /// What its masks leave of the weights with the same owners.
  public func componentSizes() throws -> [ComponentSize] {
    graph.componentSizes(kept: try masks().keptWeights)
  }
}

extension ArtifactReader {
  /// - Throws: ``ArtifactError`` for a mask of what is no layer, or of another shape than its layer.
  func checkMasks(_ masks: [Mask], of graph: Graph) throws {
    do {
      try graph.check(masks)
    } catch let error as NetworkError {
      throw self.error("/masks/\(error.name)", error.reason)
    }
  }
}

extension Network {
  /// An engine of some kind over this network under some masks.
  public func engine(_ kind: EngineKind, masks: [Mask]) throws -> any Engine {
    // Pruned weights are zeros in files, so the dense engine needs no masks.
    if kind == .sparse { try setMasks(masks) }
    return try kind.engine(for: self)
  }
}

extension Graph {
  /// - Throws: ``NetworkError`` for a mask of no weight, or of another shape than its weight.
  func check(_ masks: [Mask]) throws {
    let shapes = Dictionary(uniqueKeysWithValues: prunable.map { ($0.name, $0.shape) })
    for mask in masks {
      guard let shape = shapes[mask.name] else {
        throw NetworkError(mask.name, "not a prunable weight of the network")
      }
      guard mask.shape == shape else {
        throw NetworkError(
          mask.name, "expected shape \(Format.shape(shape)), found \(Format.shape(mask.shape))")
      }
    }
  }
}
