// unet (Ronneberger et al. 2015) with batch-norm and bilinear upsampling; one 1×1 head per task.
// Parameters have the names of the widely used PyTorch U-Net (milesial): inc, down1…4, up1…4, and
// heads.TASK.conv for its outc.conv.

public struct UNet: Codable, Equatable, Sendable {
  private(set) var name = UNet.name
  /// Channels of the first level; 64 as published.
  public var width: Int
  /// Before the heads.
  public var dropout: Double
  public var input: ImageInput
  public var heads: [Head]

  public init(
    width: Int = 64, dropout: Double = 0, input: ImageInput = .torchvision, heads: [Head]
  ) {
    self.width = width
    self.dropout = dropout
    self.input = input
    self.heads = heads
  }
}

extension UNet: NetworkBuilder {
  public static let name = "unet"

  public func graph() throws -> Graph {
    guard (2...4096).contains(width), width % 2 == 0 else {
      throw GraphError("width \(width) is not an even number in 2...4096")
    }
    try checkHeads()
    var maker = GraphMaker()
    var x = doubleConvolution(&maker, "inc", Graph.image, from: 3, inner: width, to: width)
    var levels = [(name: x, channels: width)]
    for level in 1...4 {
      let inputs = levels[level - 1].channels
      // The deepest level gives as many channels as it takes, since upsampling halves none.
      let outputs = level == 4 ? inputs : 2 * inputs
      x = maker.add(
        "down\(level).maxpool", .maxPool(MaxPool(kernel: Extent(2), stride: Extent(2))), x)
      x = doubleConvolution(
        &maker, "down\(level).maxpool_conv.1", x, from: inputs, inner: outputs, to: outputs)
      levels.append((x, outputs))
    }
    var channels = levels[4].channels
    for level in 1...4 {
      let skip = levels[4 - level]
      let inputs = channels + skip.channels
      x = maker.add(
        "up\(level).up", .resize(Resize(.bilinear, .alignCorners, to: .likeSecondInput)), x,
        skip.name)
      x = maker.add("up\(level).concat", .concat(Concat(axis: 1)), skip.name, x)
      let outputs = level == 4 ? width : skip.channels / 2
      x = doubleConvolution(
        &maker, "up\(level).conv", x, from: inputs, inner: inputs / 2, to: outputs)
      channels = outputs
    }
    let outputs = heads.map { head in
      let name = "heads.\(head.task)"
      return Graph.Output(
        task: head.task,
        node: maker.convolution(
          name + ".conv", maker.dropout(name + ".dropout", x, dropout), from: channels,
          to: head.channels, kernel: 1, bias: true))
    }
    return try Graph(
      input: input, nodes: maker.nodes, outputs: outputs, initialValues: maker.initialValues)
  }

  private func doubleConvolution(
    _ maker: inout GraphMaker, _ prefix: String, _ x: String, from inputs: Int, inner: Int,
    to outputs: Int
  ) -> String {
    let name = prefix + ".double_conv"
    var y = maker.convolution(name + ".0", x, from: inputs, to: inner)
    y = maker.relu(name + ".2", maker.batchNorm(name + ".1", y, inner))
    y = maker.convolution(name + ".3", y, from: inner, to: outputs)
    return maker.relu(name + ".5", maker.batchNorm(name + ".4", y, outputs))
  }
}
