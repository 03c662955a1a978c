// Agreement of the tasks: which shared layers they want the same weights of (paper, section 4.4).

/// How one layer came out.
public struct LayerSummary: Sendable {
  public let layer: PrunableLayer
  public let kept: Int
  /// Share of weights kept by each task; NaN for a task that does not own the layer.
  public let taskDensities: [Double]
  /// Weights that all owners keep over weights that any keeps; NaN where no owner keeps any, and where
  /// there is only one owner.
  public let iou: Double

  public var density: Double { Double(kept) / Double(layer.count) }
}

public struct Agreement: Sendable {
  /// In network order.
  public let layers: [LayerSummary]
  /// Weights that all their owners keep over weights that any keeps, among all shared weights.
  public let totalIoU: Double
  /// The shared layer where IoU falls most from the shared layer before it on the main path: the layers
  /// from there on are the candidates for splitting the network. Nil when it falls nowhere.
  public let watershed: PrunableLayer?

  /// The share of its own network that each task keeps.
  public let taskShares: [Double]

  public init(of masks: MergedMasks) {
    let network = masks.network
    var (all, any) = (0, 0)
    var kept = network.tasks.map { _ in 0 }
    // Where the layer starts in each task's network.
    var starts = network.tasks.map { _ in 0 }
    layers = slices(masks.merged, by: network.layers).map { layer, merged in
      let overlap = Overlap(
        of: layer.owners.map { masks.tasks[$0][starts[$0]..<starts[$0] + layer.count] })
      var densities = network.tasks.map { _ in Double.nan }
      for (task, count) in zip(layer.owners, overlap.kept) {
        densities[task] = Double(count) / Double(layer.count)
        kept[task] += count
        starts[task] += layer.count
      }
      if layer.isShared {
        all += overlap.all
        any += overlap.any
      }
      return LayerSummary(
        layer: layer, kept: keptCount(merged), taskDensities: densities,
        iou: layer.isShared ? Double(overlap.all) / Double(overlap.any) : .nan)
    }
    totalIoU = Double(all) / Double(any)
    taskShares = kept.enumerated().map { Double($1) / Double(network.count(ofTask: $0)) }
    watershed = Agreement.steepestFall(
      layers.filter { $0.layer.isShared && $0.layer.isOnMainPath && !$0.iou.isNaN })
  }

  private static func steepestFall(_ path: [LayerSummary]) -> PrunableLayer? {
    let falls = zip(path, path.dropFirst()).map { ($1.layer, $0.iou - $1.iou) }
    return falls.filter { $0.1 > 0 }.max { $0.1 < $1.1 }?.0
  }
}
