// deeplab: DeepLabV3 (Chen et al. 2017) over a ResNet (He et al. 2016), one head per task; parameters
// are backbone. with torchvision's ResNet names, and heads.TASK. with those of its DeepLab head.

public struct DeepLab: Codable, Equatable, Sendable {
  private(set) var name = DeepLab.name
  public var backbone: ResNet
  /// Channels of the stem; 64 as published.
  public var width: Int
  /// Channels inside a head; 256 as published.
  public var headWidth: Int
  /// Image pixels per pixel of the predictions, each way: 8 or 16.
  public var outputStride: Int
  public var dropout: Double
  public var input: ImageInput
  public var heads: [Head]

  enum CodingKeys: String, CodingKey {
    case name, backbone, width
    case headWidth = "head_width"
    case outputStride = "output_stride"
    case dropout, input, heads
  }

  public init(
    backbone: ResNet, width: Int = 64, headWidth: Int = 256, outputStride: Int = 8,
    dropout: Double = 0.5, input: ImageInput = .torchvision, heads: [Head]
  ) {
    self.backbone = backbone
    self.width = width
    self.headWidth = headWidth
    self.outputStride = outputStride
    self.dropout = dropout
    self.input = input
    self.heads = heads
  }
}

public enum ResNet: String, Codable, CaseIterable, Sendable {
  case resNet18 = "resnet-18"
  case resNet34 = "resnet-34"
  case resNet50 = "resnet-50"
  case resNet101 = "resnet-101"

  var blocks: [Int] {
    switch self {
    case .resNet18: [2, 2, 2, 2]
    case .resNet34, .resNet50: [3, 4, 6, 3]
    case .resNet101: [3, 4, 23, 3]
    }
  }

  /// Channels of a block's output over those of its 3×3 convolution; more than 1 in a bottleneck.
  var expansion: Int {
    switch self {
    case .resNet18, .resNet34: 1
    case .resNet50, .resNet101: 4
    }
  }
}

extension DeepLab: NetworkBuilder {
  public static let name = "deeplab"

  public func graph() throws -> Graph {
    try check(width: width, headWidth: headWidth)
    var reduction = try OutputStride(most: outputStride, reached: 4)
    try checkHeads()
    var maker = GraphMaker()
    let features = resNet(&maker, "backbone", &reduction)
    let outputs = maker.atrousPyramids(
      heads, features, from: 8 * width * backbone.expansion, width: headWidth,
      rates: reduction.rates, dropout: dropout)
    return try Graph(
      input: input, nodes: maker.nodes, outputs: outputs, initialValues: maker.initialValues)
  }

  private func resNet(_ maker: inout GraphMaker, _ name: String, _ reduction: inout OutputStride)
    -> String
  {
    var x = convolution(
      &maker, name + ".conv1", Graph.image, from: 3, to: width, kernel: 7, stride: 2)
    x = maker.relu(name + ".relu", maker.batchNorm(name + ".bn1", x, width))
    x = maker.add(
      name + ".maxpool",
      .maxPool(MaxPool(kernel: Extent(3), stride: Extent(2), padding: Extent(1))), x)
    var channels = width
    for (stage, blocks) in backbone.blocks.enumerated() {
      // As torchvision has it: a dilated stage's first block still has the dilation before it.
      let before = reduction.dilation
      let stride = reduction.enter(stride: stage == 0 ? 1 : 2)
      for block in 0..<blocks {
        x = residualBlock(
          &maker, "\(name).layer\(stage + 1).\(block)", x, from: channels, inner: width << stage,
          stride: block == 0 ? stride : 1, dilation: block == 0 ? before : reduction.dilation)
        channels = (width << stage) * backbone.expansion
      }
    }
    return x
  }

  private func residualBlock(
    _ maker: inout GraphMaker, _ name: String, _ x: String, from inputs: Int, inner: Int,
    stride: Int, dilation: Int
  ) -> String {
    let outputs = inner * backbone.expansion
    let isBottleneck = backbone.expansion > 1
    // In a bottleneck the 3×3 convolution has the stride (ResNet V1.5), else the first one.
    let layers: [(kernel: Int, stride: Int, outputs: Int)] =
      isBottleneck
      ? [(1, 1, inner), (3, stride, inner), (1, 1, outputs)]
      : [(3, stride, inner), (3, 1, outputs)]
    var y = x
    var channels = inputs
    for (index, layer) in layers.enumerated() {
      y = convolution(
        &maker, "\(name).conv\(index + 1)", y, from: channels, to: layer.outputs,
        kernel: layer.kernel, stride: layer.stride, dilation: layer.kernel == 1 ? 1 : dilation)
      y = maker.batchNorm("\(name).bn\(index + 1)", y, layer.outputs)
      if index + 1 < layers.count { y = maker.relu("\(name).relu\(index + 1)", y) }
      channels = layer.outputs
    }
    var residual = x
    if stride != 1 || inputs != outputs {
      residual = convolution(
        &maker, name + ".downsample.0", x, from: inputs, to: outputs, kernel: 1, stride: stride)
      residual = maker.batchNorm(name + ".downsample.1", residual, outputs)
    }
    return maker.relu(name + ".relu", maker.sum(name + ".sum", y, residual))
  }

  /// With torchvision's initial weights: Kaiming-normal by fan-out.
  private func convolution(
    _ maker: inout GraphMaker, _ name: String, _ x: String, from inputs: Int, to outputs: Int,
    kernel: Int, stride: Int = 1, dilation: Int = 1
  ) -> String {
    maker.convolution(
      name, x, from: inputs, to: outputs, kernel: kernel, stride: stride, dilation: dilation,
      weights: .kaimingNormal(fanOut: outputs * kernel * kernel))
  }
}

extension InitialValues {
  /// N(0, 2 / fan-out) (He et al. 2015), for layers that a ReLU follows.
  static func kaimingNormal(fanOut: Int) -> InitialValues {
    .normal(deviation: (2 / Double(fanOut)).squareRoot())
  }
}
