// From the tasks' scores to masks: each task's own, and the merged network's. Scores are looked at
// one task at a time.

/// Replaces an array by the scores of a task's network.
public typealias ScoreSupply = (_ task: Int, _ scores: inout [Float]) throws -> Void

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
/// - Parameter scores: replaces an array by the scores of a task's network, as
///   ``PrunableNetwork/layers(ofTask:)`` lays it out; called twice per task, so that one task's scores
///   are held at a time.
/// - Throws: ``SparsityError`` when counts do not fit the network, a target is out of range, a score
///   is negative or not finite, a task's scores are all 0, floors keep more than a sparsity leaves, or
///   the arbiter asks for more tasks than there are; and what `scores` throws.
public func merge(
  _ network: PrunableNetwork, _ settings: MergeSettings, targets: [KeepTarget],
  scores: ScoreSupply
) throws -> [MergedMasks] {
  for target in targets { try target.check() }
  try network.checkSize()
  try settings.arbiter.check(tasks: network.tasks.count)
  let sparsities = targets.compactMap(\.sparsity)
  func checked(_ task: Int, _ memory: inout [Float]) throws {
    try scores(task, &memory)
    try network.check(memory, ofTask: task)
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
    var tasks = network.emptyMasks
    try network.forTasks(checked) { task, scores in
      try selectTopK(
        scores, scopes: network.scopes(ofTask: task, settings.distribution),
        counts: network.counts(ofTask: task, settings.distribution, keeping: ratio),
        in: &tasks[task])
    }
    var merged = mergedMask(tasks, of: network, by: settings.arbiter)
    if !floors.isEmpty { merged = arbitrate([merged[...], floors[...]], votes: 1) }
    return MergedMasks(network: network, merged: merged, tasks: tasks, keepRatio: ratio)
  }
}

extension PrunableNetwork {
  /// Calls `body` with the scores of one task after the other, all in the same memory.
  func forTasks(_ scores: ScoreSupply, _ body: (_ task: Int, _ scores: [Float]) throws -> Void)
    rethrows
  {
    var memory: [Float] = []
    memory.reserveCapacity(tasks.indices.map(count(ofTask:)).max() ?? 0)
    for task in tasks.indices {
      try scores(task, &memory)
      try body(task, memory)
    }
  }

  /// A mask of 0 for each task's network. Masks that stay are set aside before the scores, so that these
  /// leave no gap in memory when they go.
  var emptyMasks: [[UInt8]] {
    tasks.indices.map { [UInt8](repeating: 0, count: count(ofTask: $0)) }
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
  func check(_ scores: [Float], ofTask task: Int) throws {
    guard scores.count == count(ofTask: task) else {
      throw SparsityError(
        "task \(tasks[task]): expected \(count(ofTask: task)) scores, found \(scores.count)")
    }
    guard scores.isEmpty || scores.contains(where: { $0 != 0 }) else {
      throw SparsityError("task \(tasks[task]): all scores are 0, so there is nothing to choose by")
    }
  }
}
