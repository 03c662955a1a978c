// The architectures that we build: names and counts of the usual PyTorch checkpoints, and their JSON.

import Graphs
import Testing

@Suite struct ArchitectureTests {
  private let heads = [Head(task: "seg", channels: 21), Head(task: "depth", channels: 1)]

  private func count(_ graph: Graph, _ prefix: String) -> Int {
    graph.parameters.filter { $0.name.hasPrefix(prefix) }.reduce(0) { $0 + $1.count }
  }

  /// Parameters of torchvision 0.20's models without their classifiers.
  @Test(arguments: [
    (ResNet.resNet18, 11_176_512), (.resNet34, 21_284_672), (.resNet50, 23_508_032),
    (.resNet101, 42_500_160),
  ])
  func resNetsHaveTorchvisionsParameters(_ backbone: ResNet, _ expected: Int) throws {
    let graph = try DeepLab(backbone: backbone, heads: heads).graph()
    #expect(count(graph, "backbone.") == expected)
    let names = Set(graph.parameters.map(\.name))
    for name in [
      "backbone.conv1.weight", "backbone.bn1.bias", "backbone.layer2.0.downsample.0.weight",
      "backbone.layer4.1.conv2.weight", "heads.seg.0.convs.0.0.weight",
      "heads.seg.0.convs.4.1.weight", "heads.seg.0.project.0.weight", "heads.seg.1.weight",
      "heads.depth.4.bias",
    ] { #expect(names.contains(name), "\(name)") }
    #expect(try graph.predictionShapes(for: Extent(65, 97)) == [[21, 9, 13], [1, 9, 13]])
  }

  @Test func deepLabHeadsHaveTorchvisionsParameters() throws {
    let graph = try DeepLab(backbone: .resNet50, heads: heads).graph()
    // DeepLabHead(2048, 21) of torchvision.
    #expect(count(graph, "heads.seg.") == 16_130_837)
    let owners = graph.parameters.map(\.owners)
    #expect(Set(owners) == [[0, 1], [0], [1]])
  }

  @Test func mobileNetHasTorchvisionsParameters() throws {
    let graph = try MobileNetV2(heads: heads).graph()
    // features.0 … features.17 of torchvision.
    #expect(count(graph, "backbone.") == 1_811_712)
    let names = Set(graph.parameters.map(\.name))
    for name in [
      "backbone.features.0.0.weight", "backbone.features.1.conv.0.1.bias",
      "backbone.features.1.conv.1.weight", "backbone.features.2.conv.1.0.weight",
      "backbone.features.17.conv.3.weight",
    ] { #expect(names.contains(name), "\(name)") }
    #expect(try graph.predictionShapes(for: Extent(64, 96)) == [[21, 4, 6], [1, 4, 6]])
    let fine = try MobileNetV2(outputStride: 8, heads: heads).graph()
    #expect(try fine.predictionShapes(for: Extent(64, 96)) == [[21, 8, 12], [1, 8, 12]])
  }

  @Test func uNetHasTheParametersOfTheUsualOne() throws {
    let graph = try UNet(heads: heads).graph()
    // milesial's UNet(3, …, bilinear=True) without its outc.
    #expect(count(graph, "") - count(graph, "heads.") == 17_262_912)
    #expect(try graph.predictionShapes(for: Extent(33, 50)) == [[21, 33, 50], [1, 33, 50]])
  }

  @Test func everyArchitectureComesBackFromItsJSON() throws {
    let all: [Architecture] = [
      try Architecture(DeepLab(backbone: .resNet18, width: 8, headWidth: 8, heads: heads)),
      try Architecture(MobileNetV2(width: 8, headWidth: 8, heads: heads)),
      try Architecture(UNet(width: 8, heads: heads)),
    ]
    for architecture in all {
      let again = try Architecture(json: architecture.json)
      #expect(again.json == architecture.json)
      #expect(again.graph == architecture.graph)
      // As a graph of its own it is the same network.
      let graph = try Architecture(json: Architecture(architecture.graph).json).graph
      #expect(
        graph.nodes == architecture.graph.nodes && graph.outputs == architecture.graph.outputs)
    }
  }

  @Test func settingsOutOfRangeAreErrors() {
    func reason(_ settings: some ArchitectureSettings) -> String {
      let error = #expect(throws: ArchitectureError.self) { try Architecture(settings) }
      return error?.description ?? ""
    }
    #expect(reason(DeepLab(backbone: .resNet18, width: 0, heads: heads)).contains("width 0"))
    #expect(
      reason(DeepLab(backbone: .resNet18, outputStride: 32, heads: heads))
        .contains("output stride 32"))
    #expect(reason(MobileNetV2(headWidth: 0, heads: heads)).contains("head width 0"))
    #expect(reason(UNet(width: 7, heads: heads)).contains("even number"))
    #expect(reason(UNet(dropout: 1, heads: heads)).contains("dropout 1.0"))
    #expect(reason(UNet(heads: [])) == "architecture has no heads")
  }
}
