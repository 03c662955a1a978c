// The layers that tasks share, along the axis of a chart.

import Artifacts

/// The backbone's layers along an axis: the main path one after the other, projections above the
/// block that they go around.
struct BackbonePath {
  private let places: [Int: Double]
  private let groups: [LayerGroup]
  private let length: Int

  init(_ layers: LayerTable, _ tasks: [String]) {
    let path = layers.rows.indices.filter {
      layers.rows[$0].isBackbone && !layers.rows[$0].isProjection
    }
    var places = Dictionary(
      uniqueKeysWithValues: path.enumerated().map { ($0.element, Double($0.offset)) })
    groups = layers.groups(tasks).filter { group in
      group.rows.allSatisfy { places[$0] != nil }
    }
    for (row, layer) in layers.rows.enumerated() where layer.isProjection {
      // backbone.ds.2.0.weight goes around backbone.blocks.2.0.
      let stage = layer.name.split(separator: ".").dropFirst(2).first.map(String.init) ?? ""
      places[row] = layers.rows.firstIndex {
        $0.name.hasPrefix("backbone.blocks.\(stage).0.")
      }.flatMap { places[$0] }
    }
    self.places = places
    length = path.count
  }

  func place(ofRow row: Int) -> Double? { places[row] }

  func series(
    of layers: LayerTable, colour: Int, _ value: (LayerTable.Row) -> Double
  ) -> [Chart.Series] {
    let points = layers.rows.enumerated().compactMap { row, layer in
      places[row].map { (isBeside: layer.isProjection, point: ($0, value(layer))) }
    }
    return [
      Chart.Series(
        colour: colour, shape: .lineWithPoints,
        points: points.filter { !$0.isBeside }.map(\.point)),
      Chart.Series(
        colour: colour, shape: .points, points: points.filter(\.isBeside).map(\.point)),
    ].filter { !$0.points.isEmpty }
  }

  func chart(
    title: String, yLabel: String, yRange: ClosedRange<Double>, yFormat: String = "%g",
    series: [Chart.Series], marks: [Chart.Mark] = []
  ) -> Chart {
    func middle(_ group: LayerGroup) -> Double {
      let ends = [group.rows.lowerBound, group.rows.upperBound - 1].compactMap { places[$0] }
      return ends.reduce(0, +) / Double(max(ends.count, 1))
    }
    return Chart(
      title: title, yLabel: yLabel, series: series,
      tics: groups.filter { $0.fits(among: length) }.map { ($0.name, middle($0)) },
      separators: groups.dropFirst().compactMap { places[$0.rows.lowerBound] }.map { $0 - 0.5 },
      marks: marks, xRange: -0.5...Double(max(length, 1)) - 0.5, yRange: yRange, yFormat: yFormat,
      isWide: true)
  }
}
