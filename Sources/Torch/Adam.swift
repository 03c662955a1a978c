// Adam as one fused kernel over all parameters.

import CTorch

/// Adam (Kingma & Ba 2015) with the L2 term added to the gradient, as torch.optim.Adam has it.
///
/// A weight that is 0, has gradient 0 and moments 0 stays exactly 0, so masked weights need no
/// special case here.
public final class Adam {
  public private(set) var parameters: [Tensor]
  public private(set) var firstMoments: [Tensor]
  public private(set) var secondMoments: [Tensor]
  /// The number of steps taken, as a scalar tensor per parameter (libtorch's convention).
  public private(set) var steps: [Tensor]
  public let weightDecay: Double
  private let beta1 = 0.9
  private let beta2 = 0.999
  private let epsilon = 1e-8

  public init(_ parameters: [Tensor], weightDecay: Double) throws {
    self.parameters = parameters
    self.weightDecay = weightDecay
    (firstMoments, secondMoments, steps) = try withoutGradients {
      (
        try parameters.map(Tensor.zeros(like:)), try parameters.map(Tensor.zeros(like:)),
        try parameters.map { try Tensor.full(0, shape: []).to($0.device) }
      )
    }
  }

  /// Steps taken.
  public func stepCount() throws -> Int { try steps.first.map { Int(try $0.item()) } ?? 0 }

  /// Goes on with another tensor in a parameter's place, as when it is to hold its kept values alone.
  ///
  /// - Parameters:
  ///   - firstMoment: of the tensor's shape and order in memory, and so is `secondMoment`.
  public func replace(
    _ index: Int, by parameter: Tensor, firstMoment: Tensor, secondMoment: Tensor
  ) {
    parameters[index] = parameter
    firstMoments[index] = firstMoment
    secondMoments[index] = secondMoment
  }

  /// Leaves the last parameters as they are from now on.
  public func removeLast(_ count: Int) {
    parameters.removeLast(count)
    firstMoments.removeLast(count)
    secondMoments.removeLast(count)
    steps.removeLast(count)
  }

  /// One step; `gradients` in the parameters' order, in their memory format.
  public func step(_ gradients: [Tensor], learningRate: Double) throws {
    guard gradients.count == parameters.count else {
      throw TorchError("\(gradients.count) gradients for \(parameters.count) parameters")
    }
    try check(
      ct_adam_step(
        parameters.map { $0.raw }, gradients.map { $0.raw }, firstMoments.map { $0.raw },
        secondMoments.map { $0.raw }, steps.map { $0.raw }, Int32(parameters.count), learningRate,
        beta1, beta2, epsilon, weightDecay))
  }
}
