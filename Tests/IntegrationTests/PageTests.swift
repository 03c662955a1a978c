// The pages in a real browser: nothing missing, nothing wrong, and the numbers are the files'.

import Foundation
import HDF5
import TestSupport
import Testing

private let haveGnuplot =
  (try? run("/usr/bin/env", ["gnuplot", "--version"], in: "/"))?.status == 0

/// Four pages on the tiny experiment's models: of one, of two, of a sweep over sparsities, and of methods
/// that were run twice.
private final class Pages: Sendable {
  let folder: Folder
  /// By page, the metrics files on it with their labels.
  let models: [String: [String: String]]

  static let names = ["one.html", "compare.html", "sweep.html", "methods.html"]

  static func made() throws -> Pages { try shared.get() }
  private static let shared = Result { try Pages() }

  private init() throws {
    let experiment = try Experiment.run().folder
    folder = try Folder()
    for name in ["dataset.h5", "disparse.h5", "dense-metrics.h5", "disparse-metrics.h5"] {
      try folder.add(experiment.path(name), as: name)
    }
    try folder.succeed(
      .evaluate,
      "--data dataset.h5 --model disparse.h5 --threads 1 --precision float32 -o one-metrics.h5 "
        + "--report one.html")
    try folder.succeed(
      .evaluate, "compare dense-metrics.h5 disparse-metrics.h5 --report compare.html")
    var swept = ["dense-metrics.h5"]
    for method in ["disparse", "random"] {
      for sparsity in [0.5, 0.7, 0.9] {
        let name = "\(method)-\(sparsity)-metrics.h5"
        try folder.add(experiment.path("disparse-metrics.h5"), as: name)
        try folder.edit(name, Edit().setting("/@sparsity", .number(sparsity)))
        swept.append(name)
      }
    }
    try folder.succeed(
      .evaluate, "compare \(swept.joined(separator: " ")) --report sweep.html")
    // The second run's every mIoU is a tenth more.
    for (seed, factor) in [(1, 1.0), (2, 1.1)] {
      try folder.makeFolder("\(seed)")
      for method in ["dense", "disparse"] {
        let name = "\(seed)/\(method)-metrics.h5"
        try folder.add(experiment.path("\(method)-metrics.h5"), as: name)
        let miou = try folder.open(name).doubles("metrics/seg/miou")[0]
        try folder.edit(name, Edit().changing("/metrics/seg/miou", at: 0, to: miou * factor))
      }
    }
    try folder.succeed(
      .evaluate,
      "compare --runs 1/dense-metrics.h5 2/dense-metrics.h5 1/disparse-metrics.h5 "
        + "2/disparse-metrics.h5 --report methods.html")
    func labelled(_ files: [String]) -> [String: String] {
      Dictionary(
        uniqueKeysWithValues: files.map { ($0.replacing("-metrics.h5", with: ""), $0) })
    }
    models = [
      "one.html": labelled(["one-metrics.h5"]),
      "compare.html": labelled(["dense-metrics.h5", "disparse-metrics.h5"]),
      "sweep.html": labelled(swept),
      "methods.html": ["dense": "1/dense-metrics.h5", "disparse": "1/disparse-metrics.h5"],
    ]
  }
}

@Suite(.serialized, .enabled(if: Browser.program != nil, "needs Chromium"))
struct PageTests {
  @Test("Every picture and chart shows, and the console is empty", arguments: Pages.names)
  func complete(_ page: String) throws {
    let folder = try Pages.made().folder
    let (look, console) = try Browser(folder: folder).look(at: page, width: 1280)
    #expect(console == [])
    #expect(look.missing == [])
    let pictured = ["one.html": 1, "compare.html": 2, "sweep.html": 3][page] ?? 0
    // Per image itself, and per task the target and each model's prediction and error.
    #expect(
      look.images == (page == "methods.html" ? 0 : 3)
        * (1 + Experiment.tasks.count * (1 + 2 * pictured)))
    #expect(look.emptyCharts == 0)
    if haveGnuplot, page == "methods.html" {
      // Changes of all tasks and each; what accuracy costs but for the time, which nobody measured;
      // components; losses of all tasks and each; agreement.
      let tasks = Experiment.tasks.count
      #expect(look.charts == (1 + tasks) + 2 + 1 + (1 + tasks) + 1)
    } else if haveGnuplot {
      // Losses of all tasks and each, the learning rate; layers, agreement, choices; a sweep's
      // metric of each task.
      let (tasks, pruned) = (Experiment.tasks.count, page == "sweep.html" ? 2 : 1)
      #expect(look.charts == tasks + 2 + 2 * pruned + 1 + (page == "sweep.html" ? tasks : 0))
    }
  }

  @Test("The numbers on the page of methods are the means over the files")
  func methodNumbers() throws {
    let pages = try Pages.made()
    let (look, _) = try Browser(folder: pages.folder).look(at: "methods.html", width: 1280)
    let methods = try #require(pages.models["methods.html"])
    #expect(look.metrics.keys.sorted() == methods.keys.sorted())
    for (label, name) in methods {
      let file = try pages.folder.open(name)
      let figures = try #require(look.figures[label])
      let sparsity: Double = try file.attribute("sparsity")
      #expect(
        figures["runs"] == "2" && figures["sparsity"] == String(format: "%.1f %%", 100 * sparsity))
      for task in Experiment.tasks {
        for metric in try file.group("metrics/" + task).datasetNames() {
          let value = try file.doubles("metrics/\(task)/\(metric)")[0]
          let text = try #require(look.metrics[label]?[task]?[metric], "\(task) \(metric)")
          guard !value.isNaN else {
            #expect(text == "–")
            continue
          }
          let mean = metric == "miou" ? value * 1.05 : value
          let shown = try #require(Double(text), "\(task) \(metric) \(text)")
          #expect(abs(shown - mean) <= (abs(mean) >= 10 ? 0.00501 : 0.0000501))
        }
      }
    }
  }

  @Test("The numbers on the page are the files'", arguments: Pages.names.dropLast())
  func numbers(_ page: String) throws {
    let pages = try Pages.made()
    let (look, _) = try Browser(folder: pages.folder).look(at: page, width: 1280)
    let models = try #require(pages.models[page])
    #expect(look.figures.keys.sorted() == models.keys.sorted())
    #expect(look.metrics.keys.sorted() == models.keys.sorted())
    for (label, name) in models {
      let file = try pages.folder.open(name)
      let figures = try #require(look.figures[label])
      func shown(_ figure: String) throws -> Double {
        let text = try #require(figures[figure]).replacing(",", with: "").replacing(" %", with: "")
        return try #require(Double(text))
      }
      let sparsity: Double = try file.attribute("sparsity")
      #expect(try abs(shown("sparsity") - 100 * sparsity) <= 0.0501)
      for figure in ["kept", "parameters"] {
        let value: Int = try file.attribute(figure)
        #expect(try shown(figure) == Double(value))
      }
      for (figure, unit) in [
        ("flops_sparse", 1e9), ("flops_dense", 1e9), ("bytes_sparse", 1e6), ("bytes_dense", 1e6),
      ] {
        let value: Double = try file.attribute(figure)
        let dense: Double = try file.attribute(String(figure.prefix(6)) + "dense")
        #expect(try abs(shown(figure) * unit - value) <= 0.00501 * dense, "\(label) \(figure)")
      }
      for engine in ["dense", "sparse"] {
        let name = "seconds_per_image_\(engine)"
        #expect((figures["ms_\(engine)"] != nil) == file.hasAttribute(name))
        guard file.hasAttribute(name) else { continue }
        let seconds: Double = try file.attribute(name)
        #expect(try abs(shown("ms_\(engine)") - 1000 * seconds) < 0.0051 * max(1, 1000 * seconds))
      }
      for task in Experiment.tasks {
        let metrics = try #require(look.metrics[label]?[task])
        #expect(try metrics.keys.sorted() == file.group("metrics/" + task).datasetNames().sorted())
        for (metric, text) in metrics {
          let value = try file.doubles("metrics/\(task)/\(metric)")[0]
          if value.isNaN {
            #expect(text == "–")
            continue
          }
          let shown = try #require(Double(text), "\(task) \(metric) \(text)")
          #expect(abs(shown - value) <= (abs(value) >= 10 ? 0.00501 : 0.0000501))
        }
      }
    }
  }

  @Test("A phone shows the page without scrolling sideways", arguments: Pages.names)
  func phone(_ page: String) throws {
    let folder = try Pages.made().folder
    for width in [390, 700, 1280] {
      let (look, console) = try Browser(folder: folder).look(at: page, width: width)
      #expect(console == [] && look.missing == [])
      #expect(look.scrollWidth <= width, "wants \(look.scrollWidth) pixels of \(width)")
    }
  }

  @Test("The page is light or dark as its reader is")
  func dark() throws {
    let browser = Browser(folder: try Pages.made().folder)
    let light = try browser.look(at: "compare.html", width: 800).0.ink
    let dark = try browser.look(at: "compare.html", width: 800, isDark: true).0.ink
    func brightness(_ colour: String) -> Int {
      colour.matches(of: #/\d+/#).prefix(3).compactMap { Int($0.0) }.reduce(0, +)
    }
    #expect(brightness(light) < 200 && brightness(dark) > 500)
  }

  @Test(
    "Screenshots as wide as a desk's and a phone's screen", arguments: [1280, 390],
    ["compare.html", "methods.html"])
  func screenshots(_ width: Int, _ page: String) throws {
    let folder = try Pages.made().folder
    let picture = try Browser(folder: folder).screenshot(of: page, width: width, height: 1600)
    // A PNG header tells the width at byte 16; an empty page would be some kilobytes.
    #expect(picture[16..<20].reduce(0) { $0 << 8 | Int($1) } == width)
    #expect(picture.count > 30_000)
    if let kept = ProcessInfo.processInfo.environment["DISPARSE_SCREENSHOTS"] {
      try picture.write(to: URL(fileURLWithPath: "\(kept)/\(page)-\(width).png"))
    }
  }
}
