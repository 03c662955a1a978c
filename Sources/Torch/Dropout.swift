// Dropout, with a stream of random numbers for each layer of a network.

import CTorch

/// A stream of random numbers per dropout layer, so that layers are independent of each other and of
/// the order in which they are run.
public struct DropoutStreams: Sendable {
  private let stream: RandomStream
  /// The place of the images' first in the batch that the numbers are drawn for.
  public let firstImage: Int

  public init(_ stream: RandomStream, firstImage: Int = 0) {
    self.stream = stream
    self.firstImage = firstImage
  }

  /// The stream of a layer, in whatever way a network counts them.
  public subscript(layer layer: Int) -> RandomStream { stream.part(layer) }
}

extension Tensor {
  /// Zeroes each element with `probability` and scales the others by 1/(1 − probability).
  /// Which ones follows from their place in N×C×H×W order, not from how memory is laid out.
  ///
  /// - Parameter firstImage: the place of image 0 in a batch of which this is a part.
  public func droppedOut(
    _ probability: Double, using stream: RandomStream, firstImage: Int = 0
  ) throws -> Tensor {
    guard probability != 0 else { return self }
    return try returning { ct_dropout(&$0, raw, probability, stream.key, Int64(firstImage)) }
  }
}
