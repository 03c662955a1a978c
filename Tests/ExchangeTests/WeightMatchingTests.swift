// Weights for a network that is there: names and shapes must match, and errors say which do not.

import Exchange
import Graphs
import Testing

struct WeightMatchingTests {
  /// Of other weights than the file's.
  private let network: ExchangedNetwork
  /// What the file has, under the network's own names.
  private let tensors: [String: PlainTensor]

  init() throws {
    let graph = try UNet(width: 2, heads: [Head(task: "seg", channels: 3)]).graph()
    tensors = ExchangedNetwork(graph).tensors
    network = ExchangedNetwork(
      graph: graph,
      tensors: tensors.mapValues {
        PlainTensor(shape: $0.shape, values: $0.values.map { $0 + 1 })
      })
  }

  private func renamed(_ name: (String) -> String) -> [String: PlainTensor] {
    Dictionary(uniqueKeysWithValues: tensors.map { (name($0), $1) })
  }

  @Test func allThatIsThereIsTaken() throws {
    var file = tensors
    file["inc.double_conv.1.num_batches_tracked"] = PlainTensor(shape: [], values: [3])
    #expect(try network.filled(with: file).tensors == tensors)
    #expect(try network.filled(with: file).notes == [])
    file["aux.weight"] = PlainTensor(shape: [1], values: [0])
    #expect(try network.filled(with: file).notes == ["not used by this network: aux.weight"])
  }

  @Test func rulesRenameBeginningsUpToADot() throws {
    let file = renamed { $0.hasPrefix("heads.seg") ? "out" + $0.dropFirst(9) : "module." + $0 }
    let rules = try ["module=", "out=heads.seg"].map { try RenameRule($0) }
    #expect(try network.filled(with: file, renames: rules).tensors == tensors)
    let bare = renamed { String($0.dropFirst($0.hasPrefix("heads.seg.") ? 10 : 0)) }
    #expect(
      try network.filled(with: bare, renames: [try RenameRule("conv=heads.seg.conv")]).tensors
        == tensors)
    #expect(try RenameRule("a=b").applied(to: "ab.weight") == nil)
    #expect(try RenameRule("a.b=").applied(to: "a.b.weight") == "weight")
    #expect(try RenameRule("=net").applied(to: "weight") == "net.weight")
    #expect(try RenameRule("net.=").applied(to: "net.weight") == "weight")
    #expect(throws: ExchangeError.self) { try RenameRule("a") }
  }

  @Test func modulesThatTheFileLacksStayAsTheyWere() throws {
    let file = tensors.filter { !$0.key.hasPrefix("heads.") }
    let filled = try network.filled(with: file)
    for (name, tensor) in filled.tensors {
      #expect(tensor == (name.hasPrefix("heads.") ? network.tensors : tensors)[name])
    }
    #expect(filled.notes == ["not in the file, and kept as they were: 2 tensors of heads"])
  }

  @Test func aPartOfAModuleIsNotEnough() {
    let file = tensors.filter { $0.key != "up2.conv.double_conv.3.weight" }
    let error = #expect(throws: ExchangeError.self) { try network.filled(with: file) }
    #expect(error?.description.contains("lacks 1 of") == true)
    #expect(error?.description.contains("up2.conv.double_conv.3.weight") == true)
  }

  @Test func missingTensorsAreNamedWithAHint() {
    let file = renamed { "module." + $0 }
    let error = #expect(throws: ExchangeError.self) { try network.filled(with: file) }
    #expect(
      error?.description.contains(
        "lacks \(tensors.count) of \(tensors.count) tensors: inc.double_conv.0.weight") == true)
    #expect(error?.description.contains("DataParallel") == true)
    #expect(error?.description.contains("--rename 'module='") == true)
  }

  @Test func otherShapesAreNamed() {
    var file = tensors
    file["heads.seg.conv.bias"] = PlainTensor(shape: [4], values: [0, 0, 0, 0])
    let error = #expect(throws: ExchangeError.self) { try network.filled(with: file) }
    #expect(error?.description.contains("heads.seg.conv.bias is [4], not [3]") == true)
  }

  @Test func twoTensorsOfOneNameAreRefused() throws {
    var file = tensors
    file["module.heads.seg.conv.bias"] = PlainTensor(shape: [3], values: [0, 0, 0])
    #expect(throws: ExchangeError.self) {
      try network.filled(with: file, renames: [try RenameRule("module=")])
    }
  }
}
