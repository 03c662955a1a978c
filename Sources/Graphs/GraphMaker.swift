// GraphMaker: nodes one after the other, with the names that PyTorch gives parameters.

/// Gathers the nodes of a network that is being built. Every method adds a node and returns its name.
struct GraphMaker {
  private(set) var nodes: [Graph.Node] = []
  private(set) var initialValues: [String: InitialValues] = [:]

  mutating func add(_ name: String, _ operation: Operation, _ inputs: String...) -> String {
    nodes.append(Graph.Node(name, operation, inputs))
    return name
  }

  mutating func add(_ name: String, _ operation: Operation, from inputs: [String]) -> String {
    nodes.append(Graph.Node(name, operation, inputs))
    return name
  }

  /// A convolution whose parameters are `name`.weight and `name`.bias.
  ///
  /// - Parameters:
  ///   - padding: nil for what keeps the size at stride 1.
  ///   - weights: what the weight begins with; nil for PyTorch's default.
  ///   - biases: likewise of the bias.
  mutating func convolution(
    _ name: String, _ input: String, from inputs: Int, to outputs: Int, kernel: Int = 3,
    stride: Int = 1, padding: Int? = nil, dilation: Int = 1, groups: Int = 1, bias: Bool = false,
    weights: InitialValues? = nil, biases: InitialValues? = nil
  ) -> String {
    initialValues[name + ".weight"] = weights
    if bias { initialValues[name + ".bias"] = biases }
    return add(
      name,
      .convolution(
        Convolution(
          weight: name + ".weight", bias: bias ? name + ".bias" : nil,
          shape: [outputs, inputs / groups, kernel, kernel], stride: Extent(stride),
          padding: Extent(padding ?? dilation * (kernel - 1) / 2), dilation: Extent(dilation),
          groups: groups)), input)
  }

  mutating func batchNorm(_ name: String, _ input: String, _ channels: Int) -> String {
    add(name, .batchNorm(BatchNorm(name, channels: channels)), input)
  }

  mutating func relu(_ name: String, _ input: String) -> String {
    add(name, .activation(.relu), input)
  }

  mutating func dropout(_ name: String, _ input: String, _ probability: Double) -> String {
    add(name, .dropout(Dropout(probability: probability)), input)
  }

  mutating func sum(_ name: String, _ one: String, _ other: String) -> String {
    add(name, .arithmetic(.add), one, other)
  }
}
