// Compact weights, and the sparse engine against the dense one.

import Graphs
import Networks
import TestSupport
import Testing
import Torch

/// Masks that keep a share of the weights of every prunable layer, and one layer of none.
private func mask(_ network: Network, keeping share: Float, none: String? = nil) throws {
  var random = SeededRandom(11)
  for weight in network.prunable {
    let values = random.floats(weight.parameter.count, in: 0..<1).map { value -> UInt8 in
      weight.name != none && value < share ? 1 : 0
    }
    try weight.setMask(Tensor(values, shape: weight.shape))
  }
}

/// Linear layers over vectors and over a map's last axis, a grouped convolution with stride and
/// dilation, a transposed convolution, and a weight that two operations use.
private func mixedArchitecture() throws -> Architecture {
  func node(_ name: String, _ operation: Operation, _ input: String) -> Graph.Node {
    Graph.Node(name, operation, [input])
  }
  return try Architecture(
    Graph(
      input: .published,
      nodes: [
        node(
          "a",
          .convolution(
            Convolution(
              weight: "a.weight", bias: "a.bias", shape: [6, 3, 3, 3], padding: Extent(1))),
          Graph.image),
        node(
          "b",
          .convolution(
            Convolution(
              weight: "b.weight", shape: [6, 2, 3, 3], stride: Extent(2), padding: Extent(2),
              dilation: Extent(2), groups: 3)), "a"),
        node("c", .convolution(Convolution(weight: "c.weight", shape: [6, 6, 1, 1])), "b"),
        node("relu", .activation(.relu), "c"),
        node("again", .convolution(Convolution(weight: "c.weight", shape: [6, 6, 1, 1])), "relu"),
        node(
          "up",
          .transposedConvolution(
            TransposedConvolution(weight: "up.weight", shape: [6, 4, 2, 2], stride: Extent(2))),
          "again"),
        node(
          "rows", .linear(Linear(weight: "rows.weight", bias: "rows.bias", shape: [5, 12])), "up"),
        node("pool", .adaptiveAveragePool(AdaptiveAveragePool(size: Extent(2))), "c"),
        node("flat", .flatten(Flatten()), "pool"),
        node("first", .linear(Linear(weight: "first.weight", shape: [9, 24])), "flat"),
        node(
          "last", .linear(Linear(weight: "last.weight", bias: "last.bias", shape: [7, 9])), "first"),
      ],
      outputs: [
        Graph.Output(task: "rows", node: "rows"), Graph.Output(task: "last", node: "last"),
      ]))
}

/// A batch-norm over the channels of a map whose last axis, as long, a linear layer makes; and a sum of
/// what two linear layers make.
private func linearArchitecture() throws -> Architecture {
  func node(_ name: String, _ operation: Operation, _ inputs: String...) -> Graph.Node {
    Graph.Node(name, operation, inputs)
  }
  return try Architecture(
    Graph(
      input: .published,
      nodes: [
        node(
          "a", .convolution(Convolution(weight: "a.weight", shape: [4, 3, 1, 1])), Graph.image),
        node("rows", .linear(Linear(weight: "rows.weight", shape: [4, 12])), "a"),
        node("norm", .batchNorm(BatchNorm("norm", channels: 4)), "rows"),
        node("pool", .adaptiveAveragePool(AdaptiveAveragePool(size: Extent(2))), "a"),
        node("flat", .flatten(Flatten()), "pool"),
        node("one", .linear(Linear(weight: "one.weight", shape: [8, 16])), "flat"),
        node("two", .linear(Linear(weight: "two.weight", shape: [8, 8])), "one"),
        node("sum", .arithmetic(.add), "two", "one"),
        node("relu", .activation(.relu), "sum"),
      ],
      outputs: [
        Graph.Output(task: "norm", node: "norm"), Graph.Output(task: "sum", node: "relu"),
      ]))
}

/// The row-major places of a weight's values in the order out × height × width × in.
private func placesInMemory(_ shape: [Int]) -> [Int] {
  let taps = shape[2...].reduce(1, *)
  return (0..<shape.reduce(1, *)).map { place in
    let (channel, rest) = (place % shape[1], place / shape[1])
    return (rest / taps * shape[1] + channel) * taps + rest % taps
  }
}

@Suite struct CompactWeightTests {
  @Test func aWeightIsTheSameAfterItWasCompact() throws {
    let network = try Network(mixedArchitecture(), seed: 2)
    try mask(network, keeping: 0.3, none: "last.weight")
    for weight in network.prunable {
      let values: [Float] = try weight.values.array()
      let kept: [UInt8] = try #require(try weight.mask?.array())
      try weight.compact()
      try weight.compact()
      #expect(weight.isCompact)
      #expect(
        try weight.values.array()
          == placesInMemory(weight.shape).filter { kept[$0] == 1 }.map { values[$0] })
      let pruned = zip(values, kept).map { $1 == 1 ? $0 : 0 }
      #expect(try weight.whole().array() == pruned)
      try weight.expand()
      #expect(!weight.isCompact && weight.values.shape == weight.shape)
      #expect(try weight.values.array() == pruned)
      // Still a leaf.
      let gradients = try weight.values.sum().gradients(of: [weight.values])
      #expect(gradients[0]?.shape == weight.shape)
    }
  }

  @Test func theGradientsOfAWholeWeightAreThoseOfItsKeptValues() throws {
    let network = try Network(mixedArchitecture(), seed: 2)
    try mask(network, keeping: 0.3)
    for weight in network.prunable {
      try weight.compact()
      let factors = try Tensor(
        (0..<weight.parameter.count).map { Float($0) }, shape: weight.shape)
      let gradient = try (weight.whole() * factors).sum().gradients(of: [weight.values])[0]
      let kept: [UInt8] = try #require(try weight.mask?.array())
      #expect(
        try gradient?.array()
          == placesInMemory(weight.shape).filter { kept[$0] == 1 }.map { Float($0) },
        "\(weight.name)")
    }
  }

  @Test func anotherMaskMakesAWeightWhole() throws {
    let network = try Network(mixedArchitecture(), seed: 2)
    let weight = network.prunable[0]
    let ones = try Tensor.full(1, shape: weight.shape, dtype: .uint8)
    try weight.setMask(ones)
    let values: [Float] = try weight.values.array()
    for mask in [ones, nil] {
      try weight.setMask(ones)
      try weight.compact()
      #expect(weight.values.shape == [values.count])
      try weight.setMask(mask)
      #expect(!weight.isCompact)
      #expect(try weight.values.array() == values)
    }
  }

  @Test func aWeightWithoutMaskIsNeverCompact() throws {
    let network = try Network(smallArchitecture(), seed: 2)
    let error = #expect(throws: NetworkError.self) { try network.prunable[0].compact() }
    #expect(
      error?.description
        == "backbone.conv1.weight: has no mask that says what is kept")
    try network.compact()
    #expect(network.weights.allSatisfy { !$0.isCompact })
  }

  @Test func valuesThatAMaskHasNoPlacesForAreAnError() throws {
    let mask = try Tensor([1, 0, 1] as [UInt8], shape: [3])
    for count in [0, 1, 3] {
      let values = try Tensor.full(1, shape: [count])
      #expect(throws: TorchError.self) { try values.scattered(over: mask) }
    }
    #expect(throws: TorchError.self) { try Tensor.full(1, shape: [4]).kept(by: mask) }
    #expect(throws: TorchError.self) {
      try Tensor.full(1, shape: [3]).kept(by: Tensor.full(1, shape: [3]))
    }
  }
}

@Suite struct SparseEngineTests {
  /// The same network twice, masked: whole, and compact.
  private func twice(_ architecture: Architecture, keeping share: Float, none: String? = nil) throws
    -> (dense: any Engine, sparse: any Engine)
  {
    let networks = try (0..<2).map { _ in
      let network = try Network(architecture, seed: 5)
      try mask(network, keeping: share, none: none)
      for weight in network.prunable {
        // Larger than initial weights, so that predictions do not fade with the pruned ones.
        try withoutGradients {
          try weight.values.assign(weight.values * 3)
          try weight.mask.map(weight.values.keep)
        }
      }
      return network
    }
    return (
      try EngineKind.dense.engine(for: networks[0]), try EngineKind.sparse.engine(for: networks[1])
    )
  }

  /// The largest difference relative to the largest value.
  private func difference(_ found: Tensor, _ expected: Tensor) throws -> Double {
    guard found.shape == expected.shape else { return .infinity }
    let values: [Float] = try expected.array()
    let largest = values.reduce(0) { max($0, abs($1)) }
    return try largestDifference(found.array(), values) / Double(max(largest, 1e-12))
  }

  private static let architectures: [Architecture] = [
    try? smallArchitecture(), try? mixedArchitecture(),
    try? Architecture(
      MobileNetV2(width: 4, headWidth: 4, heads: [Head(task: "a", channels: 3)])),
  ].compactMap { $0 }

  // Batch statistics of a deep and narrow MobileNetV2 with ReLU6 amplify rounding: its dense gradients
  // change by a percent when its image changes by a millionth. So it is compared without them.
  @Test(arguments: [(0, false), (0, true), (1, false), (1, true), (2, false)])
  func predictionsAndGradientsAreThoseOfTheDenseEngine(_ index: Int, training: Bool) throws {
    #expect(Self.architectures.count == 3)
    let architecture = Self.architectures[index]
    for share: Float in [0.1, 0.6] {
      let (dense, sparse) = try twice(
        architecture, keeping: share, none: index == 1 ? "last.weight" : nil)
      let images = try randomImages([2, 3, 16, 12])
      let predictions = try [dense, sparse].map {
        try $0.predictions(
          for: images, training: training,
          using: DropoutStreams(RandomStream(seed: 1, .dropoutInTraining)))
      }
      for (a, b) in zip(dense.network.buffers, sparse.network.buffers) {
        #expect(try difference(b.tensor, a.tensor) < 1e-4, "\(a.name)")
      }
      for task in predictions[0].indices {
        #expect(try difference(predictions[1][task], predictions[0][task]) < 1e-4, "\(task)")
        let gradients = try zip(predictions, [dense, sparse]).map { predictions, engine in
          try (predictions[task] * predictions[task]).sum().gradients(
            of: engine.network.weights.map(\.values), retainGraph: task == 0)
        }
        for (place, weight) in sparse.network.weights.enumerated() {
          let (expected, found) = (gradients[0][place], gradients[1][place])
          #expect((expected == nil) == (found == nil), "\(weight.name)")
          guard let expected, let found else { continue }
          #expect(weight.isCompact == (weight.mask != nil))
          let kept = try weight.mask.map(expected.kept) ?? expected
          #expect(try difference(found, kept) < 1e-4, "\(weight.name)")
        }
      }
    }
  }

  @Test func theDenseEngineRunsCompactWeightsToo() throws {
    let (dense, sparse) = try twice(mixedArchitecture(), keeping: 0.2)
    let images = try randomImages([1, 3, 16, 12])
    let expected = try dense.predictions(for: images, training: false, using: nil)
    let found = try DenseEngine(sparse.network).predictions(
      for: images, training: false, using: nil)
    for (a, b) in zip(found, expected) { #expect(try difference(a, b) < 1e-6) }
  }

  @Test func whatFollowsALinearLayerIsAsInTheDenseEngine() throws {
    let (dense, sparse) = try twice(linearArchitecture(), keeping: 0.5)
    for engine in [dense, sparse] {
      // Other statistics for every channel.
      for buffer in engine.network.buffers {
        try buffer.tensor.assign(Tensor([0.5, 1, 2, 4] as [Float], shape: [4]))
      }
    }
    let images = try randomImages([2, 3, 6, 12])
    let predictions = try [dense, sparse].map { engine in
      try withoutGradients { try engine.predictions(for: images, training: false, using: nil) }
    }
    for (found, expected) in zip(predictions[1], predictions[0]) {
      #expect(try difference(found, expected) < 1e-5)
    }
  }

  @Test func withoutMasksItIsTheDenseEngine() throws {
    let network = try Network(smallArchitecture(), seed: 5)
    let images = try randomImages([1, 3, 16, 12])
    let engine = try EngineKind.sparse.engine(for: network)
    let values: [[Float]] = try engine.predictions(for: images, training: false, using: nil).map {
      try $0.array()
    }
    #expect(
      try DenseEngine(network).predictions(for: images, training: false, using: nil).map {
        try $0.array(of: Float.self)
      } == values)
  }
}

@Suite struct EngineChoiceTests {
  /// Two layers with the same weights and few pixels behind, many before a stride.
  private func graph() throws -> Graph {
    try Graph(
      input: .published,
      nodes: [
        Graph.Node(
          "a", .convolution(Convolution(weight: "a", shape: [3, 3, 1, 1])), [Graph.image]),
        Graph.Node(
          "b", .convolution(Convolution(weight: "b", shape: [3, 3, 1, 1], stride: Extent(2))), ["a"]
        ),
      ], outputs: [Graph.Output(task: "t", node: "b")])
  }

  private func kind(
    _ choice: EngineChoice, _ kept: [String: Int], _ device: Device = .cpu,
    _ precision: Precision = .float32
  ) throws -> EngineKind {
    try choice.kind(for: graph(), kept: kept, image: Extent(4, 8), on: device, precision)
  }

  @Test func autoGoesByTheKeptMultiplyAdds() throws {
    // Of the first layer's 32 pixels and the second's 8.
    #expect(try kind(.auto, ["a": 9, "b": 0]) == .dense)
    #expect(try kind(.auto, ["a": 0, "b": 9]) == .sparse)
    #expect(try kind(.auto, ["b": 0]) == .dense)
    #expect(try kind(.auto, ["a": 5, "b": 2]) == .sparse)
    #expect(try kind(.auto, ["a": 5, "b": 3]) == .dense)
    #expect(try kind(.auto, [:]) == .dense)
    #expect(try kind(.auto, ["a": 0, "b": 0], .cuda(0)) == .dense)
    #expect(try kind(.dense, ["a": 0, "b": 0]) == .dense)
    // In bfloat16 the dense engine is faster.
    #expect(try kind(.auto, ["a": 2, "b": 2], .cpu, .bfloat16) == .sparse)
    #expect(try kind(.auto, ["a": 3, "b": 3], .cpu, .bfloat16) == .dense)
    #expect(try kind(.sparse, ["a": 9, "b": 9], .cpu, .bfloat16) == .sparse)
    #expect(try kind(.sparse, ["a": 9, "b": 9]) == .sparse)
  }

  @Test func theSparseEngineSaysWhereItCannotRun() throws {
    func reason(_ kept: [String: Int], _ device: Device = .cpu) -> String? {
      #expect(throws: EngineError.self) { try kind(.sparse, kept, device) }?.description
    }
    #expect(reason([:]) == "--engine sparse: the network has no masks")
    #expect(reason(["a": 1], .cuda(0)) == "--engine sparse: runs on the CPU alone")
  }
}
