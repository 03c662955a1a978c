// scene-net: its parameters against the published network, and its JSON.

import Artifacts
import Foundation
import Graphs
import TestSupport
import Testing

@Suite struct SceneNetTests {
  private let small = SceneNet(
    stages: [1, 2, 1, 1], width: 4, headWidth: 6, dropout: 0.5,
    heads: [Head(task: "seg", channels: 5), Head(task: "depth", channels: 1)])

  @Test(arguments: ReferenceCase.all)
  func parametersAreThoseOfThePublishedCheckpoint(_ reference: ReferenceCase) throws {
    let model = try ModelFile(opening: reference.model).model
    let architecture = try Architecture(json: model.architecture)
    #expect(architecture.tasks == reference.tasks)
    let found = Dictionary(uniqueKeysWithValues: model.parameters.map { ($0.name, $0.shape) })
    let described = architecture.graph.parameters.map { ($0.name, $0.shape) }
    #expect(Dictionary(uniqueKeysWithValues: described) == found)
    let buffers = Dictionary(uniqueKeysWithValues: model.buffers.map { ($0.name, $0.shape) })
    let expected = architecture.graph.buffers.map { ($0.name, $0.shape) }
    #expect(Dictionary(uniqueKeysWithValues: expected) == buffers)
  }

  private static let publishedChannels = [
    "nyuv2": ["seg": 40, "sn": 3],
    "cityscapes": ["seg": 19, "depth": 1],
    "taskonomy": ["seg": 17, "sn": 3, "depth": 1, "keypoint": 1, "edge": 1],
  ]

  @Test(arguments: ReferenceCase.all)
  func thePublishedSizeHasThePublishedWeights(_ reference: ReferenceCase) throws {
    let channels = try #require(Self.publishedChannels[reference.name])
    let graph = try SceneNet(
      stages: [3, 4, 6, 3], width: 64, headWidth: 1024, dropout: 0.5,
      heads: reference.tasks.map { Head(task: $0, channels: channels[$0] ?? 0) }
    ).graph()
    let text = try String(contentsOfFile: Fixtures.fullSize, encoding: .utf8)
    let json = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any]
    let expected = try #require(json?[reference.name] as? [String: Any])
    let prunable = graph.prunable
    #expect(
      graph.parameters.reduce(0) { $0 + $1.count } == expected["parameters"] as? Int)
    #expect(prunable.reduce(0) { $0 + $1.count } == expected["prunable_weights"] as? Int)

    // The order of the names is that of the text, which a dictionary would lose.
    let part = try #require(text.components(separatedBy: "\"\(reference.name)\": {").last)
    let densities = try #require(part.components(separatedBy: "\"0.1\": {").dropFirst().first)
    let names = densities.prefix { $0 != "}" }.split(separator: "\"").filter {
      $0.hasSuffix(".weight")
    }
    #expect(prunable.map(\.name) == names.map(String.init))
  }

  @Test func onlyConvolutionWeightsArePrunable() throws {
    let parameters = try small.graph().parameters
    #expect(parameters.filter(\.isPrunable).allSatisfy { $0.shape.count == 4 })
    #expect(parameters.filter { !$0.isPrunable }.allSatisfy { $0.shape.count == 1 })
    #expect(Set(parameters.map(\.name)).count == parameters.count)
  }

  @Test func headsBelongToTheirTasks() throws {
    let graph = try small.graph()
    for parameter in graph.parameters {
      let prefix =
        parameter.owners == [0, 1] ? "backbone." : "task\(parameter.owners[0] + 1)_fc1_c"
      #expect(parameter.name.hasPrefix(prefix))
    }
    let owners = graph.prunable.map(\.owners)
    #expect(owners.count { $0 == [0] } == 12 && owners.count { $0 == [1] } == 12)
    #expect(owners.count { $0 == [0, 1] } == 1 + 5 * 2 + 3)
  }

  @Test func projectionsLieBesideTheMainPath() throws {
    let beside = try small.graph().prunable.filter { !$0.isOnMainPath }
    #expect(beside.map(\.name) == [1, 2, 3].map { "backbone.ds.\($0).0.weight" })
  }

  @Test func jsonComesBack() throws {
    var settings = small
    settings.input = ImageInput(order: .rgb, mean: [1, 2.5, 3], scale: [1, 1, 1])
    let json = try Architecture(settings).json
    #expect(try Architecture(json: json).settings as? SceneNet == settings)
    #expect(try Architecture(json: json).json == json)
    #expect(json.contains("\"scale\":1}"))
    #expect(json.contains("\"head_width\":6"))
    #expect(json.contains("\"name\":\"scene-net\""))
  }

  @Test(arguments: ["name", "stages", "width", "head_width", "dropout", "input", "heads"])
  func aMissingFieldIsNamed(_ field: String) throws {
    let data = Data(try Architecture(small).json.utf8)
    var fields = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
    fields[field] = nil
    let json = String(decoding: try JSONSerialization.data(withJSONObject: fields), as: UTF8.self)
    #expect(reason { _ = try Architecture(json: json) } == "architecture has no \(field)")
  }

  @Test(arguments: ["", "{", "[]", "17", "{\"name\": 3}"])
  func whatIsNoArchitectureIsAnError(_ json: String) {
    #expect(
      reason { _ = try Architecture(json: json) }
        == "architecture is not the JSON of an architecture")
  }

  @Test func settingsOutOfRangeAreErrors() throws {
    func expectError(_ part: String, _ change: (inout [String: Any]) -> Void) throws {
      let data = Data(try Architecture(small).json.utf8)
      var fields = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
      change(&fields)
      let json = String(
        decoding: try JSONSerialization.data(withJSONObject: fields), as: UTF8.self)
      #expect(reason { _ = try Architecture(json: json) }.contains(part))
    }
    try expectError("unknown network 'resnet'") { $0["name"] = "resnet" }
    try expectError("4 stages") { $0["stages"] = [3, 4, 6] }
    try expectError("4 stages") { $0["stages"] = [3, 4, 0, 3] }
    try expectError("4 stages") { $0["stages"] = [3, 4, Int.max, 3] }
    try expectError("width 0") { $0["width"] = 0 }
    try expectError("width 9223372036854775807") { $0["width"] = Int.max }
    try expectError("head width -1") { $0["head_width"] = -1 }
    try expectError("dropout 1.0") { $0["dropout"] = 1 }
    try expectError("dropout -0.1") { $0["dropout"] = -0.1 }
    try expectError("no heads") { $0["heads"] = [[String: Any]]() }
    let head: [String: Any] = ["task": "seg", "channels": 0]
    try expectError("without channels") { $0["heads"] = [head] }
    try expectError("a task twice") {
      $0["heads"] = [["task": "seg", "channels": 1], ["task": "seg", "channels": 2]]
    }
    try expectError("order BGR or RGB") {
      $0["input"] = ["order": "GBR", "mean": [1, 2, 3], "scale": 1]
    }
    try expectError("3 means") { $0["input"] = ["order": "BGR", "mean": [1, 2], "scale": 1] }
  }

  private func reason(_ body: () throws -> Void) -> String {
    do {
      try body()
      return ""
    } catch {
      return "\(error)"
    }
  }
}
