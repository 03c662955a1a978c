// How weights and images get into a network, and out again; and the machine that it runs on.

import Artifacts
import Datasets
import Graphs
import Networks
import TestSupport
import Testing
import Torch
import Training

@Suite struct ModelNetworkTests {
  @Test func imagesAreReorderedAndTheirMeanTakenAway() throws {
    var settings = SceneNet(
      stages: [1, 1, 1, 1], width: 1, headWidth: 1, dropout: 0,
      heads: [Head(task: "x", channels: 1)])
    let images = try Tensor([10, 20, 30, 40, 50, 60] as [UInt8], shape: [1, 1, 2, 3])
    func normalized() throws -> [Float] {
      let result = try Network(Architecture(settings), seed: 1).normalized(images)
      #expect(result.shape == [1, 3, 1, 2])
      return try result.array()
    }
    settings.input = ImageInput(order: .bgr, mean: [1, 2, 3], scale: [0.5, 0.5, 0.5])
    #expect(try normalized() == [14.5, 29.5, 9, 24, 3.5, 18.5])
    settings.input = ImageInput(order: .rgb, mean: [1, 2, 3], scale: [1, 1, 1])
    #expect(try normalized() == [9, 39, 18, 48, 27, 57])
    settings.input = ImageInput(order: .rgb, mean: [1, 2, 3], scale: [1, 2, 0.5])
    #expect(try normalized() == [9, 39, 36, 96, 13.5, 28.5])
  }

  @Test func aModelFileBecomesANetworkAndBack() throws {
    for reference in ReferenceCase.all {
      let file = try ModelFile(opening: reference.model)
      let (parameters, buffers) = try Network(file).snapshot()
      let byName = Dictionary(uniqueKeysWithValues: file.model.parameters.map { ($0.name, $0) })
      #expect(parameters.count == byName.count)
      #expect(parameters.allSatisfy { byName[$0.name] == $0 })
      #expect(Set(buffers.map(\.name)) == Set(file.model.buffers.map(\.name)))
      let stored = file.model.parameters
      #expect(
        try ContentDigest.ofParameters(parameters.count) { parameters[$0] }
          == ContentDigest.ofParameters(stored.count) { stored[$0] })
    }
  }

  private func error(_ change: (inout Model) -> Void) throws -> String {
    try withFolder { folder in
      let path = folder + "/model.h5"
      var model = try ModelFile(opening: ReferenceCase.all[0].model).model
      change(&model)
      try ModelFile.write(path, model, provenance: someProvenance)
      let file = try ModelFile(opening: path)
      let error = #expect(throws: ArtifactError.self) { try Network(file) }
      return error.map { "\($0.path): \($0.reason)" } ?? ""
    }
  }

  @Test func whatDoesNotFitTheArchitectureIsNamedByItsPlaceInTheFile() throws {
    #expect(
      try error { $0.parameters.removeAll { $0.name == "backbone.conv1.weight" } }
        == "/parameters/backbone.conv1.weight: missing")
    #expect(
      try error {
        $0.parameters.removeAll { $0.name == "backbone.bn1.bias" }
        $0.parameters.append(NamedArray("backbone.bn1.bias", shape: [3], [1, 2, 3]))
      } == "/parameters/backbone.bn1.bias: expected shape 4, found 3")
    #expect(
      try error {
        $0.buffers.removeAll { $0.name == "backbone.bn1.running_var" }
        $0.buffers.append(NamedArray("backbone.bn1.running_var", shape: [1], [1]))
      } == "/buffers/backbone.bn1.running_var: expected shape 4, found 1")
    #expect(
      try error { $0.buffers.removeAll { $0.name == "backbone.bn1.running_mean" } }
        == "/buffers/backbone.bn1.running_mean: missing")
    #expect(
      try error { $0.architecture = "{}" }.hasPrefix("/@architecture: architecture has no "))
  }

  @Test func aNetworkForOtherTasksIsRefused() throws {
    let (nyu, city) = (ReferenceCase.all[0], ReferenceCase.all[1])
    let dataset = try DatasetFile(opening: nyu.dataset)
    let architecture = try Architecture(json: ModelFile(opening: city.model).model.architecture)
    let error = #expect(throws: ArtifactError.self) {
      try architecture.check(fits: dataset, network: "m.h5")
    }
    #expect(
      error?.description == "\(nyu.dataset): /@tasks: has the tasks seg (7), sn (3), "
        + "but m.h5 is for seg (7), depth (1)")
    let own = try Architecture(json: ModelFile(opening: nyu.model).model.architecture)
    try own.check(fits: dataset, network: "m.h5")
  }

  @Test func aNetworkThatPredictsNoMapIsRefused() throws {
    let dataset = try DatasetFile(opening: ReferenceCase.all[0].dataset)
    let architecture = try Architecture(
      Graph(
        input: .published,
        nodes: [
          Graph.Node(
            "mean", .reduce(Reduce(.mean, axes: [1, 2, 3], keepsAxes: false)), [Graph.image])
        ],
        outputs: [
          Graph.Output(task: "seg", node: "mean"), Graph.Output(task: "sn", node: "mean"),
        ]))
    let error = #expect(throws: ArtifactError.self) {
      try architecture.check(fits: dataset, network: "m.h5")
    }
    #expect(error?.reason == "does not fit m.h5: predicts [], and not a map")
  }

  @Test(.enabled(if: (try? Device.gpus()) == nil, "this libtorch has CUDA"))
  func cudaIsRefusedByACPUBuild() throws {
    #expect(try Machine.prepare(device: .cpu, precision: .float32, threads: nil).device == .cpu)
    for (choice, name) in [(DeviceChoice.cuda(nil), "cuda"), (.cuda(1), "cuda:1")] {
      let error = #expect(throws: TorchError.self) {
        try Machine.prepare(device: choice, precision: .float32, threads: nil)
      }
      #expect(error.map { "\($0)" } == "--device \(name): this libtorch is a CPU build")
    }
    #expect(try Machine.prepare(device: .auto, precision: .bfloat16, threads: nil).device == .cpu)
  }

  @Test(arguments: ["cpu", "cuda", "cuda:0", "cuda:12", "auto"])
  func devicesAreReadAsTheyArePrinted(name: String) {
    #expect(DeviceChoice(name)?.description == name)
  }

  @Test(arguments: ["", "gpu", "cuda:", "cuda:-1", "cuda:x", "CPU"])
  func otherDevicesAreRefused(name: String) { #expect(DeviceChoice(name) == nil) }
}
