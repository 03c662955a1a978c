// Networks in model files: how weights get in and out, which heads a data set's tasks need, and how
// images become input.

import Artifacts
import Networks
import Torch

extension NamedArray {
  init(_ name: String, _ tensor: Tensor) throws {
    self.init(name, shape: tensor.shape, try tensor.array(of: Float.self))
  }

  func tensor() throws -> Tensor { try Tensor(values, shape: shape) }
}

extension Architecture {
  /// Heads for a data set's tasks.
  public static func heads(for tasks: [DatasetTask]) -> [Head] {
    tasks.map { Head(task: $0.name, channels: $0.channels) }
  }

  /// - Throws: ``ArtifactError`` when a network made for other tasks meets this data set.
  public func check(fits dataset: ArtifactReader, tasks: [DatasetTask], network: String) throws {
    let expected = Architecture.heads(for: tasks)
    guard heads != expected else { return }
    func list(_ heads: [Head]) -> String {
      heads.map { "\($0.task) (\($0.channels))" }.joined(separator: ", ")
    }
    throw dataset.error(
      "/@tasks", "has the tasks \(list(expected)), but \(network) is for \(list(heads))")
  }
}

extension SceneNet {
  /// The network of a model.h5.
  ///
  /// - Parameter dropout: overrides the model's probability.
  /// - Throws: ``ArtifactError`` naming the parameter that is missing or misshaped.
  public convenience init(_ file: ModelFile, dropout: Double? = nil, on device: Device = .cpu)
    throws
  {
    let model = file.model
    var architecture = try Architecture(json: model.architecture, in: file.reader)
    if let dropout { architecture.dropout = dropout }
    do {
      try self.init(
        architecture,
        parameters: Dictionary(
          uniqueKeysWithValues: model.parameters.map { ($0.name, try $0.tensor()) }),
        buffers: Dictionary(uniqueKeysWithValues: model.buffers.map { ($0.name, try $0.tensor()) }),
        on: device)
    } catch let error as NetworkError {
      let isBuffer = architecture.buffers.contains { $0.name == error.name }
      let group = isBuffer ? "buffers" : "parameters"
      throw file.reader.error("/\(group)/\(error.name)", error.reason)
    }
  }

  /// Parameters and running statistics as they stand.
  public func snapshot() throws -> (parameters: [NamedArray], buffers: [NamedArray]) {
    (
      try parameters.map { try NamedArray($0.description.name, $0.tensor) },
      try buffers.map { try NamedArray($0.name, $0.tensor) }
    )
  }

  /// The network's input from 8-bit images N×H×W×3, RGB: N×3×H×W in the architecture's channel
  /// order, mean subtracted and scaled.
  public func normalized(_ images: Tensor) throws -> Tensor {
    let input = architecture.input
    let order = input.order == "BGR" ? [2, 1, 0] : [0, 1, 2]
    let mean = try Tensor(input.mean.map(Float.init), shape: [1, 3, 1, 1]).to(device)
    let values = try images.to(device).permuted([0, 3, 1, 2]).to(.float32).selecting(
      order, along: 1)
    return try (values - mean) * input.scale
  }
}
