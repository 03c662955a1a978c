// Comparisons for other programs.

import Foundation
import Reporting
import TestSupport
import Testing

@Suite struct TableFileTests {
  private func table<T>(_ models: [SmallMetrics], _ read: (MethodComparison) throws -> T) throws
    -> T
  {
    try withFolder { folder in
      try read(MethodComparison(Comparison(models.map { try $0.model(in: folder) })))
    }
  }

  private let models = [
    SmallMetrics(label: "dense", others: [[("error", .nan)], []]),
    SmallMetrics(
      label: "a,\"b\"", miou: 0.25, others: [[("error", 2)], []], timing: timing(sparse: 0.0125)),
  ]

  @Test("CSV quotes what must be quoted, and leaves empty what was not measured")
  func csv() throws {
    let lines = try table(models) { $0.csv }.split(separator: "\n").map(String.init)
    #expect(
      lines[0]
        == "method,runs,task,metric,better,mean,deviation,change,change_deviation,constant")
    #expect(lines.contains("dense,1,seg,miou,higher,0.5,,,,0.1"))
    #expect(lines.contains("dense,1,seg,error,lower,,,,,0.0"))
    #expect(lines.contains("\"a,\"\"b\"\"\",1,seg,miou,higher,0.25,,-0.5,,0.1"))
    #expect(lines.contains("\"a,\"\"b\"\"\",1,seg,mean_change,higher,-0.5,,,,"))
    #expect(lines.contains("\"a,\"\"b\"\"\",1,all,delta_t,higher,-0.25,,,,"))
    #expect(lines.contains("\"a,\"\"b\"\"\",1,all,seconds_per_image_sparse,lower,0.0125,,,,"))
    #expect(!lines.contains { $0.hasPrefix("dense,1,all,seconds") })
    #expect(lines.contains("dense,1,all,sparsity,,0.9,,,,"))
  }

  @Test("JSON has the rows of the CSV")
  func json() throws {
    struct Table: Decodable {
      struct Row: Decodable {
        let method, task, metric: String
        let runs: Int
        let mean, change: Double?
      }
      let methods: [String]
      let rows: [Row]
    }
    let (csv, json) = try table(models) { ($0.csv, try $0.json()) }
    let decoded = try JSONDecoder().decode(Table.self, from: Data(json.utf8))
    #expect(decoded.methods == ["dense", "a,\"b\""])
    #expect(decoded.rows.count == csv.split(separator: "\n").count - 1)
    let miou = try #require(decoded.rows.last { $0.metric == "miou" })
    #expect(miou.method == "a,\"b\"" && miou.runs == 1 && miou.mean == 0.25 && miou.change == -0.5)
    #expect(try #require(decoded.rows.first { $0.metric == "error" }).mean == nil)
  }

  @Test("LaTeX takes names for text")
  func latex() throws {
    let models = [
      SmallMetrics(label: "50%_{x}", tasks: ["s&g", "depth"]),
      SmallMetrics(label: "a\\b^~", tasks: ["s&g", "depth"], miou: .nan),
    ]
    let latex = try table(models) { $0.latex }
    #expect(latex.contains("50\\%\\_\\{x\\} & 90.0\\,\\% & $+0.0$ & $+0.0$ & $+0.0$ \\\\"))
    #expect(latex.contains("s\\&g & miou $\\uparrow$ \\\\"))
    #expect(latex.contains("a\\textbackslash{}b\\textasciicircum{}\\textasciitilde{} & -- \\\\"))
    #expect(latex.contains("depth & relative\\_error $\\downarrow$ \\\\"))
    #expect(latex.matches(of: #/\\begin\{tabular\}/#).count == 3)
  }

  @Test("A number at the end of names counts only where it tells networks apart")
  func names() throws {
    func names(_ labels: String...) throws -> [String] {
      try withFolder { folder in
        let paths = try labels.map { try SmallMetrics(label: $0).model(in: folder).path }
        return try EvaluatedModel.opening(paths).map(\.label)
      }
    }
    #expect(try names("dense", "snip-0.95", "imp-0.95") == ["dense", "snip", "imp"])
    #expect(try names("dense", "snip-0.9", "snip-0.95") == ["dense", "snip-0.9", "snip-0.95"])
    #expect(try names("snip", "snip-0.9") == ["snip", "snip-0.9"])
    #expect(try names("a-1", "b-2") == ["a-1", "b-2"])
  }
}
