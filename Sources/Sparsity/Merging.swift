// From the tasks' scores to masks: each task's own, and the merged network's. Scores are looked at
// one task at a time.

/// How much of the network stays.
public enum KeepTarget: Equatable, Sendable {
  /// Every task keeps this share of its own network, in (0, 1]; what the merged network comes out
  /// at follows from how far the tasks agree (the published way).
  case keepRatio(Double)
  /// This share of the merged network's weights goes, in [0, 1), exact to the weight.
  case sparsity(Double)
}

/// Masks in network order, 1 = kept.
public struct MergedMasks: Sendable {
  public let network: PrunableNetwork
  /// Over the whole network.
  public let merged: [UInt8]
  /// Per task over its own network, before the arbiter.
  public let tasks: [[UInt8]]
  /// The keep ratio that gives these masks.
  public let keepRatio: Double
  public let kept: Int

  init(network: PrunableNetwork, merged: [UInt8], tasks: [[UInt8]], keepRatio: Double) {
    self.network = network
    self.merged = merged
    self.tasks = tasks
    self.keepRatio = keepRatio
    kept = keptCount(merged)
  }

  /// The share of pruned weights among all prunable weights.
  public var sparsity: Double { 1 - Double(kept) / Double(network.count) }

  /// Layers that lost all their weights: whatever follows them sees nothing.
  public var deadLayers: [PrunableLayer] {
    slices(merged, by: network.layers).filter { keptCount($0.values) == 0 }.map(\.layer)
  }
}

/// How tasks' rankings become one mask.
public struct MergeSettings: Sendable {
  public var arbiter: Arbiter
  public var distribution: Distribution
  /// Every layer keeps at least this share of its weights, in 0...1, whatever its scores.
  public var minimumLayerDensity: Double

  public init(
    arbiter: Arbiter = .union, distribution: Distribution = .global, minimumLayerDensity: Double = 0
  ) {
    self.arbiter = arbiter
    self.distribution = distribution
    self.minimumLayerDensity = minimumLayerDensity
  }
}

/// Lets every task choose among its weights and the arbiter decide about the shared ones, once for each
/// target. The weights are ranked once for all targets, by bucket; beside a target's cut exactly. The
/// masks are those of ``disparse(_:of:arbiter:distribution:target:)``, where the method reads plainly.
///
/// - Parameter scores: the scores of a task's network, as ``PrunableNetwork/layers(ofTask:)`` lays it
///   out; called twice per task, so that one task's scores are held at a time.
/// - Throws: ``SparsityError`` when counts do not fit the network, a target is out of range, a score
///   is negative or not finite, a task's scores are all 0, floors keep more than a sparsity leaves, or
///   the arbiter asks for more tasks than there are; and what `scores` throws.
public func merge(
  _ network: PrunableNetwork, _ settings: MergeSettings, targets: [KeepTarget],
  scores: (_ task: Int) throws -> [Float]
) throws -> [MergedMasks] {
  for target in targets { try target.check() }
  try network.checkSize()
  try settings.arbiter.check(tasks: network.tasks.count)
  let sparsities = targets.compactMap(\.sparsity)
  func checked(_ task: Int) throws -> [Float] {
    try network.checked(scores(task), ofTask: task)
  }
  var cuts: [MergedMasks] = []
  var floors: [UInt8] = []
  if settings.minimumLayerDensity > 0 {
    (cuts, floors) = try cutAboveFloors(network, settings, sparsities, scores: checked)
  } else if !sparsities.isEmpty {
    cuts = try cut(network, settings, sparsities, scores: checked)
  }
  return try targets.map { target in
    guard case .keepRatio(let ratio) = target else { return cuts.removeFirst() }
    let tasks = try network.tasks.indices.map { task in
      try selectTopK(
        checked(task), scopes: network.scopes(ofTask: task, settings.distribution),
        counts: network.counts(ofTask: task, settings.distribution, keeping: ratio))
    }
    var merged = mergedMask(tasks, of: network, by: settings.arbiter)
    if !floors.isEmpty { merged = arbitrate([merged[...], floors[...]], votes: 1) }
    return MergedMasks(network: network, merged: merged, tasks: tasks, keepRatio: ratio)
  }
}

extension KeepTarget: CustomStringConvertible {
  public var description: String {
    switch self {
    case .keepRatio(let ratio): "keep ratio \(ratio)"
    case .sparsity(let sparsity): "sparsity \(sparsity)"
    }
  }

  var sparsity: Double? {
    if case .sparsity(let sparsity) = self { sparsity } else { nil }
  }

  func check() throws {
    switch self {
    case .keepRatio(let ratio):
      guard ratio > 0, ratio <= 1 else {
        throw SparsityError("keep ratio \(ratio) is not in (0, 1]")
      }
    case .sparsity(let sparsity):
      guard sparsity >= 0, sparsity < 1 else {
        throw SparsityError("sparsity \(sparsity) is not in [0, 1)")
      }
    }
  }
}

extension PrunableNetwork {
  /// The number of weights that stay at a sparsity, to the nearest weight.
  func keptCount(atSparsity sparsity: Double) -> Int {
    count - Int((sparsity * Double(count)).rounded())
  }

  /// - Throws: ``SparsityError`` when a task has too many weights for their ranks to stay distinct.
  func checkSize() throws {
    guard let largest = tasks.indices.map(count(ofTask:)).max(), largest > Int(UInt32.max) else {
      return
    }
    throw SparsityError("\(largest) weights of a task are more than can be ranked (\(UInt32.max))")
  }

  /// - Throws: ``SparsityError`` when the scores are too many or too few for a task's network, or all 0:
  ///   such a ranking would be the weights' order in the file.
  func checked(_ scores: [Float], ofTask task: Int) throws -> [Float] {
    guard scores.count == count(ofTask: task) else {
      throw SparsityError(
        "task \(tasks[task]): expected \(count(ofTask: task)) scores, found \(scores.count)")
    }
    guard scores.isEmpty || scores.contains(where: { $0 != 0 }) else {
      throw SparsityError("task \(tasks[task]): all scores are 0, so there is nothing to choose by")
    }
    return scores
  }
}
