// Predictions of a model for pictures of any size that its network takes.

import Artifacts
import Graphs
import Networks
import Torch

/// A model that is ready to predict.
public struct Predictor {
  public let network: Network
  public let engineKind: EngineKind
  private let engine: any Engine
  private let machine: Machine

  /// - Parameter size: of the pictures that `choice` is made for.
  /// - Throws: ``ArtifactError`` for a damaged model, ``GraphError`` when its network does not take
  ///   such pictures, ``EngineError`` when the sparse engine is asked for where it cannot run.
  public init(
    _ file: ModelFile, machine: Machine, engine choice: EngineChoice = .auto, for size: Extent
  ) throws {
    network = try Network(file, on: machine.device)
    try file.reader.checkMasks(file.model.masks, of: network.graph)
    engineKind = try choice.kind(
      for: network.graph, masks: file.model.masks, image: size, on: machine)
    engine = try network.engine(engineKind, masks: file.model.masks)
    self.machine = machine.running(engineKind)
  }

  /// How the engine runs each layer.
  public var planTable: String { engine.planTable }

  /// The predictions' shapes for a picture, channels×H×W by task.
  ///
  /// - Throws: ``GraphError`` when the network does not take pictures of that size.
  public func shapes(height: Int, width: Int) throws -> [(task: String, shape: [Int])] {
    Array(
      zip(network.graph.tasks, try network.graph.predictionShapes(for: Extent(height, width))))
  }

  /// - Parameter image: H×W×3, 8-bit RGB.
  /// - Returns: by task, row-major.
  public func predictions(for image: [UInt8], height: Int, width: Int) throws -> [[Float]] {
    try withoutGradients {
      let images = try Tensor(image, shape: [1, height, width, 3])
      return try withPrecision(machine.precision, on: network.device) {
        try engine.predictions(for: network.normalized(images), training: false, using: nil)
      }.map { try $0.to(.float32).to(Device.cpu).array() }
    }
  }
}
