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
  /// The share that each task keeps of its network.
  public let keepRatio: Double

  public var kept: Int { merged.reduce(0) { $0 + Int($1) } }
  /// The share of pruned weights among all prunable weights.
  public var sparsity: Double { 1 - Double(kept) / Double(network.count) }

  /// Layers that lost all their weights: whatever follows them sees nothing.
  public var deadLayers: [PrunableLayer] {
    slices(merged, by: network.layers).filter { !$0.values.contains(1) }.map(\.layer)
  }
}

/// How tasks' wishes become one mask.
public struct MergeSettings: Sendable {
  public var arbiter: Arbiter
  public var distribution: Distribution
  /// Every layer keeps at least this share of its weights, in 0...1, whatever the tasks want.
  public var minimumLayerDensity: Double

  public init(
    arbiter: Arbiter = .union, distribution: Distribution = .global, minimumLayerDensity: Double = 0
  ) {
    self.arbiter = arbiter
    self.distribution = distribution
    self.minimumLayerDensity = minimumLayerDensity
  }
}

/// Lets every task choose among its weights and the arbiter settle the shared ones, once for each
/// target; the weights are ranked once for all of them.
///
/// - Parameter scores: the scores of a task's network, as ``PrunableNetwork/layers(ofTask:)`` lays it
///   out; called twice per task, so that one task's scores are held at a time.
/// - Throws: ``SparsityError`` when counts do not fit the network, a target is out of range or the
///   arbiter asks for more tasks than there are; and what `scores` throws.
public func merge(
  _ network: PrunableNetwork, _ settings: MergeSettings, targets: [KeepTarget],
  scores: (_ task: Int) throws -> [Float]
) throws -> [MergedMasks] {
  for target in targets { try target.check() }
  let scopes = network.tasks.indices.map { network.scopes(ofTask: $0, settings.distribution) }
  var ballot = try Ballot(network, settings.arbiter)
  if targets.contains(where: \.needsRanking) || settings.minimumLayerDensity > 0 {
    for task in network.tasks.indices {
      ballot.add(
        try criticalKeepRatios(
          of: network.checked(scores(task), ofTask: task), scopes: scopes[task]), task)
    }
  }
  let critical = ballot.withLayerFloors(settings.minimumLayerDensity)
  var results = targets.map { target -> (cut: KeepRatio?, merged: [UInt8], tasks: [[UInt8]]) in
    guard case .sparsity(let sparsity) = target else { return (nil, [], []) }
    let kept = network.count - Int((sparsity * Double(network.count)).rounded())
    let (cut, mask) = select(kept, of: critical)
    return (cut, mask, [])
  }
  for task in network.tasks.indices {
    let scores = try network.checked(scores(task), ofTask: task)
    for (index, target) in targets.enumerated() {
      let mask: [UInt8]
      switch target {
      case .keepRatio(let ratio):
        mask = try selectTopK(scores, scopes: scopes[task]) { $0.count(keeping: ratio) }
      case .sparsity:
        mask = taskMask(scores, scopes[task], results[index].cut) { weight in
          results[index].merged[network.place(ofWeight: weight, inTask: task)]
        }
      }
      results[index].tasks.append(mask)
    }
  }
  return zip(targets, results).map { target, result in
    switch target {
    case .sparsity:
      return MergedMasks(
        network: network, merged: result.merged, tasks: result.tasks,
        keepRatio: result.cut?.value ?? 0)
    case .keepRatio(let ratio):
      var merged = arbitrate(
        result.tasks.map { $0[..<network.sharedCount] }, votes: ballot.votes)
      for mask in result.tasks { merged += mask[network.sharedCount...] }
      if settings.minimumLayerDensity > 0 {
        for (index, ratio) in critical.enumerated() where ratio == .always { merged[index] = 1 }
      }
      return MergedMasks(network: network, merged: merged, tasks: result.tasks, keepRatio: ratio)
    }
  }
}

extension KeepTarget {
  var needsRanking: Bool {
    if case .sparsity = self { true } else { false }
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
  /// - Throws: ``SparsityError`` when the scores are too many or too few for a task's network.
  func checked(_ scores: [Float], ofTask task: Int) throws -> [Float] {
    guard scores.count == count(ofTask: task) else {
      throw SparsityError(
        "task \(tasks[task]): expected \(count(ofTask: task)) scores, found \(scores.count)")
    }
    return scores
  }

  /// Where a weight of a task's network lies among all weights.
  func place(ofWeight weight: Int, inTask task: Int) -> Int {
    weight < sharedCount ? weight : weight - sharedCount + heads[task].lowerBound
  }
}

/// The votes of the tasks on every weight of the merged network.
struct Ballot {
  private let network: PrunableNetwork
  /// Of each shared weight the smallest critical keep ratios so far, ascending: the n-th is the
  /// ratio from which on n tasks want it. No more than there are votes needed.
  private var shared: [[KeepRatio]] = []
  private var heads: [[KeepRatio]]
  /// The number of tasks that must want a shared weight.
  let votes: Int

  init(_ network: PrunableNetwork, _ arbiter: Arbiter) throws {
    self.network = network
    votes = try arbiter.requiredVotes(of: network.tasks.count)
    heads = network.tasks.map { _ in [] }
  }

  mutating func add(_ critical: [KeepRatio], _ task: Int) {
    heads[task] = Array(critical[network.sharedCount...])
    if shared.count < votes {
      shared.append([KeepRatio](repeating: .never, count: network.sharedCount))
    }
    // Insertion into each weight's ascending list; what falls off its end no longer matters.
    var entering = Array(critical[..<network.sharedCount])
    for place in shared.indices {
      for weight in entering.indices where entering[weight] < shared[place][weight] {
        swap(&entering[weight], &shared[place][weight])
      }
    }
  }

  /// The critical keep ratios of the merged network: an arbiter over masks {critical ≤ r} is an
  /// order statistic over critical ratios.
  var merged: [KeepRatio] {
    (shared.last ?? []) + heads.flatMap { $0 }
  }

  /// The same with the best weights of each layer kept at every ratio, so many that no layer falls
  /// below a density.
  func withLayerFloors(_ density: Double) -> [KeepRatio] {
    var critical = merged
    guard density > 0, !critical.isEmpty else { return critical }
    var start = 0
    for layer in network.layers {
      let range = start..<start + layer.count
      start = range.upperBound
      let count = Int((density * Double(layer.count)).rounded(.up))
      let threshold = smallest(count) { body in for index in range { body(critical[index].raw) } }
      var ties = count - range.count { critical[$0].raw < threshold }
      for index in range where critical[index].raw <= threshold {
        if critical[index].raw == threshold {
          ties -= 1
          if ties < 0 { continue }
        }
        critical[index] = .always
      }
    }
    return critical
  }
}

extension KeepRatio {
  /// Of weights that every ratio keeps.
  static let always = KeepRatio(raw: 0)
  /// Of weights that only the ratio 1 keeps.
  static let never = KeepRatio(raw: .max)
}

/// Keeps exactly `kept` weights, those with the smallest critical ratios; among equals at the cut
/// the first in network order. The cut is the largest critical ratio that is kept.
private func select(_ kept: Int, of critical: [KeepRatio]) -> (KeepRatio?, [UInt8]) {
  guard kept > 0 else { return (nil, critical.map { _ in 0 }) }
  let threshold = smallest(kept) { body in for ratio in critical { body(ratio.raw) } }
  var ties = kept - critical.count { $0.raw < threshold }
  let mask = critical.map { ratio -> UInt8 in
    if ratio.raw == threshold {
      ties -= 1
      return ties >= 0 ? 1 : 0
    }
    return ratio.raw < threshold ? 1 : 0
  }
  return (KeepRatio(raw: threshold), mask)
}

/// What one task keeps where the merged network is cut. Of a tie at the cut it keeps what the merged
/// network keeps, so that the arbiter over the tasks' masks gives the merged mask.
private func taskMask(
  _ scores: [Float], _ scopes: [RankingScope], _ cut: KeepRatio?, ties: (Int) -> UInt8
) -> [UInt8] {
  var mask = [UInt8](repeating: 0, count: scores.count)
  guard let cut else { return mask }
  for scope in scopes {
    func threshold(_ rank: Int) -> Float {
      rank > 0 ? largest(rank, of: scores[scope.range]) : .infinity
    }
    let below = cut.raw > 0 ? scope.rank(at: KeepRatio(raw: cut.raw - 1)) : 0
    let keeps = threshold(below)
    let splits = threshold(scope.rank(at: cut))
    for index in scope.range where scores[index] >= splits {
      mask[index] = scores[index] >= keeps ? 1 : ties(index)
    }
  }
  return mask
}
