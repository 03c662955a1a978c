// Comparisons for the terminal.

import Reporting
import TestSupport
import Testing

@Suite struct TextTableTests {
  private func text(_ models: [SmallMetrics], inColour: Bool = false) throws -> String {
    try withFolder { folder in
      try Comparison(models.map { try $0.model(in: folder) }).text(inColour: inColour)
    }
  }

  private let sweep = (0..<6).map { number in
    SmallMetrics(
      label: "m-\(number)", sparsity: Double(number) / 10, miou: 0.5 - Double(number) / 20)
  }

  @Test("Many models have a row each")
  func manyModels() throws {
    #expect(
      try text(sweep).split(separator: "\n").prefix(4).joined(separator: "\n") == """
        model     sparsity  GFLOPs    MB        seg miou ↑  depth relative_error ↓       ΔT
        constant                                    0.1000                  0.5000
        m-0          0.0 %    0.25  9.38            0.5000                  0.2500
        m-1         10.0 %    0.25  9.38  0.4500 (-10.0 %)         0.2500 (+0.0 %)   -5.0 %
        """)
  }

  @Test("What got worse is red")
  func colour() throws {
    let text = try text(sweep, inColour: true)
    #expect(text.contains("\u{1B}[31m0.4500 (-10.0 %)\u{1B}[0m"))
    #expect(!text.contains("\u{1B}[32m"))
  }
}
