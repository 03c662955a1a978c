// Initial weights: settled by the seed, and distributed as published.

import Graphs
import Networks
import Testing
import Torch

@Suite struct InitialWeightsTests {
  private let architecture: Architecture

  init() throws {
    architecture = try Architecture(
      SceneNet(
        stages: [1, 1, 1, 1], width: 16, headWidth: 32, dropout: 0,
        heads: [Head(task: "seg", channels: 7), Head(task: "sn", channels: 3)]))
  }

  private func values(_ network: Network) throws -> [String: [Float]] {
    Dictionary(
      uniqueKeysWithValues: try network.weights.map {
        ($0.name, try $0.values.array())
      }
    )
  }

  @Test func theSeedSettlesThem() throws {
    let a = try values(Network(architecture, seed: 5))
    #expect(try values(Network(architecture, seed: 5)) == a)
    let b = try values(Network(architecture, seed: 6))
    for parameter in architecture.graph.prunable { #expect(a[parameter.name] != b[parameter.name]) }
  }

  @Test func neighbouringSeedsAndXavierCopiesShareNothing() throws {
    let network = try Network(architecture, seed: 5)
    let first = try values(network)
    let next = try values(Network(architecture, seed: 6))
    try network.reinitializeXavier(seed: 5)
    let copy = try values(network)
    /// How far two lists go together, in −1...1.
    func correlation(_ a: [Float], _ b: [Float]) -> Double {
      func product(_ a: [Float], _ b: [Float]) -> Double {
        zip(a, b).reduce(0) { $0 + Double($1.0) * Double($1.1) }
      }
      return product(a, b) / (product(a, a) * product(b, b)).squareRoot()
    }
    let names = architecture.graph.prunable.map(\.name)
    for (place, name) in names.enumerated() {
      let weights = try #require(first[name])
      let bound = 6 / Double(weights.count).squareRoot()
      // With the same layer, and with the one before it, of the next seed.
      for other in [next[name], copy[name], place > 0 ? next[names[place - 1]] : nil] {
        guard let other else { continue }
        #expect(abs(correlation(weights, other)) < max(bound, 0.5), "\(name)")
        if other.count == weights.count, weights.count > 1000 {
          #expect(abs(correlation(weights, other)) < bound, "\(name)")
        }
      }
    }
  }

  @Test func layersDoNotRepeatEachOther() throws {
    let values = try values(Network(architecture, seed: 5))
    let starts = architecture.graph.prunable.map { values[$0.name]?.prefix(4) }
    #expect(Set(starts).count == architecture.graph.prunable.count)
  }

  @Test func backboneConvolutionsAreNormalWithDeviationOneHundredth() throws {
    let network = try Network(architecture, seed: 1)
    for weight in network.prunable where weight.parameter.owners == [0, 1] {
      let values = try weight.values.array(of: Float.self).map(Double.init)
      let n = Double(values.count)
      let mean = values.reduce(0, +) / n
      let deviation = (values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / n).squareRoot()
      // Five standard errors.
      #expect(abs(mean) < 5 * 0.01 / n.squareRoot())
      #expect(abs(deviation - 0.01) < 5 * 0.01 / (2 * n).squareRoot())
      let within = values.count { abs($0) < 0.01 }
      #expect(abs(Double(within) / n - 0.6827) < 5 * 0.4654 / n.squareRoot())
    }
  }

  @Test func headConvolutionsAreUniformWithinOneOverRootFanIn() throws {
    let network = try Network(architecture, seed: 1)
    for weight in network.weights where weight.parameter.owners.count == 1 {
      let fanIn: Int
      switch weight.parameter.role {
      case .convolution: fanIn = weight.shape[1...].reduce(1, *)
      case .bias(let inputs): fanIn = inputs
      default: continue
      }
      let bound = 1 / Double(fanIn).squareRoot()
      let values = try weight.values.array(of: Float.self).map(Double.init)
      #expect(values.allSatisfy { abs($0) <= bound * 1.000001 })
      guard values.count > 500 else { continue }
      let n = Double(values.count)
      let mean = values.reduce(0, +) / n
      let meanSquare = values.reduce(0) { $0 + $1 * $1 } / n
      #expect(abs(mean) < 5 * bound / (3 * n).squareRoot())
      #expect(abs(meanSquare / (bound * bound) - 1.0 / 3) < 5 * 0.2981 / n.squareRoot())
      #expect((values.map { abs($0) }.max() ?? 0) > 0.98 * bound)
    }
  }

  @Test func biasesOfABranchTakeTheirOwnLayersFanIn() throws {
    let bias = try #require(
      architecture.graph.parameters.first { $0.name == "task1_fc1_c0.conv1.bias" })
    #expect(bias.role == .bias(fanIn: 8 * 16 * 9))
    let last = try #require(
      architecture.graph.parameters.first { $0.name == "task2_fc1_c3.conv3.bias" })
    #expect(last.role == .bias(fanIn: 32) && last.shape == [3])
  }

  @Test func batchNormBeginsAsTheIdentity() throws {
    let network = try Network(architecture, seed: 1)
    for weight in network.weights {
      switch weight.parameter.role {
      case .normalizationWeight: #expect(Set(try weight.values.array(of: Float.self)) == [1])
      case .normalizationBias: #expect(Set(try weight.values.array(of: Float.self)) == [0])
      default: break
      }
    }
    for (name, tensor) in network.buffers {
      #expect(Set(try tensor.array(of: Float.self)) == [name.hasSuffix("running_var") ? 1 : 0])
    }
  }
}
