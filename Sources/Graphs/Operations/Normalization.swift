// Batch and group normalisation.

/// Batch normalisation over N, H and W (Ioffe & Szegedy 2015).
public struct BatchNorm: Codable, Equatable, Sendable {
  /// Names of its parameters; nil where it does not scale or shift.
  public var weight: String?
  public var bias: String?
  /// Names of its running statistics.
  public var mean: String
  public var variance: String
  public var channels: Int
  public var epsilon: Double
  /// Of a new batch's statistics in the running ones, as PyTorch counts it.
  public var momentum: Double

  public init(
    weight: String?, bias: String?, mean: String, variance: String, channels: Int,
    epsilon: Double = 1e-5, momentum: Double = 0.1
  ) {
    self.weight = weight
    self.bias = bias
    self.mean = mean
    self.variance = variance
    self.channels = channels
    self.epsilon = epsilon
    self.momentum = momentum
  }

  /// With PyTorch's names under a prefix.
  public init(_ prefix: String, channels: Int, epsilon: Double = 1e-5, momentum: Double = 0.1) {
    self.init(
      weight: prefix + ".weight", bias: prefix + ".bias", mean: prefix + ".running_mean",
      variance: prefix + ".running_var", channels: channels, epsilon: epsilon, momentum: momentum)
  }
}

extension BatchNorm: OperationSettings {
  public var parameters: [ParameterSlot] { normalization(weight, bias, channels) }

  public var buffers: [Buffer] {
    [
      Buffer(name: mean, shape: [channels], initialValue: 0),
      Buffer(name: variance, shape: [channels], initialValue: 1),
    ]
  }

  public func validate(_ node: Graph.Node) throws {
    try node.checkNormalization(channels, epsilon)
    guard (0...1).contains(momentum) else { throw GraphError(node, "momentum is not in 0...1") }
  }

  public func shape(of inputs: [Shape]) throws -> Shape {
    guard inputs[0].first == channels else {
      throw ShapeError("takes \(channels) channels, not \(inputs[0].first ?? 0)")
    }
    return inputs[0]
  }
}

/// Group normalisation over the channels of a group, H and W (Wu & He 2018).
public struct GroupNorm: Codable, Equatable, Sendable {
  public var weight: String?
  public var bias: String?
  public var channels: Int
  public var groups: Int
  public var epsilon: Double

  public init(
    weight: String?, bias: String?, channels: Int, groups: Int, epsilon: Double = 1e-5
  ) {
    self.weight = weight
    self.bias = bias
    self.channels = channels
    self.groups = groups
    self.epsilon = epsilon
  }
}

extension GroupNorm: OperationSettings {
  public var parameters: [ParameterSlot] { normalization(weight, bias, channels) }

  public func validate(_ node: Graph.Node) throws {
    try node.checkNormalization(channels, epsilon)
    guard groups > 0, channels % groups == 0 else {
      throw GraphError(node, "its channels do not come in \(groups) groups")
    }
  }

  public func shape(of inputs: [Shape]) throws -> Shape {
    guard inputs[0].first == channels else {
      throw ShapeError("takes \(channels) channels, not \(inputs[0].first ?? 0)")
    }
    return inputs[0]
  }

  /// A group's mean and variance depend on all its channels.
  public func living(
    _ inputs: [[Bool]], _ shapes: (inputs: [Shape], output: Shape), _ masks: MaskLookup
  ) throws -> [Bool] {
    let size = channels / groups
    return (0..<channels).map { channel in
      let first = channel / size * size
      return inputs[0][first..<first + size].contains(true)
    }
  }
}

private func normalization(_ weight: String?, _ bias: String?, _ channels: Int) -> [ParameterSlot] {
  [
    weight.map { ParameterSlot(name: $0, shape: [channels], role: .normalizationWeight) },
    bias.map { ParameterSlot(name: $0, shape: [channels], role: .normalizationBias) },
  ].compactMap { $0 }
}

extension Graph.Node {
  fileprivate func checkNormalization(_ channels: Int, _ epsilon: Double) throws {
    guard (1...1 << 24).contains(channels), epsilon >= 0, epsilon.isFinite else {
      throw GraphError(self, "channels or epsilon are out of range")
    }
  }
}
