// The DeepLabV3 head (Chen et al. 2017): atrous spatial pyramid pooling, with torchvision's names.

extension GraphMaker {
  /// Adds a head for each task, called heads.TASK.
  mutating func atrousPyramids(
    _ heads: [Head], _ features: String, from inputs: Int, width: Int, rates: [Int],
    dropout probability: Double
  ) -> [Graph.Output] {
    heads.map { head in
      Graph.Output(
        task: head.task,
        node: atrousPyramid(
          "heads.\(head.task)", features, from: inputs, width: width, rates: rates,
          dropout: probability, to: head.channels))
    }
  }

  /// Adds a head to features; its parameters are `name`.0.convs…, `name`.0.project…, `name`.1 … `name`.4.
  ///
  /// - Parameters:
  ///   - inputs: channels of the features.
  ///   - width: channels inside the head (256 as published).
  ///   - rates: dilations of the 3×3 branches (12, 24, 36 at output stride 8).
  private mutating func atrousPyramid(
    _ name: String, _ features: String, from inputs: Int, width: Int, rates: [Int],
    dropout probability: Double, to channels: Int
  ) -> String {
    func inBranch(_ maker: inout GraphMaker, _ layer: String, _ x: String, _ next: String)
      -> String
    {
      maker.relu(layer + ".relu", maker.batchNorm(next, x, width))
    }
    let pyramid = name + ".0"
    var branches: [String] = []
    for (index, rate) in ([1] + rates).enumerated() {
      let branch = "\(pyramid).convs.\(index)"
      let x = convolution(
        branch + ".0", features, from: inputs, to: width, kernel: index == 0 ? 1 : 3,
        dilation: rate)
      branches.append(inBranch(&self, branch, x, branch + ".1"))
    }
    let branch = "\(pyramid).convs.\(branches.count)"
    var pooled = add(
      branch + ".0", .reduce(Reduce(.mean, axes: [2, 3], keepsAxes: true)), features)
    pooled = convolution(branch + ".1", pooled, from: inputs, to: width, kernel: 1)
    pooled = inBranch(&self, branch, pooled, branch + ".2")
    branches.append(
      add(
        branch + ".resize", .resize(Resize(.bilinear, .halfPixel, to: .likeSecondInput)), pooled,
        features))
    var x = add(pyramid + ".concat", .concat(Concat(axis: 1)), from: branches)
    let project = pyramid + ".project"
    x = convolution(project + ".0", x, from: branches.count * width, to: width, kernel: 1)
    x = inBranch(&self, project, x, project + ".1")
    x = dropout(project + ".3", x, probability)
    x = convolution(name + ".1", x, from: width, to: width)
    x = inBranch(&self, name, x, name + ".2")
    return convolution(name + ".4", x, from: width, to: channels, kernel: 1, bias: true)
  }
}

/// What a strided network keeps of its image: DeepLab dilates what comes after.
struct OutputStride {
  /// Image pixels per pixel of the features, each way: 8 or 16.
  let most: Int
  private var stride = 1
  private(set) var dilation = 1

  /// - Throws: ``GraphError`` for a stride that is not offered.
  init(most: Int, reached: Int) throws {
    guard [8, 16].contains(most) else {
      throw GraphError("output stride \(most) is not 8 or 16")
    }
    self.most = most
    stride = reached
  }

  /// The stride that a strided layer may have; its dilation and those after it make up for the rest.
  mutating func enter(stride wanted: Int) -> Int {
    if stride * wanted > most {
      dilation *= wanted
      return 1
    }
    stride *= wanted
    return wanted
  }

  /// The pyramid's dilations.
  var rates: [Int] { [6, 12, 18].map { $0 * 16 / most } }
}
