// Engine: what runs a network.

import Torch

public protocol Engine {
  var network: Network { get }
  var kind: EngineKind { get }

  /// The predictions of all tasks, in task order.
  ///
  /// - Parameters:
  ///   - images: N×3×H×W, normalised as the graph's input says.
  ///   - training: batch statistics in batch-norm, and dropout.
  ///   - dropout: where dropout's randomness comes from; without it nothing is dropped.
  func predictions(for images: Tensor, training: Bool, using dropout: DropoutStreams?) throws
    -> [Tensor]
}
