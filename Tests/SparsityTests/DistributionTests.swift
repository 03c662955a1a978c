// Distributions: the Erdős–Rényi kernel against its definition and the published densities.

import Foundation
import Sparsity
import TestSupport
import Testing

@Suite struct DistributionTests {
  @Test func theKernelHasTheDensityAskedForAndNoLayerAboveOne() {
    var random = SeededRandom(5)
    for _ in 0..<200 {
      let shapes = (0..<Int.random(in: 1...12, using: &random)).map { _ in
        [
          Int.random(in: 1...64, using: &random), Int.random(in: 1...64, using: &random),
          [1, 3, 7].randomElement(using: &random) ?? 1, 3,
        ]
      }
      let counts = shapes.map { Double($0.reduce(1, *)) }
      let density = Double.random(in: 0...1, using: &random)
      let densities = erdosRenyiKernel(density: density, shapes: shapes)
      let kept = zip(densities, counts).reduce(0) { $0 + $1.0 * $1.1 }
      #expect(abs(kept / counts.reduce(0, +) - density) < 1e-9)
      #expect(densities.allSatisfy { (0...1).contains($0) })
      // Below 1, densities are to each other as (Σ dims / Π dims)^0.9.
      let raw = zip(shapes, counts).map { pow(Double($0.reduce(0, +)) / $1, 0.9) }
      let scales = zip(densities, raw).filter { $0.0 < 1 }.map { $0.0 / $0.1 }
      if let low = scales.min(), let high = scales.max() { #expect(high - low <= 1e-9 * high) }
    }
  }

  @Test func theDensitiesOfThePublishedNetworksAreThePublishedOnes() throws {
    let url = URL(fileURLWithPath: Fixtures.fullSize)
    let file = try JSONDecoder().decode([String: Published].self, from: Data(contentsOf: url))
    #expect(file.count == 3)
    for (name, published) in file {
      let network = try #require(PublishedNetwork.all[name])
      let layers = network.layers
      #expect(layers.reduce(0) { $0 + $1.shape.reduce(1, *) } == published.prunableWeights)
      for (density, expected) in published.density {
        let densities = erdosRenyiKernel(
          density: try #require(Double(density)), shapes: layers.map(\.shape))
        #expect(expected.count == layers.count)
        for (layer, value) in zip(layers, densities) {
          #expect(abs(value - (try #require(expected[layer.name]))) < 1e-6, "\(layer.name)")
        }
      }
    }
  }

  @Test(arguments: [Distribution.global, .uniform, .erk])
  func aKeepRatioIsThatOfEveryTasksOwnNetwork(_ distribution: Distribution) throws {
    // Scores without ties, heads of different sizes.
    for seed in 0..<12 {
      let example = try RandomNetwork(seed: UInt64(seed), tasks: 2 + seed % 4, ties: false)
      let settings = MergeSettings(distribution: distribution)
      let ratios = [0.003, 0.1, 0.29, 0.5, 0.7, 0.999, 1]
      let results = try merge(example.network, settings, targets: ratios.map { .keepRatio($0) }) {
        $1 = example.scores[$0]
      }
      for (ratio, masks) in zip(ratios, results) {
        for (task, mask) in masks.tasks.enumerated() {
          let layers = example.network.layers(ofTask: task)
          let kept = mask.reduce(0) { $0 + Int($1) }
          #expect(kept == Int(ratio * Double(example.network.count(ofTask: task))))
          guard distribution != .global else { continue }
          let densities =
            distribution == .uniform
            ? layers.map { _ in ratio }
            : erdosRenyiKernel(density: ratio, shapes: layers.map(\.shape))
          for (((layer, mask), (_, scores)), density) in zip(
            zip(slices(mask, by: layers), slices(example.scores[task], by: layers)), densities)
          {
            // Rounded down or up, and of the layer the best.
            let k = mask.reduce(0) { $0 + Int($1) }
            #expect(abs(Double(k) - density * Double(layer.count)) < 1)
            let threshold = k == 0 ? Float.infinity : scores.sorted(by: >)[k - 1]
            #expect(Array(mask) == scores.map { $0 >= threshold ? 1 : 0 })
          }
        }
      }
    }
  }

  @Test func remaindersAreRoundedUpLargestFirst() throws {
    func kept(_ sizes: [Int], _ ratio: Double) throws -> [Int] {
      let layers = sizes.map { PrunableLayer(name: "\($0)", shape: [$0], owners: [0]) }
      let network = PrunableNetwork(tasks: ["a"], layers: layers)
      let settings = MergeSettings(distribution: .uniform)
      let scores = (0..<network.count).map { Float($0 + 1) }
      let masks = try merge(network, settings, targets: [.keepRatio(ratio)]) { $1 = scores }
      return slices(masks[0].merged, by: layers).map { $0.values.reduce(0) { $0 + Int($1) } }
    }
    #expect(try kept([3, 9, 8], 0.3) == [1, 3, 2])
    #expect(try kept([10, 10, 10, 10], 0.25) == [3, 3, 2, 2])
    #expect(try kept([2, 2, 2], 0.5) == [1, 1, 1])
    #expect(try kept([1, 1, 1], 0.1) == [0, 0, 0])
  }

  @Test(arguments: [Distribution.uniform, .erk])
  func theSparsityIsMetAndTheVotesAgreeWhateverTheDistribution(_ distribution: Distribution) throws
  {
    for example in try RandomNetwork.many(12) {
      let count = example.network.count
      let sparsities = [0.1, 0.5, 0.9]
      let results = try merge(
        example.network, MergeSettings(distribution: distribution),
        targets: sparsities.map { .sparsity($0) }
      ) { $1 = example.scores[$0] }
      for (sparsity, masks) in zip(sparsities, results) {
        #expect(masks.kept == count - Int((sparsity * Double(count)).rounded()))
        #expect(masks.merged == example.voted(masks.tasks, by: .union))
      }
    }
  }

  @Test func equalScoresForAllTasksGiveTheKernelsDensities() throws {
    let shapes = [[16, 3, 7, 7], [16, 16, 3, 3], [32, 16, 3, 3], [8, 32, 1, 1]]
    let layers = shapes.enumerated().map {
      PrunableLayer(name: "backbone.\($0)", shape: $1, owners: [0, 1])
    }
    let network = PrunableNetwork(tasks: ["a", "b"], layers: layers)
    var random = SeededRandom(9)
    let scores = random.floats(network.count, in: 0..<1)
    let masks = try #require(
      try merge(network, MergeSettings(distribution: .erk), targets: [.sparsity(0.8)]) {
        $1 = scores
      }.first)
    let expected = erdosRenyiKernel(density: 0.2, shapes: shapes)
    for ((layer, mask), density) in zip(slices(masks.merged, by: layers), expected) {
      let kept = mask.reduce(0) { $0 + Int($1) }
      #expect(abs(Double(kept) - density * Double(layer.count)) <= 1.5)
    }
  }

  @Test func noLayerFallsBelowTheFloor() throws {
    for example in try RandomNetwork.many(12) {
      let count = example.network.count
      let masks = try #require(
        try merge(
          example.network, MergeSettings(minimumLayerDensity: 0.2), targets: [.sparsity(0.7)]
        ) { $1 = example.scores[$0] }.first)
      for (layer, mask) in slices(masks.merged, by: example.network.layers) {
        let kept = mask.reduce(0) { $0 + Int($1) }
        #expect(kept >= Int((0.2 * Double(layer.count)).rounded(.up)))
      }
      #expect(masks.kept == count - Int((0.7 * Double(count)).rounded()))
      #expect(masks.deadLayers.isEmpty)
    }
  }

  @Test func floorsThatNeedMoreThanTheSparsityLeavesAreRefused() throws {
    let network = PrunableNetwork(
      tasks: ["a"],
      layers: [
        PrunableLayer(name: "first", shape: [10], owners: [0]),
        PrunableLayer(name: "second", shape: [7], owners: [0]),
        PrunableLayer(name: "head", shape: [3], owners: [0]),
      ])
    let scores = (0..<20).map { Float(20 - $0) }
    func masks(_ sparsities: Double...) throws -> [MergedMasks] {
      try merge(
        network, MergeSettings(minimumLayerDensity: 0.25), targets: sparsities.map { .sparsity($0) }
      ) { $1 = scores }
    }
    // ⌈2.5⌉ + ⌈1.75⌉ + ⌈0.75⌉ weights.
    let error = #expect(throws: SparsityError.self) { try masks(0.5, 0.75) }
    #expect(
      error?.description
        == "a minimum layer density of 0.25 keeps 6 weights, but sparsity 0.75 leaves only 5")
    // Those that just fit, and two more by their rank: ratios 4/20 and 5/20.
    let fitting = try masks(0.7, 0.6)
    #expect(fitting.map(\.kept) == [6, 8])
    #expect(fitting[0].merged.enumerated().filter { $1 == 1 }.map(\.0) == [0, 1, 2, 10, 11, 17])
    #expect(
      fitting[1].merged.enumerated().filter { $1 == 1 }.map(\.0) == [0, 1, 2, 3, 4, 10, 11, 17])
  }
}

/// What erk-full-size.json says of a network.
private struct Published: Decodable {
  let prunableWeights: Int
  let density: [String: [String: Double]]

  enum CodingKeys: String, CodingKey {
    case prunableWeights = "prunable_weights"
    case density
  }
}

/// The prunable layers of the published networks, written out from the paper's description.
private enum PublishedNetwork {
  static let all = [
    "nyuv2": Layers(channels: [40, 3]), "cityscapes": Layers(channels: [19, 1]),
    "taskonomy": Layers(channels: [17, 3, 1, 1, 1]),
  ]

  struct Layers {
    let layers: [(name: String, shape: [Int])]

    init(channels: [Int]) {
      var layers: [(name: String, shape: [Int])] = [("backbone.conv1.weight", [64, 3, 7, 7])]
      var projections: [(name: String, shape: [Int])] = []
      var inputs = 64
      for (stage, count) in [3, 4, 6, 3].enumerated() {
        let outputs = 64 << stage
        for block in 0..<count {
          let name = "backbone.blocks.\(stage).\(block)"
          layers.append((name + ".conv1.weight", [outputs, inputs, 3, 3]))
          layers.append((name + ".conv2.weight", [outputs, outputs, 3, 3]))
          if block == 0, stage > 0 {
            projections.append(("backbone.ds.\(stage).0.weight", [outputs, inputs, 1, 1]))
          }
          inputs = outputs
        }
      }
      layers += projections
      for (task, channels) in channels.enumerated() {
        for branch in 0..<4 {
          let name = "task\(task + 1)_fc1_c\(branch)"
          layers.append((name + ".conv1.weight", [1024, 512, 3, 3]))
          layers.append((name + ".conv2.weight", [1024, 1024, 1, 1]))
          layers.append((name + ".conv3.weight", [channels, 1024, 1, 1]))
        }
      }
      self.layers = layers
    }
  }
}
