// scene-net: a dilated ResNet with one ASPP head per task (DeepLab-ResNet, Chen et al. 2018), as
// published with DiSparse (Sun et al., CVPR 2022); parameters have the published checkpoints' names.

public struct SceneNet: Codable, Equatable, Sendable {
  private(set) var name = SceneNet.name
  /// Basic blocks per stage; 3, 4, 6, 3 is ResNet-34.
  public var stages: [Int]
  /// Channels of the first stage (W); stage s has 2ˢ · W.
  public var width: Int
  /// Channels inside a head (H).
  public var headWidth: Int
  public var dropout: Double
  public var input: ImageInput
  public var heads: [Head]

  enum CodingKeys: String, CodingKey {
    case name, stages, width
    case headWidth = "head_width"
    case dropout, input, heads
  }

  public init(
    stages: [Int], width: Int, headWidth: Int, dropout: Double, input: ImageInput = .published,
    heads: [Head]
  ) {
    self.stages = stages
    self.width = width
    self.headWidth = headWidth
    self.dropout = dropout
    self.input = input
    self.heads = heads
  }
}

extension SceneNet: NetworkBuilder {
  public static let name = "scene-net"

  public func graph() throws -> Graph {
    try validate()
    var maker = GraphMaker()
    let features = backbone(&maker)
    let outputs = heads.enumerated().map { index, head in
      Graph.Output(task: head.task, node: aspp(&maker, "task\(index + 1)_fc1", head, features))
    }
    return try Graph(
      input: input, nodes: maker.nodes, outputs: outputs,
      parameterOrder: parametersBeforeProjections(maker.nodes),
      initialValues: maker.initialValues)
  }

  private func validate() throws {
    func require(_ condition: Bool, _ reason: String) throws {
      if !condition { throw GraphError(reason) }
    }
    try require(
      stages.count == 4 && stages.allSatisfy { (1...1000).contains($0) },
      "needs 4 stages of at least 1 block, found \(stages)")
    try check(width: width, headWidth: headWidth)
    try checkHeads()
  }

  /// The published backbone begins with N(0, 0.01²), without regard to fan-in.
  private static let weights = InitialValues.normal(deviation: 0.01)
  private static let strides = [1, 2, 1, 1]
  private static let dilations = [1, 1, 2, 4]

  private func backbone(_ maker: inout GraphMaker) -> String {
    var x = maker.convolution(
      "backbone.conv1", Graph.image, from: 3, to: width, kernel: 7, stride: 2,
      weights: Self.weights)
    x = maker.batchNorm("backbone.bn1", x, width)
    x = maker.relu("backbone.relu", x)
    x = maker.add(
      "backbone.maxpool",
      .maxPool(
        MaxPool(kernel: Extent(3), stride: Extent(2), padding: Extent(1), ceilMode: true)), x)
    var channels = width
    for (stage, blocks) in stages.enumerated() {
      let (dilation, outputs) = (Self.dilations[stage], width << stage)
      for block in 0..<blocks {
        let stride = block == 0 ? Self.strides[stage] : 1
        let projects = block == 0 && (stride != 1 || channels != outputs || dilation > 1)
        x = basicBlock(
          &maker, "backbone.blocks.\(stage).\(block)",
          projection: projects ? "backbone.ds.\(stage)" : nil, x, from: channels, to: outputs,
          stride: stride, dilation: dilation)
        channels = outputs
      }
    }
    return x
  }

  /// Two 3×3 convolutions beside the identity, or beside a 1×1 projection.
  private func basicBlock(
    _ maker: inout GraphMaker, _ name: String, projection: String?, _ x: String,
    from inputs: Int, to outputs: Int, stride: Int, dilation: Int
  ) -> String {
    var y = maker.convolution(
      name + ".conv1", x, from: inputs, to: outputs, stride: stride, padding: dilation,
      dilation: dilation, weights: Self.weights)
    y = maker.batchNorm(name + ".bn1", y, outputs)
    y = maker.relu(name + ".relu", y)
    y = maker.convolution(
      name + ".conv2", y, from: outputs, to: outputs, dilation: dilation, weights: Self.weights)
    y = maker.batchNorm(name + ".bn2", y, outputs)
    var residual = x
    if let projection {
      residual = maker.convolution(
        projection + ".0", x, from: inputs, to: outputs, kernel: 1, stride: stride,
        weights: Self.weights)
      residual = maker.batchNorm(projection + ".1", residual, outputs)
    }
    return maker.relu(name + ".out", maker.sum(name + ".sum", residual, y))
  }

  /// Four branches of different dilation, summed.
  private func aspp(_ maker: inout GraphMaker, _ name: String, _ head: Head, _ features: String)
    -> String
  {
    let branches = [6, 12, 18, 24].enumerated().map { index, dilation in
      let branch = "\(name)_c\(index)"
      var x = maker.convolution(
        branch + ".conv1", features, from: 8 * width, to: headWidth, dilation: dilation, bias: true)
      x = maker.relu(branch + ".relu1", x)
      x = maker.dropout(branch + ".dropout1", x, dropout)
      x = maker.convolution(
        branch + ".conv2", x, from: headWidth, to: headWidth, kernel: 1, bias: true)
      x = maker.relu(branch + ".relu2", x)
      x = maker.dropout(branch + ".dropout2", x, dropout)
      return maker.convolution(
        branch + ".conv3", x, from: headWidth, to: head.channels, kernel: 1, bias: true)
    }
    return branches.indices.dropFirst().reduce(branches[0]) { sum, index in
      maker.sum("\(name).sum\(index)", sum, branches[index])
    }
  }

  /// The published network registers the projections behind all blocks.
  private func parametersBeforeProjections(_ nodes: [Graph.Node]) -> [String] {
    let names = nodes.flatMap { $0.operation.settings.parameters.map(\.name) }
    let backbone = names.filter { $0.hasPrefix("backbone.") }
    let projections = backbone.filter { $0.hasPrefix("backbone.ds.") }
    return backbone.filter { !$0.hasPrefix("backbone.ds.") } + projections
  }
}
