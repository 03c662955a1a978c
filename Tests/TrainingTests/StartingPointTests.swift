// Where a network's weights come from, and which masks belong to them.

import Artifacts
import Graphs
import Networks
import TestSupport
import Testing
import Torch
import Training

@Suite struct StartingPointTests {
  private static let settings = SceneNet(
    stages: [1, 1, 1, 1], width: 2, headWidth: 3, dropout: 0.5,
    heads: [Head(task: "seg", channels: 4)])
  private let architecture: Architecture

  init() throws { architecture = try Architecture(Self.settings) }

  private func start(seed: UInt64 = 5) throws -> StartingPoint {
    try StartingPoint.drawing(architecture, seed: seed, on: .cpu)
  }

  private func allKept(_ architecture: Architecture) -> [Mask] {
    architecture.graph.prunable.map {
      Mask($0.name, shape: $0.shape, [UInt8](repeating: 1, count: $0.count))
    }
  }

  /// A masks.h5 for the weights of a seed.
  private func withMasks<R>(
    _ architecture: Architecture? = nil, digest: String? = nil, recordedSeed: UInt64? = 5,
    masks: [Mask]? = nil, _ body: (MasksFile) throws -> R
  ) throws -> R {
    try withFolder { folder in
      let architecture = architecture ?? self.architecture
      let path = folder + "/masks.h5"
      try MasksFile.write(
        path,
        MasksHeader(
          arbiter: "union", distribution: "global", sparsityTarget: nil, sparsity: 0, keepRatio: 1,
          architecture: architecture.json, modelDigest: digest ?? start().modelDigest, seed: nil),
        masks: (masks ?? allKept(architecture)).map(MaskSlice.init), taskMasks: [],
        layers: LayerTable(rows: []),
        provenance: Provenance(createdBy: "t", command: "t", seed: recordedSeed))
      return try body(MasksFile(opening: path))
    }
  }

  private static let heads = [Head(task: "seg", channels: 4), Head(task: "sn", channels: 3)]
  private static let shared: [(any ArchitectureSettings, layer: String)] = [
    (
      SceneNet(stages: [1, 1, 1, 1], width: 2, headWidth: 3, dropout: 0.5, heads: heads),
      "backbone.blocks.2.0.conv1.weight"
    ),
    (UNet(width: 2, heads: heads), "down2.maxpool_conv.1.double_conv.3.weight"),
    (
      SplitNetwork(UNet(width: 2, heads: heads), at: "up2.conv.double_conv.0.weight"),
      "inc.double_conv.0.weight"
    ),
  ]

  @Test(arguments: 0..<3)
  func aSplitNetworkPredictsWhatTheSharedOneDoes(_ index: Int) throws {
    let (settings, layer) = Self.shared[index]
    let start = try StartingPoint.drawing(Architecture(settings), seed: 3, on: .cpu)
    let architecture = try Architecture(SplitNetwork(settings, at: layer))
    try withMasks(architecture, digest: start.modelDigest) { masks in
      var random = SeededRandom(1)
      let images = try Tensor(random.floats(2 * 3 * 32 * 48), shape: [2, 3, 32, 48])
      func predictions(_ network: Network, training: Bool) throws -> [[Float]] {
        try withoutGradients {
          try DenseEngine(network).predictions(for: images, training: training, using: nil)
        }.map { try $0.array() }
      }
      // Running statistics of their own, so that these are copied, too.
      _ = try predictions(start.network, training: true)
      let split = try start.split(for: masks)
      try split.check(masks, allowingOtherWeights: false)
      #expect(split.network.architecture == architecture)
      #expect(split.modelDigest == start.modelDigest)
      try split.network.setMasks(masks.masks)
      for training in [false, true, false] {
        #expect(
          try predictions(split.network, training: training)
            == predictions(start.network, training: training))
      }
      // The copies are tensors of their own.
      let copies = split.network.weights.filter { $0.name.hasSuffix("." + layer) }
      #expect(copies.count == 2)
      let other: [Float] = try copies[1].values.array()
      try withoutGradients { try copies[0].values.add(copies[0].values) }
      #expect(try copies[1].values.array() == other)
    }
  }

  @Test func theWeightsOfASplitNetworksMasksAreDrawnAgain() throws {
    let (settings, layer) = Self.shared[0]
    let start = try StartingPoint.drawing(Architecture(settings), seed: 5, on: .cpu)
    let architecture = try Architecture(SplitNetwork(settings, at: layer))
    try withMasks(architecture, digest: start.modelDigest) { masks in
      let again = try StartingPoint.redrawing(for: masks, dropout: 0, on: .cpu)
      let copied = try start.split(for: masks)
      #expect(try again.network.snapshot().parameters == copied.network.snapshot().parameters)
      #expect(try again.network.architecture == architecture.with(dropout: 0))
      try again.check(masks, allowingOtherWeights: false)
    }
  }

  private func message(_ body: () throws -> Void) -> String {
    let error = #expect(throws: ArtifactError.self) { try body() }
    return error.map { "\($0.path): \($0.reason)" } ?? ""
  }

  @Test func theSameSeedGivesTheSameWeightsAndDigest() throws {
    #expect(try start().modelDigest == start().modelDigest)
    #expect(try start(seed: 6).modelDigest != start().modelDigest)
    #expect(try start().step == 0 && start().masks.isEmpty)
    #expect(try Architecture(json: start().architecture) == architecture)
  }

  @Test func aModelFileGivesItsWeightsMasksAndStep() throws {
    try withFolder { folder in
      let drawn = try start()
      let (parameters, buffers) = try drawn.network.snapshot()
      try ModelFile.write(
        folder + "/model.h5",
        Model(
          architecture: drawn.architecture, step: 9, parameters: parameters, buffers: buffers,
          masks: allKept(architecture)), provenance: someProvenance)
      let file = try ModelFile(opening: folder + "/model.h5")
      let loaded = try StartingPoint.loading(file, dropout: nil, on: .cpu)
      #expect(loaded.modelDigest == drawn.modelDigest && loaded.step == 9)
      #expect(Set(loaded.masks.map(\.name)) == Set(architecture.graph.prunable.map(\.name)))
      #expect(loaded.network.architecture == architecture)
      let calm = try StartingPoint.loading(file, dropout: 0.25, on: .cpu)
      #expect(try calm.network.architecture == architecture.with(dropout: 0.25))
      #expect(calm.modelDigest == drawn.modelDigest)
    }
  }

  @Test func theWeightsOfMasksAreDrawnAgain() throws {
    try withMasks { masks in
      let again = try StartingPoint.redrawing(for: masks, dropout: 0, on: .cpu)
      #expect(try again.modelDigest == start().modelDigest)
      #expect(try again.network.architecture == architecture.with(dropout: 0))
      try again.check(masks, allowingOtherWeights: false)
    }
  }

  @Test func weightsThatTheSeedDoesNotGiveAreRefused() throws {
    try withMasks(recordedSeed: nil) { masks in
      #expect(
        message { _ = try StartingPoint.redrawing(for: masks, dropout: nil, on: .cpu) }
          == "/@seed: missing, so the weights cannot be drawn again; give --model")
    }
    try withMasks(recordedSeed: 6) { masks in
      #expect(
        message { _ = try StartingPoint.redrawing(for: masks, dropout: nil, on: .cpu) }
          .hasPrefix("/@model_sha256: made for weights that seed 6 does not give"))
    }
  }

  @Test func masksForOtherWeightsAreRefusedUnlessAllowed() throws {
    try withMasks(digest: "other") { masks in
      let start = try start()
      #expect(
        message { try start.check(masks, allowingOtherWeights: false) }
          .hasPrefix("/@model_sha256: made for other weights than the model's"))
      try start.check(masks, allowingOtherWeights: true)
    }
  }

  @Test func masksForAnotherNetworkAreRefused() throws {
    var settings = Self.settings
    settings.width = 3
    let wider = try Architecture(settings)
    let calmer = try architecture.with(dropout: 0)
    let start = try start()
    try withMasks(wider) { masks in
      #expect(
        message { try start.check(masks, allowingOtherWeights: true) }
          == "/@architecture: made for another architecture than the model's")
    }
    try withMasks(calmer) { try start.check($0, allowingOtherWeights: false) }
  }

  @Test func masksMustBeCompleteAndOfTheRightShape() throws {
    let (start, good) = (try start(), allKept(architecture))
    func complaint(_ masks: [Mask]) throws -> String {
      try withMasks(masks: masks) { file in
        message { try start.check(file, allowingOtherWeights: false) }
      }
    }
    #expect(
      try complaint(Array(good.dropFirst())) == "/masks/backbone.conv1.weight: missing dataset")
    let misshaped = Mask("backbone.conv1.weight", shape: [6], [UInt8](repeating: 1, count: 6))
    #expect(
      try complaint(good.dropFirst() + [misshaped])
        == "/masks/backbone.conv1.weight: expected shape 2×3×7×7, found 6")
    #expect(
      try complaint(good + [Mask("backbone.bn1.weight", shape: [2], [1, 1])])
        == "/masks/backbone.bn1.weight: not a prunable weight of the network")
  }
}
