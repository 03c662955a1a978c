// A real browser that opens pages: headless Chromium.

import Foundation
import TestSupport
import Testing

struct Browser {
  /// The program that is there; nil where there is none.
  static let program: String? = ["chromium", "chromium-browser", "google-chrome"].first {
    (try? run("/usr/bin/env", [$0, "--version"], in: "/"))?.status == 0
  }

  /// What a page turned out to be.
  struct Look: Decodable {
    let images: Int
    /// Texts of pictures that the browser could not show.
    let missing: [String]
    let charts: Int
    /// Charts that have no size, or draw nothing.
    let emptyCharts: Int
    /// The width that the page wants, and the one that it has.
    let scrollWidth: Int
    let clientWidth: Int
    /// By model and name: the figures of the headline.
    let figures: [String: [String: String]]
    /// By model, task and metric.
    let metrics: [String: [String: [String: String]]]
    let ink: String
  }

  /// What a frame around the page looks for in it.
  private static let probe = """
    const page = document.querySelector('iframe'), result = document.querySelector('pre')
    page.onload = () => {
      const inside = page.contentDocument
      const all = selector => [...inside.querySelectorAll(selector)]
      const size = element => element.getBoundingClientRect()
      const figures = {}, metrics = {}
      for (const cell of all('[data-figure]')) {
        const model = cell.closest('[data-model]').dataset.model
        figures[model] = figures[model] || {}
        figures[model][cell.dataset.figure] = cell.textContent.trim()
      }
      for (const cell of all('[data-metric] [data-model], [data-metric][data-model]')) {
        const { task, metric } = { ...cell.parentElement.dataset, ...cell.dataset }
        const model = metrics[cell.dataset.model] = metrics[cell.dataset.model] || {}
        model[task] = model[task] || {}
        model[task][metric] = cell.querySelector('.value').textContent.trim()
      }
      const charts = all('svg')
      result.textContent = JSON.stringify({
        images: all('img').length,
        missing: all('img').filter(i => !i.complete || !i.naturalWidth || !size(i).width)
          .map(i => i.alt),
        charts: charts.length,
        emptyCharts: charts.filter(
          c => size(c).height < 50 || !c.querySelector('path, polygon')).length,
        scrollWidth: inside.scrollingElement.scrollWidth,
        clientWidth: inside.scrollingElement.clientWidth,
        figures, metrics,
        ink: page.contentWindow.getComputedStyle(inside.body).color,
      })
    }
    """

  /// The folder that the pages lie in.
  let folder: Folder

  /// Opens a page in a frame of a width that phones have and browser windows cannot.
  ///
  /// - Returns: what it looks like, and what it wrote to the console.
  func look(at page: String, width: Int, isDark: Bool = false) throws -> (Look, console: [String]) {
    try folder.write(
      "<!DOCTYPE html><meta charset=utf-8>"
        + "<iframe src='\(page)' style='width:\(width)px;height:4000px'></iframe><pre></pre>"
        + "<script>\(Browser.probe)</script>",
      to: "probe.html")
    let outcome = try open(
      "probe.html", ["--dump-dom", "--allow-file-access-from-files"], isDark: isDark)
    let json = try #require(
      outcome.stdout.firstMatch(of: #/<pre>(\{.*\})<\/pre>/#), "\(outcome.stderr)"
    ).1.replacing("&lt;", with: "<").replacing("&gt;", with: ">").replacing("&amp;", with: "&")
    let console = outcome.stderr.split(separator: "\n").filter { $0.contains("CONSOLE") }
    return (
      try JSONDecoder().decode(Look.self, from: Data(json.utf8)), console.map(String.init)
    )
  }

  /// A picture of the page's upper part, as a PNG file's bytes.
  func screenshot(of page: String, width: Int, height: Int) throws -> Data {
    try folder.write(
      "<!DOCTYPE html><style>body{margin:0}iframe{border:0;display:block}</style>"
        + "<iframe src='\(page)' style='width:\(width)px;height:\(height)px'></iframe>",
      to: "frame.html")
    let name = "\(page)-\(width).png"
    let outcome = try open(
      "frame.html",
      ["--hide-scrollbars", "--window-size=\(width),\(height)", "--screenshot=\(name)"])
    try #require(try folder.contents().contains(name), "\(outcome.stderr)")
    return try folder.bytes(name)
  }

  private func open(_ page: String, _ options: [String], isDark: Bool = false) throws -> Outcome {
    let program = try #require(Browser.program)
    // Root has no sandbox to run in; the pages are the tests' own.
    let outcome = try run(
      "/usr/bin/env",
      [
        "timeout", "-k", "5", "90", program, "--headless", "--no-sandbox", "--disable-gpu",
        "--disable-dev-shm-usage", "--enable-logging=stderr", "--v=0",
        "--user-data-dir=\(folder.path("profile"))",
      ] + (isDark ? ["--blink-settings=preferredColorScheme=0"] : []) + options
        + ["file://\(folder.path(page))"], in: folder.path)
    try #require(outcome.status == 0, "\(outcome.stderr)")
    return outcome
  }
}
