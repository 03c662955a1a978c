// The `scenes` data set: rendered rooms with targets for up to five tasks.

import Artifacts
import Scenes

/// The tasks that a rendered scene has ground truth for.
public enum SceneTask: String, Sendable, CaseIterable {
  case seg, sn, depth, keypoint, edge

  /// The weights bring the losses to a similar size, as the published settings do for Taskonomy.
  var description: DatasetTask {
    switch self {
    case .seg:
      DatasetTask(
        name: rawValue, kind: .segmentation, channels: SceneClass.allCases.count, lossWeight: 1,
        classNames: SceneClass.allCases.map(\.name))
    case .sn:
      DatasetTask(name: rawValue, kind: .normals, channels: 3, lossWeight: 3)
    case .depth:
      DatasetTask(
        name: rawValue, kind: .regression, channels: 1, lossWeight: 1, metrics: .depth)
    case .keypoint, .edge:
      DatasetTask(name: rawValue, kind: .regression, channels: 1, lossWeight: 7, metrics: .error)
    }
  }

  var storage: DatasetWriter.Storage {
    switch self {
    case .seg:
      .init(.uint8, TargetEncoding(fillValue: Double(RenderedScene.noClass)))
    case .sn:
      .normals()
    case .depth:
      .init(.uint16, TargetEncoding(fillValue: 0, scaleFactor: 1.0 / 5000, units: "m"))
    case .keypoint, .edge:
      .init(.uint16, TargetEncoding(fillValue: 65535, scaleFactor: 1.0 / 65534))
    }
  }

  func target(in scene: RenderedScene) -> TargetMap {
    let visible = scene.classes.map { $0 != RenderedScene.noClass }
    let everywhere = [Bool](repeating: true, count: scene.classes.count)
    return switch self {
    case .seg: TargetMap(values: scene.classes.map(Float.init), valid: visible)
    case .sn: TargetMap(values: scene.normals, valid: visible)
    case .depth: TargetMap(values: scene.depth, valid: visible)
    case .keypoint: TargetMap(values: scene.keypoint, valid: everywhere)
    case .edge: TargetMap(values: scene.edge, valid: everywhere)
    }
  }
}

/// What to render.
public struct SceneDatasetOptions: Sendable {
  public var counts: [(split: Split, count: Int)]
  public var size: PixelSize
  public var tasks: [SceneTask]
  public var seed: UInt64
  /// Images that are rendered at the same time.
  public var threads: Int

  public init(
    counts: [(split: Split, count: Int)], size: PixelSize, tasks: [SceneTask], seed: UInt64,
    threads: Int
  ) {
    self.counts = counts
    self.size = size
    self.tasks = tasks
    self.seed = seed
    self.threads = threads
  }
}

/// Renders a data set into a file; the same options give the same content whatever the number of
/// threads.
///
/// - Parameter progress: called with the number of images done and in all.
public func writeSceneDataset(
  _ options: SceneDatasetOptions, to path: String, provenance: Provenance,
  progress: (_ done: Int, _ total: Int) -> Void
) throws {
  let writer = try DatasetWriter(
    path, tasks: options.tasks.map(\.description), storage: options.tasks.map(\.storage),
    provenance: provenance)
  let renderer = SceneRenderer(
    width: options.size.width, height: options.size.height, seed: options.seed)
  let total = options.counts.reduce(0) { $0 + $1.count }
  // Scenes are numbered through all splits, so no scene is in two of them.
  var done = 0
  for (split, count) in options.counts where count > 0 {
    let packer = try writer.begin(
      split, count: count, height: options.size.height, width: options.size.width)
    let tasks = options.tasks
    let work = OrderedWork(
      done..<done + count, threads: options.threads, ahead: 4 * options.threads
    ) { index in
      let scene = renderer.render(index)
      return try packer.pack(
        Sample(
          height: scene.height, width: scene.width, image: scene.image,
          targets: tasks.map { $0.target(in: scene) }))
    }
    while let sample = try work.value() {
      try writer.append(sample)
      done += 1
      progress(done, total)
    }
  }
  try writer.finish()
}
