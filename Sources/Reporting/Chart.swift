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
    /// How far each point's runs lie apart, to either side: error bars of points, a band along a line.
    /// Empty for single runs.
    package var spreads: [Double] = []
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
  /// Names down the y axis: a point's y is its row, counted from 0 at the top, and spreads go along x.
  package var rows: [String] = []
  /// Marked places of the x axis; gnuplot chooses when empty.
  var tics: [(label: String, place: Double)] = []
  /// Places of faint vertical lines.
  var separators: [Double] = []
  var marks: [Mark] = []
  var xRange: ClosedRange<Double>?
  var yRange: ClosedRange<Double>?
  /// About how many numbers the x axis has.
  var xSteps: Double?
  var xFormat = "%g"
  var yFormat = "%g"
  /// As wide as the page, or one of several beside each other.
  var isWide = false

  private var size: (width: Int, height: Int) {
    rows.isEmpty ? (isWide ? (960, 300) : (440, 270)) : (440, 70 + 24 * rows.count)
  }

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
    if !rows.isEmpty { return (-0.5, Double(rows.count) - 0.5, 1) }
    return Self.scale(around: reach { $0.y }, yRange, steps: 5)
  }

  /// The same of an x axis with few numbers; gnuplot chooses others.
  private var xScale: (low: Double, high: Double, step: Double)? {
    xSteps.flatMap { Self.scale(around: reach { $0.x }, xRange, steps: $0) }
  }

  /// Where points and their spreads end.
  private func reach(_ coordinate: ((x: Double, y: Double)) -> Double) -> [Double] {
    series.flatMap { series in
      series.points.enumerated().flatMap { index, point -> [Double] in
        let spread = series.spread(index)
        return [coordinate(point) - spread, coordinate(point) + spread]
      }
    }.filter(\.isFinite)
  }

  private static func scale(around values: [Double], _ range: ClosedRange<Double>?, steps: Double)
    -> (low: Double, high: Double, step: Double)?
  {
    guard let low = range?.lowerBound ?? values.min(), let high = range?.upperBound ?? values.max(),
      high > low
    else { return nil }
    let rough = (high - low) / steps
    let power = pow(10, floor(log10(rough)))
    let step = ([1, 2, 2.5, 5].first { $0 * power >= rough * 0.999 } ?? 10) * power
    guard step.isNormal, range == nil else { return (low, high, step) }
    return ((low / step).rounded(.down) * step, (high / step).rounded(.up) * step, step)
  }

  private var context: [String: Any] {
    let (scale, xScale) = (scale, xScale)
    return [
      "width": size.width, "height": size.height, "fontSize": isWide ? 12 : 13,
      "axis": ChartColour.axis.gnuplot, "grid": ChartColour.grid.gnuplot,
      "xLow": Self.bound(xScale?.low ?? xRange?.lowerBound),
      "xHigh": Self.bound(xScale?.high ?? xRange?.upperBound),
      "yLow": Self.bound(scale?.low), "yHigh": Self.bound(scale?.high),
      "hasStep": scale != nil, "yStep": scale.map { Self.number($0.step) } ?? "",
      "isRows": !rows.isEmpty, "hasXScale": xScale != nil,

      "xStep": xScale.map { Self.number($0.step) } ?? "",
      "rows": rows.enumerated().map {
        ["label": Self.quoted($1), "place": $0] as [String: Any]
      },
      "xFormat": xFormat, "yFormat": yFormat, "xLabel": Self.quoted(xLabel),
      "yLabel": Self.quoted(yLabel),
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
          "hasBand": series.shape == .line && !series.spreads.isEmpty,
          "drawnAs": drawing(series), "dashType": series.isDashed ? "(6,4)" : "1",
          "lineWidth": "1.8", "pointType": Self.pointTypes[series.colour % Self.pointTypes.count],
          "pointSize": series.spreads.isEmpty ? "0.45" : "0.6",
          "points": series.points.enumerated().map { index, point in
            let (middle, spread) = (rows.isEmpty ? point.y : point.x, series.spread(index))
            let numbers =
              [point.x, point.y]
              + (series.spreads.isEmpty ? [] : [middle - spread, middle + spread])
            return numbers.map(Self.number).joined(separator: " ")
          },
        ] as [String: Any]
      },
    ]
  }

  /// Filled circle, square, triangles and diamond, then the same hollow, and crosses: told apart without
  /// colour.
  private static let pointTypes = [7, 5, 9, 11, 13, 6, 4, 8, 10, 12, 1, 2]

  /// The columns of the series' data and gnuplot's style for them.
  private func drawing(_ series: Series) -> String {
    switch series.shape {
    case .line: "1:2 with lines"
    case .points where !rows.isEmpty: "1:2:3:4 with xerrorbars"
    case .points: series.spreads.isEmpty ? "1:2 with points" : "1:2:3:4 with yerrorbars"
    case .lineWithPoints:
      series.spreads.isEmpty ? "1:2 with linespoints" : "1:2:3:4 with yerrorlines"
    case .bars: "1:2 with boxes"
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

extension Chart.Series {
  /// 0 where the runs' spread is not known.
  fileprivate func spread(_ point: Int) -> Double {
    spreads.indices.contains(point) && spreads[point].isFinite ? spreads[point] : 0
  }
}
