// Networks as PyTorch's exporters write them, made by export.py. EXCHANGE_FIXTURES names a folder with more
// of them; with EXCHANGE_AGAIN set what was read is written beside them, for export.py to check.

import Exchange
import Foundation
import Graphs
import Testing

struct Fixture: CustomTestStringConvertible {
  let path: String

  /// A folder with more than what is committed.
  static let folder = ProcessInfo.processInfo.environment["EXCHANGE_FIXTURES"]

  static let all: [Fixture] = {
    let committed = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appendingPathComponent("Fixtures").path
    let folders = [committed, folder]
    return folders.compactMap { $0 }.flatMap { folder in
      ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).sorted()
        .filter { $0.hasSuffix(".onnx") && !$0.hasSuffix(".again.onnx") }
        .map { Fixture(path: folder + "/" + $0.dropLast(5)) }
    }
  }()

  var testDescription: String { URL(fileURLWithPath: path).lastPathComponent }

  /// The image, PyTorch's outputs, and sums of its parameters.
  func expected() throws -> [String: PlainTensor] { try Safetensors.read(path + ".safetensors") }

  func network() throws -> ExchangedNetwork {
    let outputs = try expected().keys.filter { $0.hasPrefix("output.") }.map {
      String($0.dropFirst(7))
    }
    return try ExchangedNetwork(
      onnxFile: path + ".onnx", heads: outputs.sorted().map { Graph.Output(task: $0, node: $0) })
  }
}

struct FixtureTests {
  @Test func fixturesAreThere() {
    #expect(Fixture.all.count >= 12)
  }

  @Test(
    .enabled(if: Fixture.folder != nil, "EXCHANGE_FIXTURES names no folder made by export.py all"))
  func realNetworksAreThere() {
    #expect(Fixture.all.contains { $0.testDescription.hasPrefix("deeplab-resnet50") })
  }

  @Test(arguments: Fixture.all) func predictionsHaveThePublishedShapes(_ fixture: Fixture) throws {
    let expected = try fixture.expected()
    let network = try fixture.network()
    let image = try #require(expected["image"])
    let shapes = try network.graph.predictionShapes(for: Extent(image.shape[2], image.shape[3]))
    for (task, shape) in zip(network.graph.tasks, shapes) {
      #expect(shape == expected["output." + task]?.shape.dropFirst().map { $0 })
    }
  }

  /// Where batch-norm is kept, every tensor of the state dict comes back under its name.
  @Test(arguments: Fixture.all) func parametersAreThoseOfPyTorch(_ fixture: Fixture) throws {
    let expected = try fixture.expected()
    let states = expected.filter { $0.key.hasPrefix("state.") }
    guard !states.isEmpty else { return }
    let network = try fixture.network()
    let found = network.tensors.filter {
      $0.value.values.count > 1 || states["state." + $0.key] != nil
    }
    #expect(Set(found.keys.map { "state." + $0 }) == Set(states.keys))
    for (name, tensor) in found {
      let sums = try #require(states["state." + name]).values
      let values = tensor.values.map { Double($0) }
      let magnitudes = values.reduce(0) { $0 + $1.magnitude }
      #expect(abs(values.reduce(0, +) - Double(sums[0])) <= 1e-6 * max(1, magnitudes), "\(name)")
      #expect(abs(magnitudes - Double(sums[1])) <= 1e-6 * max(1, magnitudes), "\(name)")
    }
  }

  @Test(arguments: Fixture.all) func writingAndReadingAgainGivesTheSame(_ fixture: Fixture) throws {
    let network = try fixture.network()
    let written = try network.onnx()
    let again = try ExchangedNetwork(onnx: written)
    for (one, other) in zip(again.graph.nodes, network.graph.nodes) { #expect(one == other) }
    #expect(again.graph.nodes.count == network.graph.nodes.count)
    #expect(again.graph == network.graph)
    #expect(again.tensors == network.tensors)
    if ProcessInfo.processInfo.environment["EXCHANGE_AGAIN"] != nil {
      try written.write(to: URL(fileURLWithPath: fixture.path + ".again.onnx"))
    }
  }
}
