// Weights for a network that is there: names and shapes must match, and errors say which do not.

import Graphs
import Testing

@testable import Exchange

struct WeightMatchingTests {
  private let graph: Graph
  private let tensors: [String: PlainTensor]

  init() throws {
    graph = try UNet(width: 2, heads: [Head(task: "seg", channels: 3)]).graph()
    tensors = ExchangedNetwork(graph).tensors
  }

  private func renamed(_ name: (String) -> String) -> [String: PlainTensor] {
    Dictionary(uniqueKeysWithValues: tensors.map { (name($0), $1) })
  }

  @Test func allThatIsThereIsTaken() throws {
    var file = tensors
    file["inc.double_conv.1.num_batches_tracked"] = PlainTensor(shape: [], values: [3])
    #expect(try graph.matching(file).tensors == tensors)
    #expect(try graph.matching(file).notes == [])
    file["aux.weight"] = PlainTensor(shape: [1], values: [0])
    #expect(try graph.matching(file).notes == ["not used by this network: aux.weight"])
  }

  @Test func rulesRenameBeginningsUpToADot() throws {
    let file = renamed { $0.hasPrefix("heads.seg") ? "out" + $0.dropFirst(9) : "module." + $0 }
    let rules = try ["module=", "out=heads.seg"].map { try RenameRule($0) }
    #expect(try graph.matching(file, renames: rules).tensors == tensors)
    let bare = renamed { String($0.dropFirst($0.hasPrefix("heads.seg.") ? 10 : 0)) }
    #expect(
      try graph.matching(bare, renames: [try RenameRule("conv=heads.seg.conv")]).tensors == tensors)
    #expect(try RenameRule("a=b").applied(to: "ab.weight") == nil)
    #expect(try RenameRule("a.b=").applied(to: "a.b.weight") == "weight")
    #expect(try RenameRule("=net").applied(to: "weight") == "net.weight")
    #expect(try RenameRule("net.=").applied(to: "net.weight") == "weight")
    #expect(throws: ExchangeError.self) { try RenameRule("a") }
  }

  @Test func missingTensorsAreNamedWithAHint() {
    let file = renamed { "module." + $0 }
    let error = #expect(throws: ExchangeError.self) { try graph.matching(file) }
    #expect(
      error?.description.contains(
        "lacks \(tensors.count) of \(tensors.count) tensors: inc.double_conv.0.weight") == true)
    #expect(error?.description.contains("DataParallel") == true)
    #expect(error?.description.contains("--rename 'module='") == true)
  }

  @Test func otherShapesAreNamed() {
    var file = tensors
    file["heads.seg.conv.bias"] = PlainTensor(shape: [4], values: [0, 0, 0, 0])
    let error = #expect(throws: ExchangeError.self) { try graph.matching(file) }
    #expect(error?.description.contains("heads.seg.conv.bias is [4], not [3]") == true)
  }

  @Test func twoTensorsOfOneNameAreRefused() throws {
    var file = tensors
    file["module.heads.seg.conv.bias"] = PlainTensor(shape: [3], values: [0, 0, 0])
    #expect(throws: ExchangeError.self) {
      try graph.matching(file, renames: [try RenameRule("module=")])
    }
  }
}
