// Agreement of the tasks: which backbone layers they want the same weights of (paper, section 4.4).

/// How one layer came out.
public struct LayerSummary: Sendable {
  public let layer: PrunableLayer
  public let kept: Int
  /// Share of weights kept by each task; NaN for a task whose network lacks the layer.
  public let taskDensities: [Double]
  /// Weights that all tasks keep over weights that any keeps; NaN outside the backbone, where no
  /// task keeps any, and where there is only one task.
  public let iou: Double

  public var density: Double { Double(kept) / Double(layer.count) }
}

public struct Agreement: Sendable {
  /// In network order.
  public let layers: [LayerSummary]
  /// Intersection over union of the tasks' masks over the whole backbone.
  public let totalIoU: Double
  /// The backbone layer where IoU falls most from the layer before it on the main path: the layers
  /// from there on are the candidates for splitting the network. Nil when it falls nowhere.
  public let watershed: PrunableLayer?

  public init(of masks: MergedMasks) {
    let network = masks.network
    var intersections = 0
    var unions = 0
    var offset = 0
    var layers: [LayerSummary] = []
    for layer in network.layers {
      let range = offset..<offset + layer.count
      offset = range.upperBound
      let tasks = network.tasks.indices.map { task -> ArraySlice<UInt8>? in
        switch layer.task {
        case nil: masks.tasks[task][range]
        case task:
          masks.tasks[task][
            (range.lowerBound - network.heads[task].lowerBound + network.sharedCount)...
          ]
          .prefix(layer.count)
        default: nil
        }
      }
      var iou = Double.nan
      if layer.task == nil, network.tasks.count > 1 {
        let votes = range.map { weight in masks.tasks.reduce(0) { $0 + Int($1[weight]) } }
        let all = votes.count { $0 == network.tasks.count }
        let any = votes.count { $0 > 0 }
        intersections += all
        unions += any
        iou = Double(all) / Double(any)
      }
      layers.append(
        LayerSummary(
          layer: layer, kept: masks.merged[range].reduce(0) { $0 + Int($1) },
          taskDensities: tasks.map { mask in
            mask.map { Double($0.reduce(0) { $0 + Int($1) }) / Double(layer.count) } ?? .nan
          },
          iou: iou))
    }
    self.layers = layers
    totalIoU = Double(intersections) / Double(unions)
    watershed = Agreement.steepestFall(
      layers.filter { $0.layer.task == nil && !$0.layer.isProjection && !$0.iou.isNaN })
  }

  private static func steepestFall(_ path: [LayerSummary]) -> PrunableLayer? {
    let falls = zip(path, path.dropFirst()).map { ($1.layer, $0.iou - $1.iou) }
    return falls.filter { $0.1 > 0 }.max { $0.1 < $1.1 }?.0
  }
}
