// The page, as text.

import Artifacts
import CommandLine
import Formatting
import Foundation
import Reporting
import TestSupport
import Testing

@Suite struct ReportTests {
  @Test("Without gnuplot the page says so, and has its tables and pictures")
  func withoutGnuplot() throws {
    let (html, chartsMissing) = try page([SmallMetrics()])
    #expect(chartsMissing == "gnuplot is not installed")
    #expect(html.contains("This page has no charts: gnuplot is not installed."))
    #expect(!html.contains("<svg"))
    #expect(html.contains("every layer in numbers") && html.contains("data:image/png;base64,"))
  }

  @Test("With gnuplot nothing is missing", .enabled(if: haveGnuplot, "needs gnuplot"))
  func withGnuplot() throws {
    let (html, chartsMissing) = try page([SmallMetrics()], gnuplot: Gnuplot())
    #expect(chartsMissing == nil)
    #expect(!html.contains("This page has no charts"))
    #expect(html.matches(of: #/<svg /#).count == 3)
  }

  @Test("Names that look like HTML are text", .enabled(if: haveGnuplot, "needs gnuplot"))
  func hostileNames() throws {
    let script = "<script>alert(1)<"
    let attribute = "x\" onload=\"alert(2)"
    let (html, _) = try page(
      [
        SmallMetrics(
          label: attribute, tasks: [script, "{{title}}"], classNames: [script, "' onload='"],
          units: "<img src=x>",
          lineage: [
            LineageEntry(name: script, sha256: attribute, command: script, inputs: [])
          ])
      ], gnuplot: Gnuplot(), command: "evaluate '\(script)'")
    #expect(!html.contains("<script") && !html.contains("<img src=x"))
    #expect(!html.contains("x\" onload") && !html.contains("' onload='"))
    #expect(html.contains("&lt;script&gt;alert(1)&lt;"))
    #expect(html.contains("{{title}}"))
  }

  @Test("The page stands alone: nothing is loaded from elsewhere, and nothing runs")
  func standsAlone() throws {
    let (html, _) = try page([SmallMetrics(label: "a"), SmallMetrics(label: "b")])
    #expect(
      html.contains("content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\""))
    #expect(!html.contains("http://") && !html.contains("https://") && !html.contains("@import"))
    #expect(html.matches(of: #/(src|href)="(?!data:)/#).isEmpty)
  }

  @Test("The page shows the headline, units and confusion of the file")
  func figures() throws {
    let (html, _) = try page([SmallMetrics()])
    for (figure, text) in [
      ("sparsity", "90.0 %"), ("kept", "2,345"), ("parameters", "12,345"),
      ("flops_sparse", "0.250"), ("flops_dense", "2.500"), ("bytes_sparse", "9.38"),
      ("bytes_dense", "49.38"),
    ] {
      #expect(html.contains("data-figure=\"\(figure)\">\(text)<"), "\(figure)")
    }
    // The target's range, and the scale of errors of at most 2 m.
    #expect(html.contains("<span>1 m</span><span>4 m</span>"))
    #expect(html.contains("<span>0 m</span><span>2 m or more</span>"))
    #expect(html.contains("--share:0.750\">75<") && html.contains("--share:1.000\">100<"))
    #expect(html.contains("<tr class=\"dead\">"))
  }

  @Test("A page of several models begins with what each task lost")
  func changes() throws {
    let (html, _) = try page([
      SmallMetrics(label: "a"), SmallMetrics(label: "b", miou: 0.4),
    ])
    let table = try #require(html.firstRange(of: "<table>"))
    for text in [
      "<th>weights pruned</th><th>ΔT</th><th>seg</th><th>depth</th>",
      "<strong class=\"worse\" data-figure=\"delta_t\">-10.0 %</strong></td>"
        + "<td class=\"worse\">-20.0 %</td><td class=\"same\">+0.0 %</td>",
    ] {
      #expect(html[table.lowerBound...].contains(text), "\(text)")
    }
  }

  @Test("The page has the times of models that were timed, and how they were measured")
  func times() throws {
    let dense = SmallMetrics(label: "a", timing: timing(sparse: nil))
    let sparse = SmallMetrics(label: "b", timing: timing(sparse: 0.0125))
    let (both, _) = try page([dense, sparse])
    for text in [
      "data-figure=\"ms_sparse\">12.5<", "data-figure=\"ms_dense\">50.0</span> dense: 4.00×<",
      "<th>ms per image, dense</th><th>ms per image, sparse</th>",
      "<td>50.0</td><td>–</td>", "<td>50.0</td><td>12.5 (4.00×)</td>",
      "batches of 4 images, float32, 2 threads, Some &lt;Processor&gt; 9000. ",
    ] {
      #expect(both.contains(text), "\(text)")
    }
    let (one, _) = try page([dense])
    #expect(one.contains("data-figure=\"ms_dense\">50.0<") && !one.contains("ms_sparse"))
    let (none, _) = try page([SmallMetrics(label: "a"), SmallMetrics(label: "b")])
    #expect(!none.contains("ms per image") && !none.contains("Milliseconds"))
  }

  @Test("A page of many models shows a few in pictures and all in tables")
  func manyModels() throws {
    let models = (1...7).map {
      SmallMetrics(label: "model-\(Character(UnicodeScalar(96 + UInt8($0))))")
    }
    let (html, _) = try page(models)
    #expect(html.contains("Shown for model-a, model-b, model-c, model-d."))
    // The image, and two tasks with a target, and four predictions with their errors.
    #expect(html.matches(of: #/<img /#).count == 1 + 2 * (1 + 4 * 2))
    #expect(html.matches(of: #/data-metric="miou"/#).count == 1)
    #expect(html.matches(of: #/data-figure="sparsity"/#).count == 7)
  }

  @Test("Commands come in the order in which they can be run again, each once")
  func origin() throws {
    let data = LineageEntry(name: "d.h5", sha256: "D", command: "prepare-data", inputs: [])
    let model = LineageEntry(
      name: "m.h5", sha256: "M", command: "sparse-train",
      inputs: try inputs(#"[{"name":"d.h5","sha256":"D"},{"name":"gone.h5","sha256":"G"}]"#))
    let (html, _) = try withFolder { folder in
      let path = folder + "/metrics.h5"
      let metrics = SmallMetrics(lineage: [model, data]).metrics
      try MetricsFile.write(
        path, metrics, provenance: Provenance(createdBy: "tests", command: "evaluate"))
      // What the file itself was made of is on record by its inputs.
      var evaluated = try EvaluatedModel(opening: path)
      evaluated.inputs = try inputs(#"[{"name":"d.h5","sha256":"D"},{"name":"m.h5","sha256":"M"}]"#)
      return try Report(
        Comparison([evaluated, evaluated]), command: "evaluate compare",
        gnuplot: Gnuplot(program: "none")
      ).page()
    }
    let commands = html.matches(of: #/<li><code>([^<]*)<\/code><\/li>/#).map { String($0.1) }
    #expect(commands == ["prepare-data", "sparse-train", "evaluate", "evaluate compare"])
    #expect(html.contains("gone.h5 <small>given</small>"))
  }

  private func inputs(_ json: String) throws -> [Provenance.Input] {
    try JSONDecoder().decode([Provenance.Input].self, from: Data(json.utf8))
  }
}

@Suite struct TerminalTests {
  @Test("Colours need a terminal that can show them, and NO_COLOR turns them off")
  func detection() {
    func shows(_ isTerminal: Bool, _ environment: [String: String]) -> Bool {
      Terminal.showsColour(isTerminal: isTerminal, environment: environment)
    }
    #expect(shows(true, ["TERM": "xterm"]) && shows(true, ["NO_COLOR": ""]))
    #expect(!shows(false, ["TERM": "xterm"]))
    #expect(!shows(true, ["NO_COLOR": "1"]) && !shows(true, ["TERM": "dumb"]))
  }

  @Test("Coloured tables have the columns of plain ones; better is green and worse red")
  func tables() throws {
    let (plain, coloured) = try withFolder { folder in
      let comparison = try Comparison([
        SmallMetrics(label: "a").model(in: folder),
        SmallMetrics(label: "b", miou: 0.25).model(in: folder),
        SmallMetrics(label: "c", miou: 0.75).model(in: folder),
      ])
      return (comparison.text(), comparison.text(inColour: true))
    }
    #expect(!plain.contains("\u{1B}"))
    #expect(coloured.replacing(#/\u{1B}\[\d+m/#, with: "") == plain)
    #expect(coloured.contains("\u{1B}[31m0.2500 (-50.0 %)\u{1B}[0m"))
    #expect(coloured.contains("\u{1B}[32m0.7500 (+50.0 %)\u{1B}[0m"))
  }
}
