// Predictions of a model for pictures of any size that its network takes.

import Artifacts
import Graphs
import Networks
import Torch

/// A model that is ready to predict.
public struct Predictor {
  public let network: Network
  private let engine: any Engine
  private let machine: Machine

  public init(_ file: ModelFile, machine: Machine) throws {
    engine = try DenseEngine(Network(file, on: machine.device))
    network = engine.network
    self.machine = machine
  }

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
