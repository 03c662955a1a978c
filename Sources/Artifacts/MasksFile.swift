// masks.h5: which weights stay.

import HDF5

/// How masks came about.
public struct MasksHeader: Sendable, Equatable {
  public let arbiter: String
  public let distribution: String
  /// What was asked for; nil when the keep ratio was.
  public let sparsityTarget: Double?
  /// The share of pruned weights that came out.
  public let sparsity: Double
  /// The share that each task keeps of its own network.
  public let keepRatio: Double
  /// JSON of the network.
  public let architecture: String
  /// The weights that the masks were made for.
  public let modelDigest: String
  /// The seed of those weights, when the scoring tool drew them.
  public let seed: UInt64?
  /// The layer at which the tasks part; nil where the network is the one that was scored. The weights
  /// and the seed are those of the network before the split.
  public let splitAt: String?

  public init(
    arbiter: String, distribution: String, sparsityTarget: Double?, sparsity: Double,
    keepRatio: Double, architecture: String, modelDigest: String, seed: UInt64?,
    splitAt: String? = nil
  ) {
    self.arbiter = arbiter
    self.distribution = distribution
    self.sparsityTarget = sparsityTarget
    self.sparsity = sparsity
    self.keepRatio = keepRatio
    self.architecture = architecture
    self.modelDigest = modelDigest
    self.seed = seed
    self.splitAt = splitAt
  }
}

/// A layer's mask as part of a whole network's: 1 = kept, in the parameter's shape.
public struct MaskSlice: Sendable {
  public let name: String
  public let shape: [Int]
  public let values: ArraySlice<UInt8>

  public init(name: String, shape: [Int], values: ArraySlice<UInt8>) {
    self.name = name
    self.shape = shape
    self.values = values
  }

  public init(_ mask: Mask) {
    self.init(name: mask.name, shape: mask.shape, values: mask.values[...])
  }
}

public final class MasksFile: Sendable {
  public let reader: ArtifactReader
  public let header: MasksHeader
  public let masks: [Mask]

  public init(opening path: String) throws {
    reader = try ArtifactReader(opening: path, as: .masks)
    let root = reader.root
    let seed: Int? = root.hasAttribute("seed") ? try root.attribute("seed") : nil
    header = MasksHeader(
      arbiter: try root.attribute("arbiter"), distribution: try root.attribute("distribution"),
      sparsityTarget: root.hasAttribute("sparsity_target")
        ? try root.attribute("sparsity_target") : nil,
      sparsity: try root.attribute("sparsity"), keepRatio: try root.attribute("keep_ratio"),
      architecture: try reader.architecture(),
      modelDigest: try root.attribute("model_sha256"), seed: seed.map { UInt64(clamping: $0) },
      splitAt: root.hasAttribute("split_at") ? try root.attribute("split_at") : nil)
    masks = try reader.readMasks("masks")
  }

  /// Writes the whole file.
  ///
  /// - Parameter taskMasks: per task, its masks before the arbiter.
  public static func write(
    _ path: String, _ header: MasksHeader, masks: [MaskSlice],
    taskMasks: [(task: String, masks: [MaskSlice])], layers: LayerTable, provenance: Provenance
  ) throws {
    let writer = try ArtifactWriter(path, kind: .masks, provenance: provenance)
    let root = writer.root
    try root.setAttribute("arbiter", header.arbiter)
    try root.setAttribute("distribution", header.distribution)
    if let target = header.sparsityTarget { try root.setAttribute("sparsity_target", target) }
    try root.setAttribute("sparsity", header.sparsity)
    try root.setAttribute("keep_ratio", header.keepRatio)
    if let layer = header.splitAt { try root.setAttribute("split_at", layer) }
    try writer.write(architecture: header.architecture)
    try root.setAttribute("model_sha256", header.modelDigest)
    _ = try root.createGroup("masks")
    _ = try root.createGroup("task_masks")
    for (task, _) in taskMasks { _ = try root.createGroup("task_masks/" + task) }
    try writer.write(masks, in: "masks")
    for (task, masks) in taskMasks { try writer.write(masks, in: "task_masks/" + task) }
    try writer.write(layers)
    try writer.finish()
  }
}

extension ArtifactWriter {
  func write(_ masks: [MaskSlice], in group: String, _ compression: Compression = .fast) throws {
    // In the order they are read back in, so that a file read and written again has the same bytes; a
    // layer at a time, so that no mask of the whole network is copied.
    for mask in masks.sorted(by: { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }) {
      try write("\(group)/\(mask.name)", Array(mask.values), shape: mask.shape, compression)
    }
  }
}
