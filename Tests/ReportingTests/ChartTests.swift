// Which charts there are, with which points, and how gnuplot draws them.

import Artifacts
import Foundation
import Reporting
import TestSupport
import Testing

#if canImport(FoundationXML)
  import FoundationXML
#endif

@Suite struct ChartTests {
  private func figures(_ models: [SmallMetrics]) throws -> [Figure] {
    try withFolder { folder in
      let models = try models.map { try $0.model(in: folder) }
      return Figures(models: models, shown: models).all
    }
  }

  @Test("A file of an older version, without history and choices, has its layers alone")
  func olderFile() throws {
    let figures = try figures([SmallMetrics(choices: [])])
    #expect(figures.map(\.title) == ["What is left of each layer"])
  }

  @Test("Nothing pruned and nothing recorded: no figure")
  func nothing() throws {
    #expect(try figures([SmallMetrics(sparsity: 0, choices: [])]).isEmpty)
  }

  @Test("Bars are the layers' densities, backbone and heads in colours of their own")
  func densities() throws {
    let chart = try #require(try figures([SmallMetrics()]).first?.charts.first)
    #expect(chart.series.map(\.colour) == [0, 0, 1])
    #expect(chart.series.flatMap { $0.points.map(\.y) } == [75, 25, 0])
  }

  @Test("The charts of agreement and choices show the numbers of the layer table")
  func agreement() throws {
    let figures = try figures([SmallMetrics()])
    #expect(
      figures.map(\.title)
        == ["What is left of each layer", "Where the tasks agree", "Which layers each task wants"])
    #expect(figures[1].charts[0].series[0].points.map(\.y) == [0.75, 0.25])
    #expect(figures[1].caption.contains("total IoU 0.500, watershed at 0.0.conv1"))
    #expect(figures[2].charts[0].series.map { $0.points.map(\.y) } == [[50, 25], [25, 12.5]])
  }

  @Test("Training curves: a long run is averaged, a short one has every step")
  func training() throws {
    for (steps, points) in [(1, 1), (10, 10), (150, 150), (20_000, 150)] {
      let model = SmallMetrics(
        sparsity: 0, choices: [], history: history(steps: steps))
      let charts = try #require(try figures([model]).first).charts
      #expect(
        charts.map(\.title)
          == ["all tasks: weighted loss", "seg: loss", "depth: loss", "learning rate"])
      let found = charts[0].series[0].points
      #expect(found.count == points)
      #expect(found.first?.y ?? 0 <= 1)
    }
  }

  @Test("Masks that change have a curve of their density")
  func density() throws {
    var history = history(steps: 4)
    history.updates = [
      .init(
        step: 2, dropRate: 0.5, dropped: 10, grown: 8, densityBefore: 0.5, densityAfter: 0.25,
        agreement: 0.1)
    ]
    let figures = try figures([SmallMetrics(sparsity: 0, choices: [], history: history)])
    let chart = try #require(figures.first?.charts.last)
    #expect(chart.title == "weights kept")
    #expect(chart.series[0].points.map(\.y) == [50, 25])
  }

  @Test("Files of one method at several sparsities make a line")
  func sweep() throws {
    var models = [SmallMetrics(label: "dense", sparsity: 0, choices: [])]
    for (sparsity, miou) in [(0.9, 0.3), (0.5, 0.4)] {
      for method in ["disparse", "my-own"] {
        models.append(
          SmallMetrics(
            label: "\(method)-\(sparsity)", sparsity: sparsity, miou: miou, choices: []))
      }
    }
    let figure = try #require(try figures(models).first)
    #expect(figure.title == "Accuracy against sparsity")
    #expect(figure.charts.map(\.title) == ["seg: miou ↑", "depth: relative_error ↓"])
    // The last series is the dense network's line across the chart.
    let lines = figure.charts[0].series.map { $0.points.map(\.y) }
    #expect(lines == [[0.4, 0.3], [0.4, 0.3], [0.5, 0.5]])
    #expect(try figures(Array(models.prefix(2))).first?.title != "Accuracy against sparsity")
  }

  @Test(
    "A method is its label without the number at its end",
    arguments: [
      ("disparse-0.9", "disparse"), ("disparse-static", "disparse-static"), ("run-2-90", "run-2"),
      ("0.9", "0.9"), ("-0.9", "-0.9"), ("snip", "snip"), ("snip-", "snip-"),
    ])
  func methods(_ label: String, _ method: String) {
    #expect(SparsitySweep.method(label) == method)
  }

  @Test("Layers fall into stages, projections and heads")
  func groups() {
    let names = [
      "backbone.conv1", "backbone.blocks.0.0.conv1", "backbone.blocks.0.1.conv1",
      "backbone.blocks.1.0.conv1", "backbone.ds.1.0", "task1_fc1_c0.conv1", "task2_fc1_c0.conv1",
      "task9_fc1_c0.conv1", "task.strange", "elsewhere",
    ]
    let table = LayerTable(rows: names.map { .init(name: $0 + ".weight", weights: 1, kept: 1) })
    let groups = table.groups(["seg", "depth"])
    #expect(
      groups.map(\.name)
        == [
          "stem", "stage 1", "stage 2", "proj.", "seg", "depth", "task 9", "task",
          "elsewhere",
        ])
    #expect(groups.map(\.task) == [nil, nil, nil, nil, 0, 1, 8, nil, nil])
    #expect(groups.map(\.rows.count) == [1, 2, 1, 1, 1, 1, 1, 1, 1])
  }

  @Test("Layers of other networks fall into modules, and are a task's when it alone has a say")
  func groupsOfOtherNetworks() {
    let layers: [(name: String, densities: [Double])] = [
      ("encoder.0", [0.1, 0.2]), ("encoder.1", [0.1, 0.2]), ("decoder.0", [0.3, 0.4]),
      ("heads.seg", [0.5, .nan]), ("heads.depth", [.nan, 0.5]),
    ]
    let table = LayerTable(
      tasks: ["seg", "depth"],
      rows: layers.map {
        .init(name: $0.name + ".weight", weights: 1, kept: 1, taskDensities: $0.densities)
      })
    let groups = table.groups(["seg", "depth"])
    #expect(groups.map(\.name) == ["encoder", "decoder", "seg", "depth"])
    #expect(groups.map(\.task) == [nil, nil, 0, 1])
    #expect(groups.map(\.rows.count) == [2, 1, 1, 1])
  }

  @Test("Text from a file is never a gnuplot command or markup")
  func hostileText() throws {
    let text = "x'\nEOD\n!touch /tmp/pwned `id` \"\\u{1B}\u{7}"
    let quoted = Chart.quoted(text)
    #expect(!quoted.contains { "'\"`\\".contains($0) || $0.isNewline })
    #expect(quoted.unicodeScalars.allSatisfy { $0.properties.generalCategory != .control })
    let figures = try figures(
      [
        SmallMetrics(label: "it's", tasks: ["`id`", "EOD"], history: history(steps: 3))
      ].map {
        var model = $0
        model.history?.taskLosses = model.tasks.map { ($0, [1, 2, 3]) }
        return model
      })
    for chart in figures.flatMap(\.charts) {
      #expect(try !chart.script().contains("`"))
    }
  }
}

@Suite struct GnuplotTests {
  @Test("Without gnuplot the reason is that it is not installed")
  func absent() throws {
    #expect(failure(Gnuplot(program: "/no/such/gnuplot"), "") == "gnuplot is not installed")
    #expect(failure(Gnuplot(program: "no-such-gnuplot"), "") == "gnuplot is not installed")
  }

  @Test("A program that hangs, fails or draws nothing is reported with the reason")
  func broken() throws {
    try withFolder { folder in
      func program(_ body: String) throws -> String {
        let path = folder + "/" + UUID().uuidString
        try "#!/bin/sh\n\(body)\n".write(toFile: path, atomically: false, encoding: .utf8)
        chmod(path, 0o755)
        return path
      }
      let hanging = Gnuplot(program: try program("exec sleep 60"), secondsAllowed: 1)
      #expect(failure(hanging, "") == "gnuplot took longer than 1 seconds")
      for (body, reason) in [
        ("true", "drew nothing"),
        ("echo one >&2; echo two >&2; exit 3", "failed with status 3: two"),
        ("kill -SEGV $$", "failed with status 139: it said nothing"),
      ] {
        let broken = Gnuplot(program: try program(body))
        #expect(failure(broken, "") == "gnuplot " + reason)
      }
    }
  }

  @Test("A wrong script fails with what gnuplot says", .enabled(if: haveGnuplot, "needs gnuplot"))
  func wrongScript() throws {
    #expect(failure(Gnuplot(), "plot plot")?.hasPrefix("gnuplot failed with status 1: ") == true)
  }

  @Test(
    "Every chart is well-formed, with the page's colours and no name that another has",
    .enabled(if: haveGnuplot, "needs gnuplot"))
  func wellFormed() throws {
    let figures = try withFolder { folder in
      let models = try [
        SmallMetrics(label: "dense", tasks: ["<seg>", "d&'e%d"], sparsity: 0, choices: []),
        SmallMetrics(label: "m-0.5", tasks: ["<seg>", "d&'e%d"], sparsity: 0.5),
        SmallMetrics(label: "m-0.9", tasks: ["<seg>", "d&'e%d"]),
      ].map { small in
        var small = small
        small.history = history(tasks: small.tasks, steps: 5)
        return try small.model(in: folder)
      }
      return Figures(models: models, shown: models).all
    }
    #expect(figures.count == 5)
    for (number, chart) in figures.flatMap(\.charts).enumerated() {
      let svg = try Gnuplot().draw(chart.script(), identifier: "c\(number)", label: "a \"<b>\"")
      #expect(XMLParser(data: Data(svg.utf8)).parse(), "\(svg)")
      #expect(svg.hasPrefix("<svg role=\"img\" aria-label=\"a &quot;&lt;b&gt;&quot;\""))
      #expect(svg.contains("var(--series-") && svg.contains("var(--axis)"))
      #expect(!svg.contains("rgb(") && !svg.contains("black") && !svg.contains("font-family"))
      for match in svg.matches(of: #/ id=['"]([^'"]*)['"]/#) {
        #expect(match.1.hasPrefix("c\(number)-"))
      }
      for match in svg.matches(of: #/href=['"]([^'"]*)['"]/#) {
        #expect(match.1.hasPrefix("#c\(number)-"))
      }
    }
  }

  /// Why gnuplot drew nothing; nil when it did draw.
  private func failure(_ gnuplot: Gnuplot, _ script: String) -> String? {
    do {
      _ = try gnuplot.draw(script, identifier: "x", label: "x")
      return nil
    } catch {
      return error.description
    }
  }
}
