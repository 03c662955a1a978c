// Where a network's weights come from: a model file, or a seed.

import Artifacts
import Graphs
import Networks
import Sparsity
import Torch

/// A network ready to be scored or trained, with what files record about it.
public struct StartingPoint {
  public let network: Network
  /// The architecture's JSON.
  public let architecture: String
  /// ``ContentDigest/ofParameters(_:)`` of its weights, before a split.
  public let modelDigest: String
  /// Training steps behind it.
  public let step: Int
  /// Masks that came with the model.
  public let masks: [Mask]
  /// How the tasks chose those masks, where the model's file tells.
  public let layers: LayerTable?

  private init(_ network: Network, step: Int, masks: [Mask], layers: LayerTable? = nil) throws {
    self.network = network
    architecture = network.architecture.json
    nonisolated(unsafe) let weights = network.weights
    modelDigest = try ContentDigest.ofParameters(weights.count) { try NamedArray(weights[$0]) }
    self.step = step
    self.masks = masks
    self.layers = layers
  }

  /// The weights of a network in another one, where some of them come several times.
  ///
  /// - Parameter originals: of the other network's parameters and buffers, the names in this one; those
  ///   that are not there have the same name.
  private init(
    _ start: StartingPoint, in architecture: Architecture, originals: [String: String]
  ) throws {
    func copies(_ names: [String], of tensors: [(name: String, tensor: Tensor)]) throws
      -> [String: Tensor]
    {
      let byName = Dictionary(uniqueKeysWithValues: tensors.map { ($0.name, $0.tensor) })
      return try names.reduce(into: [:]) { copies, name in
        guard let tensor = byName[originals[name] ?? name] else { return }
        let copy = try Tensor.zeros(like: tensor)
        try copy.assign(tensor)
        copies[name] = copy
      }
    }
    let old = start.network
    network = try withoutGradients {
      try Network(
        architecture,
        parameters: copies(
          architecture.graph.parameters.map(\.name), of: old.weights.map { ($0.name, $0.values) }),
        buffers: copies(architecture.graph.buffers.map(\.name), of: old.buffers), on: old.device)
    }
    self.architecture = architecture.json
    modelDigest = start.modelDigest
    step = start.step
    masks = []
    layers = nil
  }

  /// The same weights in the network that masks are for, where that is this one split: each copy begins
  /// with the original's weights.
  public func split(for masks: MasksFile) throws -> StartingPoint {
    guard let split = try Architecture.of(masks).settings as? SplitNetwork,
      try Architecture(split.original).hasSameParameters(as: network.architecture)
    else { return self }
    let own = SplitNetwork(network.architecture.settings, at: split.layer)
    return try StartingPoint(
      self, in: Architecture(own), originals: own.split().originals)
  }

  /// The weights of a model.h5.
  ///
  /// - Parameter dropout: overrides the model's probability.
  public static func loading(_ file: ModelFile, dropout: Double?, on device: Device) throws
    -> StartingPoint
  {
    try StartingPoint(
      try Network(file, dropout: dropout, on: device), step: file.model.step,
      masks: file.model.masks, layers: file.reader.readLayersIfAny())
  }

  /// Initial weights drawn from a seed.
  public static func drawing(_ architecture: Architecture, seed: UInt64, on device: Device) throws
    -> StartingPoint
  {
    try StartingPoint(
      try Network(architecture, seed: seed, on: device), step: 0, masks: [])
  }

  /// The initial weights that masks or scores were made for: drawn again from the seed they carry.
  ///
  /// - Throws: ``ArtifactError`` when that does not give the recorded weights, as when they came
  ///   from a model file.
  public static func redrawing(for masks: MasksFile, dropout: Double?, on device: Device) throws
    -> StartingPoint
  {
    guard let seed = masks.header.seed else {
      throw masks.reader.error(
        "/@seed", "missing, so the weights cannot be drawn again; give --model")
    }
    let architecture = try Architecture.of(masks).with(dropout: dropout)
    // Before the weights are made, since a damaged file may claim a network of any size.
    try architecture.check(masks)
    let original = try (architecture.settings as? SplitNetwork).map {
      try Architecture($0.original)
    }
    let start = try drawing(original ?? architecture, seed: seed, on: device)
    guard start.modelDigest == masks.header.modelDigest else {
      throw masks.reader.error(
        "/@model_sha256", "made for weights that seed \(seed) does not give; give their --model")
    }
    return try start.split(for: masks)
  }

  /// Refuses masks that do not belong to these weights.
  ///
  /// - Parameter allowingOtherWeights: accept masks made for other weights of this architecture.
  /// - Throws: ``ArtifactError`` naming what differs.
  public func check(_ masks: MasksFile, allowingOtherWeights: Bool) throws {
    guard try Architecture.of(masks).hasSameParameters(as: network.architecture) else {
      throw masks.reader.error("/@architecture", "made for another architecture than the model's")
    }
    try network.architecture.check(masks)
    guard allowingOtherWeights || masks.header.modelDigest == modelDigest else {
      throw masks.reader.error(
        "/@model_sha256",
        "made for other weights than the model's (--allow-other-weights accepts them)")
    }
  }
}

extension Architecture {
  /// - Throws: ``ArtifactError`` when masks are missing, misshaped, or of no prunable weight.
  func check(_ masks: MasksFile) throws {
    let found = Set(masks.masks.map(\.name))
    if let missing = graph.prunable.map(\.name).sorted().first(where: { !found.contains($0) }) {
      throw masks.reader.error("/masks/\(missing)", "missing dataset")
    }
    try masks.reader.checkMasks(masks.masks, of: graph)
  }

  /// The architecture that masks record.
  static func of(_ masks: MasksFile) throws -> Architecture {
    try Architecture(json: masks.header.architecture, in: masks.reader)
  }
}

/// Random masks over the Erdős–Rényi kernel's densities: what dynamic training starts from.
///
/// - Parameter sparsity: the share of the prunable weights that goes, in [0, 1).
public func randomMasks(of network: Network, sparsity: Double, seed: UInt64) throws -> [Mask] {
  let prunable = prunableNetwork(of: network.graph).joint
  let scores = try scoreImportance(
    of: network, settings: ScoringSettings(criterion: .random, joint: true, batches: 0, seed: seed))
  let merged = try merge(
    prunable, MergeSettings(distribution: .erk), targets: [.sparsity(sparsity)]
  ) { $1 = try scores[$0].scores.flatMap(\.values) }
  return merged.flatMap { masks in
    slices(masks.merged, by: prunable.layers).map {
      Mask($0.layer.name, shape: $0.layer.shape, Array($0.values))
    }
  }
}
