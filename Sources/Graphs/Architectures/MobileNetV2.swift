// mobilenet-v2 (Sandler et al. 2018) with one DeepLabV3 head per task; parameters are
// backbone.features. as in torchvision, and heads.TASK. with the names of its DeepLab head.

public struct MobileNetV2: Codable, Equatable, Sendable {
  private(set) var name = MobileNetV2.name
  /// Channels of the stem; 32 as published. The others scale with it, to multiples of 8.
  public var width: Int
  /// Channels inside a head.
  public var headWidth: Int
  /// Image pixels per pixel of the predictions, each way: 8 or 16.
  public var outputStride: Int
  public var dropout: Double
  public var input: ImageInput
  public var heads: [Head]

  enum CodingKeys: String, CodingKey {
    case name, width
    case headWidth = "head_width"
    case outputStride = "output_stride"
    case dropout, input, heads
  }

  public init(
    width: Int = 32, headWidth: Int = 256, outputStride: Int = 16, dropout: Double = 0.5,
    input: ImageInput = .torchvision, heads: [Head]
  ) {
    self.width = width
    self.headWidth = headWidth
    self.outputStride = outputStride
    self.dropout = dropout
    self.input = input
    self.heads = heads
  }
}

extension MobileNetV2: NetworkBuilder {
  public static let name = "mobilenet-v2"

  /// Expansion t, channels c, blocks n and stride s (the paper's table 2).
  private static let stages: [(t: Int, c: Int, n: Int, s: Int)] = [
    (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1),
    (6, 160, 3, 2), (6, 320, 1, 1),
  ]

  public func graph() throws -> Graph {
    try check(width: width, headWidth: headWidth)
    var reduction = try OutputStride(most: outputStride, reached: 2)
    try checkHeads()
    var maker = GraphMaker()
    var channels = scaled(32)
    var x = layer(
      &maker, "backbone.features.0", Graph.image, from: 3, to: channels, kernel: 3, stride: 2)
    var index = 1
    for stage in Self.stages {
      for block in 0..<stage.n {
        let before = reduction.dilation
        let stride = block == 0 ? reduction.enter(stride: stage.s) : 1
        x = invertedResidual(
          &maker, "backbone.features.\(index).conv", x, from: channels, to: scaled(stage.c),
          expansion: stage.t, stride: stride,
          dilation: block == 0 ? before : reduction.dilation)
        channels = scaled(stage.c)
        index += 1
      }
    }
    let outputs = maker.atrousPyramids(
      heads, x, from: channels, width: headWidth, rates: reduction.rates, dropout: dropout)
    return try Graph(
      input: input, nodes: maker.nodes, outputs: outputs, initialValues: maker.initialValues)
  }

  /// The nearest multiple of 8 that is not less than nine tenths, as torchvision rounds.
  private func scaled(_ channels: Int) -> Int {
    let wanted = Double(channels) * Double(width) / 32
    let rounded = max(8, Int(wanted + 4) / 8 * 8)
    return Double(rounded) < 0.9 * wanted ? rounded + 8 : rounded
  }

  /// Convolution `name`.0, batch-norm `name`.1 and ReLU6.
  private func layer(
    _ maker: inout GraphMaker, _ name: String, _ x: String, from inputs: Int, to outputs: Int,
    kernel: Int, stride: Int = 1, dilation: Int = 1, groups: Int = 1
  ) -> String {
    let y = maker.convolution(
      name + ".0", x, from: inputs, to: outputs, kernel: kernel, stride: stride,
      dilation: dilation, groups: groups, weights: .kaimingNormal(fanOut: outputs * kernel * kernel)
    )
    return maker.add(
      name + ".2", .activation(.relu6), maker.batchNorm(name + ".1", y, outputs))
  }

  private func invertedResidual(
    _ maker: inout GraphMaker, _ name: String, _ x: String, from inputs: Int, to outputs: Int,
    expansion: Int, stride: Int, dilation: Int
  ) -> String {
    let inner = inputs * expansion
    var y = x
    var place = 0
    if expansion != 1 {
      y = layer(&maker, "\(name).0", y, from: inputs, to: inner, kernel: 1)
      place = 1
    }
    y = layer(
      &maker, "\(name).\(place)", y, from: inner, to: inner, kernel: 3, stride: stride,
      dilation: dilation, groups: inner)
    y = maker.convolution(
      "\(name).\(place + 1)", y, from: inner, to: outputs, kernel: 1,
      weights: .kaimingNormal(fanOut: outputs))
    y = maker.batchNorm("\(name).\(place + 2)", y, outputs)
    return stride == 1 && inputs == outputs ? maker.sum(name + ".sum", x, y) : y
  }
}
