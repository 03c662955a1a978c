// The layers of a scene-net, once: the list of parameters, the initial weights and the forward pass
// all follow from the tables here.

/// A residual block: two 3×3 convolutions, and a projection of its input where the shapes differ.
struct BlockLayout {
  let name: String
  let projection: String?
  let inputs: Int
  let outputs: Int
  let stride: Int
  let dilation: Int
  /// Pixels of the image per pixel of the block's output, each way.
  let outputStride: Int
}

/// One of a head's four branches; they look at the features with different dilation.
struct BranchLayout {
  let name: String
  let dilation: Int
}

extension Architecture {
  static let stageStrides = [1, 2, 1, 1]
  static let stageDilations = [1, 1, 2, 4]
  static let branchDilations = [6, 12, 18, 24]
  /// Image pixels per pixel of the features and predictions, each way.
  public static let outputStride = 8
  static let stemStride = 2
  static let projectionPrefix = "backbone.ds."

  /// Channels of the features that the heads read (8W).
  var features: Int { 8 * width }

  /// The residual blocks of each stage, in the order of the forward pass.
  var blocks: [BlockLayout] {
    var blocks: [BlockLayout] = []
    var inputs = width
    var outputStride = 2 * Self.stemStride
    for (stage, count) in stages.enumerated() {
      let outputs = width << stage
      let dilation = Self.stageDilations[stage]
      outputStride *= Self.stageStrides[stage]
      for block in 0..<count {
        let stride = block == 0 ? Self.stageStrides[stage] : 1
        let projects = block == 0 && (stride != 1 || inputs != outputs || dilation > 1)
        blocks.append(
          BlockLayout(
            name: "backbone.blocks.\(stage).\(block)",
            projection: projects ? "\(Self.projectionPrefix)\(stage)" : nil, inputs: inputs,
            outputs: outputs,
            stride: stride, dilation: dilation, outputStride: outputStride))
        inputs = outputs
      }
    }
    return blocks
  }

  func branches(ofHead head: Int) -> [BranchLayout] {
    Self.branchDilations.enumerated().map { index, dilation in
      BranchLayout(name: "task\(head + 1)_fc1_c\(index)", dilation: dilation)
    }
  }

  /// All parameters in network order: the stem, the blocks, the projections, then head by head.
  public var parameters: [ParameterDescription] {
    var list: [ParameterDescription] = []
    func add(
      _ name: String, _ shape: [Int], _ role: ParameterDescription.Role,
      _ owner: ParameterDescription.Owner = .backbone
    ) {
      list.append(ParameterDescription(name: name, shape: shape, owner: owner, role: role))
    }
    func addBatchNorm(_ name: String, _ channels: Int) {
      add(name + ".weight", [channels], .batchNormWeight)
      add(name + ".bias", [channels], .batchNormBias)
    }

    add("backbone.conv1.weight", [width, 3, 7, 7], .convolution(outputStride: Self.stemStride))
    addBatchNorm("backbone.bn1", width)
    let blocks = self.blocks
    for block in blocks {
      let role = ParameterDescription.Role.convolution(outputStride: block.outputStride)
      add(block.name + ".conv1.weight", [block.outputs, block.inputs, 3, 3], role)
      addBatchNorm(block.name + ".bn1", block.outputs)
      add(block.name + ".conv2.weight", [block.outputs, block.outputs, 3, 3], role)
      addBatchNorm(block.name + ".bn2", block.outputs)
    }
    for block in blocks {
      guard let projection = block.projection else { continue }
      add(
        projection + ".0.weight", [block.outputs, block.inputs, 1, 1],
        .convolution(outputStride: block.outputStride))
      addBatchNorm(projection + ".1", block.outputs)
    }
    let role = ParameterDescription.Role.convolution(outputStride: Self.outputStride)
    for (index, head) in heads.enumerated() {
      for branch in branches(ofHead: index) {
        for (conv, shape) in [
          ("conv1", [headWidth, features, 3, 3]), ("conv2", [headWidth, headWidth, 1, 1]),
          ("conv3", [head.channels, headWidth, 1, 1]),
        ] {
          add("\(branch.name).\(conv).weight", shape, role, .head(index))
          let fanIn = shape[1...].reduce(1, *)
          add("\(branch.name).\(conv).bias", [shape[0]], .bias(fanIn: fanIn), .head(index))
        }
      }
    }
    return list
  }

  /// The prunable weights, in network order.
  public var prunable: [ParameterDescription] { parameters.filter(\.isPrunable) }

  /// The batch-norm layers, in network order: prefix of their names, and channels.
  var batchNorms: [(name: String, channels: Int)] {
    parameters.compactMap { parameter in
      guard parameter.role == .batchNormWeight else { return nil }
      return (String(parameter.name.dropLast(".weight".count)), parameter.count)
    }
  }

  /// The running statistics of batch-norm: name and shape of each, in network order.
  public var buffers: [(name: String, shape: [Int])] {
    batchNorms.flatMap { name, channels in
      [(name + ".running_mean", [channels]), (name + ".running_var", [channels])]
    }
  }
}

extension Architecture {
  /// Rows (or columns) of the activations that have one per `stride` rows of the image: the stem's
  /// convolution and the strided stage halve and round up, the pooling's ceil mode adds one to an
  /// even number.
  public static func outputSize(of length: Int, stride: Int) -> Int {
    var size = (length - 1) / 2 + 1
    if stride > stemStride { size = size / 2 + 1 }
    if stride > 2 * stemStride { size = (size - 1) / 2 + 1 }
    return size
  }
}

extension ParameterDescription {
  /// Whether it belongs to a projection, the shortcut of a stage's first block.
  public var isProjection: Bool { name.hasPrefix(Architecture.projectionPrefix) }
}
