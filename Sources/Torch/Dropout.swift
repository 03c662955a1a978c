// Dropout, with a stream of random numbers for each layer of a network.

import CTorch

/// A stream of random numbers per dropout layer, so that layers are independent of each other and of
/// the order in which they are run.
public struct DropoutStreams: Sendable {
  private let stream: RandomStream

  public init(_ stream: RandomStream) { self.stream = stream }

  /// The stream of a layer, in whatever way a network counts them.
  public subscript(layer layer: Int) -> RandomStream { stream.part(layer) }
}

extension Tensor {
  /// Zeroes each element with `probability` and scales the others by 1/(1 − probability).
  /// Which ones follows from their place in N×C×H×W order, not from how memory is laid out.
  public func droppedOut(_ probability: Double, using stream: RandomStream) throws -> Tensor {
    guard probability != 0 else { return self }
    return try returning { ct_dropout(&$0, raw, probability, stream.key) }
  }
}
