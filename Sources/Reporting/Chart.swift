// A chart: what it shows, and the gnuplot script that draws it.

import Foundation
import Mustache

package struct Chart {
  /// Points of one colour, in their order.
  package struct Series {
    package enum Shape { case line, points, lineWithPoints, bars }

    package let colour: Int
    package var shape: Shape = .line
    package var isDashed = false
    package var points: [(x: Double, y: Double)]
  }

  /// A dashed line across the chart.
  enum Mark {
    case horizontal(y: Double, colour: ChartColour)
    case vertical(x: Double, colour: ChartColour)
  }

  /// What it shows, in a few words.
  package let title: String
  var xLabel = ""
  var yLabel = ""
  package var series: [Series]
  /// Marked places of the x axis; gnuplot chooses when empty.
  var tics: [(label: String, place: Double)] = []
  /// Places of faint vertical lines.
  var separators: [Double] = []
  var marks: [Mark] = []
  var xRange: ClosedRange<Double>?
  var yRange: ClosedRange<Double>?
  var yFormat = "%g"
  /// As wide as the page, or one of several beside each other.
  var isWide = false

  private var size: (width: Int, height: Int) { isWide ? (960, 300) : (440, 270) }

  /// Whether any series has a point to draw.
  var hasPoints: Bool { series.contains { $0.points.contains { $0.x.isFinite && $0.y.isFinite } } }

  /// - Throws: an error of the template.
  package func script() throws -> String {
    let isBars = series.contains { $0.shape == .bars }
    let library = try Self.library()
    return library.render(context, withTemplate: isBars ? "bars" : "lines") ?? ""
  }

  private static func library() throws -> MustacheLibrary {
    func template(_ bytes: [UInt8]) throws -> MustacheTemplate {
      // Not HTML: nothing is to be escaped.
      try MustacheTemplate(
        string: "{{% CONTENT_TYPE:TEXT}}\n" + String(decoding: bytes, as: UTF8.self))
    }
    return MustacheLibrary(templates: [
      "style": try template(PackageResources.style_gnuplot),
      "lines": try template(PackageResources.lines_gnuplot),
      "bars": try template(PackageResources.bars_gnuplot),
    ])
  }

  /// Ends and step of the y axis: round numbers around the points, unless told.
  package var scale: (low: Double, high: Double, step: Double)? {
    let values = series.flatMap { $0.points.map(\.y) }.filter(\.isFinite)
    guard let low = yRange?.lowerBound ?? values.min(),
      let high = yRange?.upperBound ?? values.max(), high > low
    else { return nil }
    let rough = (high - low) / 5
    let power = pow(10, floor(log10(rough)))
    let step = ([1, 2, 2.5, 5].first { $0 * power >= rough * 0.999 } ?? 10) * power
    guard step.isNormal, yRange == nil else { return (low, high, step) }
    return ((low / step).rounded(.down) * step, (high / step).rounded(.up) * step, step)
  }

  private var context: [String: Any] {
    let scale = scale
    return [
      "width": size.width, "height": size.height, "fontSize": isWide ? 12 : 13,
      "axis": ChartColour.axis.gnuplot, "grid": ChartColour.grid.gnuplot,
      "xLow": Self.bound(xRange?.lowerBound), "xHigh": Self.bound(xRange?.upperBound),
      "yLow": Self.bound(scale?.low), "yHigh": Self.bound(scale?.high),
      "hasStep": scale != nil, "yStep": scale.map { Self.number($0.step) } ?? "",
      "yFormat": yFormat, "xLabel": Self.quoted(xLabel), "yLabel": Self.quoted(yLabel),
      "hasTics": !tics.isEmpty,
      // A tic's label is a format to gnuplot.
      "tics": tics.map {
        [
          "label": Self.quoted($0.label).replacing("%", with: "%%"),
          "place": Self.number($0.place),
        ]
      },
      "separators": separators.map(Self.number),
      "marks": marks.map { Self.mark($0) },
      "series": series.filter { !$0.points.isEmpty }.enumerated().map { number, series in
        [
          "number": number, "colour": ChartColour.series(series.colour).gnuplot,
          "drawnAs": Self.style(series.shape), "dashType": series.isDashed ? "(6,4)" : "1",
          "lineWidth": "1.8", "pointType": Self.pointTypes[series.colour % Self.pointTypes.count],
          "points": series.points.map { "\(Self.number($0.x)) \(Self.number($0.y))" },
        ] as [String: Any]
      },
    ]
  }

  /// Filled circle, square, triangles and diamond, then the same hollow: told apart without colour.
  private static let pointTypes = [7, 5, 9, 11, 13, 6, 4, 8]

  private static func style(_ shape: Series.Shape) -> String {
    switch shape {
    case .line: "lines"
    case .points: "points"
    case .lineWithPoints: "linespoints"
    case .bars: "boxes"
    }
  }

  private static func mark(_ mark: Mark) -> [String: Any] {
    switch mark {
    case .horizontal(let y, let colour):
      [
        "x1": "graph 0", "x2": "graph 1", "y1": "first \(number(y))", "y2": "first \(number(y))",
        "colour": colour.gnuplot,
      ]
    case .vertical(let x, let colour):
      [
        "x1": "first \(number(x))", "x2": "first \(number(x))", "y1": "graph 0", "y2": "graph 1",
        "colour": colour.gnuplot,
      ]
    }
  }

  private static func bound(_ value: Double?) -> String { value.map(number) ?? "*" }

  private static func number(_ value: Double) -> String {
    value.isFinite ? String(format: "%.6g", value) : "NaN"
  }

  /// A text of a file's, such as a task's name, that gnuplot takes for nothing but text.
  package static func quoted(_ text: String) -> String {
    String(
      text.unicodeScalars.map { scalar -> Character in
        switch scalar {
        case "'", "\"", "`": "’"
        case "\\": "/"
        case _ where scalar.properties.generalCategory == .control: " "
        default: Character(scalar)
        }
      })
  }
}
