// Runs gnuplot, and makes its SVG fit for a page that is light or dark.

import Foundation

/// Draws charts with gnuplot.
package struct Gnuplot: Sendable {
  package var program: String
  package var secondsAllowed: Double

  package init(program: String = "gnuplot", secondsAllowed: Double = 20) {
    self.program = program
    self.secondsAllowed = secondsAllowed
  }

  /// Why there are no charts, in words for the page.
  package struct Failure: Error, CustomStringConvertible {
    package let description: String
    /// Whether other charts would fail as well.
    var concernsAll = true
  }

  /// - Parameters:
  ///   - script: writes one SVG to standard output.
  ///   - identifier: different for every chart of a page.
  ///   - label: what the chart shows, for those who do not see it.
  /// - Returns: an `<svg>` element.
  package func draw(_ script: String, identifier: String, label: String) throws(Failure) -> String {
    let variables = ProcessInfo.processInfo.environment
    // Without the user's own settings, so that a page looks the same everywhere.
    let process = ChildProcess(
      program: program, arguments: ["-d", "-"],
      environment: ["PATH": variables["PATH"] ?? "/usr/bin:/bin", "LC_ALL": "C"],
      secondsAllowed: secondsAllowed)
    do {
      let svg = try process.run(input: script)
      guard svg.contains("<svg"), svg.contains("</svg>") else {
        throw Failure(description: "gnuplot drew nothing", concernsAll: false)
      }
      return SVG.inlined(svg, identifier: identifier, label: label)
    } catch let failure as Failure {
      throw failure
    } catch ChildProcess.Failure.notFound {
      throw Failure(description: "gnuplot is not installed")
    } catch ChildProcess.Failure.notStarted(let reason) {
      throw Failure(
        description: "gnuplot could not be started in \(NSTemporaryDirectory()): \(reason)")
    } catch ChildProcess.Failure.tookTooLong {
      throw Failure(description: "gnuplot took longer than \(Int(secondsAllowed)) seconds")
    } catch ChildProcess.Failure.failed(let status, let message) {
      let lines = message.split(whereSeparator: \.isNewline).map {
        $0.trimmingCharacters(in: .whitespaces)
      }
      throw Failure(
        description: "gnuplot failed with status \(status): \(lines.last ?? "it said nothing")",
        concernsAll: false)
    } catch {
      throw Failure(description: "gnuplot could not be started: \(error)")
    }
  }
}

/// Colours that a script uses to mean a part of the chart; the page's style sheet knows the real ones.
enum ChartColour {
  case axis, grid
  /// One of ``seriesCount``.
  case series(Int)

  /// How many series the style sheet has colours for.
  static let seriesCount = 12

  private var code: Int {
    switch self {
    case .axis: 1
    case .grid: 2
    case .series(let index): 16 + index % Self.seriesCount
    }
  }

  /// For a script: #0000nn.
  var gnuplot: String {
    let digits = String(code, radix: 16)
    return "#0000" + (digits.count == 1 ? "0" : "") + digits
  }

  /// The CSS custom property that a script's colour stands for.
  static func property(red: Int, green: Int, blue: Int) -> String? {
    guard red == 0, green == 0 else { return nil }
    return switch blue {
    case 0: "currentColor"
    case 1: "var(--axis)"
    case 2: "var(--grid)"
    case 16..<16 + seriesCount: "var(--series-\(blue - 15))"
    default: nil
    }
  }
}

package enum SVG {
  /// Gnuplot's SVG as an element of a page: no prolog, no names that another chart has too, no fonts
  /// and no colours of its own.
  package static func inlined(_ svg: String, identifier: String, label: String) -> String {
    guard let start = svg.range(of: "<svg"), let end = svg.range(of: "</svg>", options: .backwards)
    else { return "" }
    var text = String(svg[start.lowerBound..<end.upperBound])
    text = text.replacing(#/<(title|desc)>.*?<\/(title|desc)>/#, with: "")
    text = text.replacing(#/\s+xmlns(:xlink)?="[^"]*"/#, with: "")
    text = text.replacing(#/\s+font-family="[^"]*"/#, with: "")
    text = text.replacing(#/<filter .*?<\/filter>/#.dotMatchesNewlines(), with: "")
    text = text.replacing(#/id="gnuplot_[^"]*"/#, with: "")
    text = text.replacing(#/(fill|stroke|color)="black"/#) { "\($0.1)=\"currentColor\"" }
    text = text.replacing(#/rgb\( *(\d+), *(\d+), *(\d+)\)/#) { match in
      func channel(_ digits: Substring) -> Int { Int(digits) ?? 255 }
      return ChartColour.property(
        red: channel(match.1), green: channel(match.2), blue: channel(match.3))
        ?? String(match.0)
    }
    // Groups that draw nothing are most of what gnuplot writes.
    let emptyGroup = #/<g [^>]*>\s*<\/g>\s*/#
    while text.contains(emptyGroup) { text = text.replacing(emptyGroup, with: "") }
    text = text.replacing("id='gp", with: "id='\(identifier)-gp")
      .replacing("xlink:href='#gp", with: "href='#\(identifier)-gp")
    text = withoutUnusedShapes(text)
    let head = "<svg role=\"img\" aria-label=\"\(escaped(label))\""
    return text.replacing(#/^<svg\s*/#, with: head + " ")
  }

  /// Shapes of points that no chart line refers to are not worth their bytes.
  private static func withoutUnusedShapes(_ text: String) -> String {
    guard let range = text.firstRange(of: #/<defs>.*?<\/defs>\s*/#.dotMatchesNewlines()) else {
      return text
    }
    let rest = text[range.upperBound...]
    return rest.contains("href='#") ? text : String(text[..<range.lowerBound] + rest)
  }

  /// For text and attributes of HTML.
  static func escaped(_ text: String) -> String {
    text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;")
      .replacing("\"", with: "&quot;").replacing("'", with: "&#39;")
  }
}
