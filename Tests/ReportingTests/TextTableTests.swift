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

  @Test("Models that were timed have a row per engine, and a line says how it was measured")
  func times() throws {
    let dense = SmallMetrics(label: "a", timing: timing(sparse: nil))
    let sparse = SmallMetrics(label: "b", timing: timing(sparse: 0.0125))
    let lines = try text([dense, sparse]).split(separator: "\n").map(String.init)
    let place = try #require(lines.firstIndex { $0.contains("GFLOPs per image") })
    #expect(
      lines[place + 1...place + 2].joined(separator: "\n") == """
        all    ms per image, dense               50.0             50.0
        all    ms per image, sparse                 –     12.5 (4.00×)
        """)
    #expect(
      lines.last
        == "milliseconds: medians of several runs, batches of 4 images, float32, 2 threads, "
        + "Some <Processor> 9000")
    #expect(try !text([dense]).contains("sparse ") && text([dense]).contains("ms per image, dense"))
    #expect(try !text([SmallMetrics(label: "c"), SmallMetrics(label: "d")]).contains("ms per"))
    let mixed = try text([dense, SmallMetrics(label: "b", timing: timing(sparse: 0.2, threads: 1))])
    #expect(mixed.contains("200 (0.25×)"))
    #expect(
      mixed.hasSuffix(
        "a with batches of 4 images, float32, 2 threads, Some <Processor> 9000; "
          + "b with batches of 4 images, float32, 1 thread, Some <Processor> 9000"))
  }

  @Test("Among many models those that were not timed have no time")
  func manyTimes() throws {
    var models = sweep
    models[1].timing = timing(sparse: 0.00625)
    let lines = try text(models).split(separator: "\n").prefix(4).map { $0.prefix(56) }
    #expect(
      lines.joined(separator: "|\n") == """
        model     sparsity  GFLOPs  ms dense     ms sparse    MB|
        constant                                                |
        m-0          0.0 %    0.25         –             –  9.38|
        m-1         10.0 %    0.25      50.0  6.25 (8.00×)  9.38
        """)
  }

  @Test("Times in the table leave the colours in their columns and rows")
  func timesInColour() throws {
    for count in [2, 6] {
      var models = Array(sweep.prefix(count))
      models[1].timing = timing(sparse: 0.00625)
      let (plain, coloured) = (try text(models), try text(models, inColour: true))
      #expect(coloured.replacing(#/\u{1B}\[\d+m/#, with: "") == plain)
      #expect(coloured.contains("\u{1B}[31m-5.0 %\u{1B}[0m"))
      #expect(!coloured.contains("\u{1B}[31m50.0"))
    }
  }

  @Test("What got worse is red")
  func colour() throws {
    let text = try text(sweep, inColour: true)
    #expect(text.contains("\u{1B}[31m0.4500 (-10.0 %)\u{1B}[0m"))
    #expect(!text.contains("\u{1B}[32m"))
  }
}
