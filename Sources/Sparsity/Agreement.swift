// Agreement of the tasks: which backbone layers they want the same weights of (paper, section 4.4).

import Torch

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

  /// The share of its own network that each task keeps.
  public let taskShares: [Double]

  public init(of masks: MergedMasks) {
    let network = masks.network
    var shared = Overlap(of: [])
    var kept = network.tasks.map { _ in 0 }
    var offset = 0
    var layers: [LayerSummary] = []
    for layer in network.layers {
      let range = offset..<offset + layer.count
      offset = range.upperBound
      let owners = layer.task.map { [$0] } ?? Array(network.tasks.indices)
      let overlap = Overlap(
        of: owners.map { task in
          let start =
            range.lowerBound
            - (layer.task == nil ? 0 : network.heads[task].lowerBound - network.sharedCount)
          return masks.tasks[task][start..<start + layer.count]
        })
      var densities = network.tasks.map { _ in Double.nan }
      for (task, count) in zip(owners, overlap.kept) {
        densities[task] = Double(count) / Double(layer.count)
        kept[task] += count
      }
      let isShared = layer.task == nil && network.tasks.count > 1
      if isShared {
        shared.all += overlap.all
        shared.any += overlap.any
      }
      layers.append(
        LayerSummary(
          layer: layer, kept: keptCount(masks.merged[range]), taskDensities: densities,
          iou: isShared ? overlap.iou : .nan))
    }
    self.layers = layers
    totalIoU = shared.iou
    taskShares = kept.enumerated().map { Double($1) / Double(network.count(ofTask: $0)) }
    watershed = Agreement.steepestFall(
      layers.filter { $0.layer.task == nil && !$0.layer.isProjection && !$0.iou.isNaN })
  }

  private static func steepestFall(_ path: [LayerSummary]) -> PrunableLayer? {
    let falls = zip(path, path.dropFirst()).map { ($1.layer, $0.iou - $1.iou) }
    return falls.filter { $0.1 > 0 }.max { $0.1 < $1.1 }?.0
  }
}

/// What masks over the same weights have in common.
struct Overlap {
  /// Weights that each keeps.
  private(set) var kept: [Int]
  /// Weights that all keep.
  var all = 0
  /// Weights that any keeps.
  var any = 0

  var iou: Double { Double(all) / Double(any) }

  init(of masks: [ArraySlice<UInt8>]) {
    kept = masks.map { _ in 0 }
    guard let count = masks.first?.count else { return }
    let words = count / 8
    let parts = withMemory(of: masks) { masks in
      nonisolated(unsafe) let masks = masks.map { UnsafeRawBufferPointer($0) }
      return inParallel(0..<words) { Overlap(of: masks, words: $0) }
    }
    for part in parts {
      all += part.all
      any += part.any
      for mask in masks.indices { kept[mask] += part.kept[mask] }
    }
    for index in 8 * words..<count {
      let keeping = masks.indices.filter { masks[$0][masks[$0].startIndex + index] == 1 }
      for mask in keeping { kept[mask] += 1 }
      all += keeping.count == masks.count ? 1 : 0
      any += keeping.isEmpty ? 0 : 1
    }
  }

  /// Eight weights at a time, block by block, so that each mask is read once.
  private init(of masks: [UnsafeRawBufferPointer], words: Range<Int>) {
    kept = masks.map { _ in 0 }
    let block = 512
    withUnsafeTemporaryAllocation(of: UInt64.self, capacity: 2 * block) { memory in
      for start in stride(from: words.lowerBound, to: words.upperBound, by: block) {
        let size = min(block, words.upperBound - start)
        let every = UnsafeMutableBufferPointer(rebasing: memory[..<size])
        let some = UnsafeMutableBufferPointer(rebasing: memory[block..<block + size])
        every.initialize(repeating: .max)
        some.initialize(repeating: 0)
        for (index, mask) in masks.enumerated() {
          var count = 0
          for word in 0..<size {
            let bytes = mask.loadUnaligned(fromByteOffset: 8 * (start + word), as: UInt64.self)
            count &+= ones(bytes)
            every[word] &= bytes
            some[word] |= bytes
          }
          kept[index] += count
        }
        for word in 0..<size {
          all &+= ones(every[word])
          any &+= ones(some[word])
        }
      }
    }
  }
}
