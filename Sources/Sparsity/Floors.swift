// Floors: every layer keeps some of its weights, whatever the tasks want. This needs every weight's
// exact rank within its layer.

/// Masks for each sparsity, and the weights that the floors keep, in network order.
///
/// Floors are laid after the arbiter, so a merged mask can have weights that no task's has.
func cutAboveFloors(
  _ network: PrunableNetwork, _ settings: MergeSettings, _ sparsities: [Double],
  scores: (_ task: Int) throws -> [Float]
) throws -> (masks: [MergedMasks], floors: [Bool]) {
  var critical = try mergedKeepRatios(network, settings, scores: scores)
  layFloors(settings.minimumLayerDensity, on: &critical, of: network)
  let cuts = sparsities.map { select(network.keptCount(atSparsity: $0), of: critical[...]) }
  var tasks = cuts.map { _ in [[UInt8]]() }
  for task in network.tasks.indices {
    let ratios = try criticalKeepRatios(
      of: scores(task), scopes: network.scopes(ofTask: task, settings.distribution))
    for (index, cut) in cuts.enumerated() {
      tasks[index].append(
        ratios.enumerated().map { weight, ratio in
          guard let threshold = cut.threshold, ratio <= threshold else { return 0 }
          return ratio < threshold
            ? 1 : cut.mask[network.place(ofWeight: weight, inTask: task)]
        })
    }
  }
  let masks = zip(cuts, tasks).map { cut, tasks in
    MergedMasks(
      network: network, merged: cut.mask, tasks: tasks, keepRatio: cut.threshold?.value ?? 0)
  }
  return (masks, critical.map { $0 == .always })
}

/// Every weight's exact critical keep ratio after the arbiter; `each` sees the tasks' own before it.
func mergedKeepRatios(
  _ network: PrunableNetwork, _ settings: MergeSettings,
  scores: (_ task: Int) throws -> [Float],
  each: ([KeepRatio]) -> Void = { _ in }
) throws -> [KeepRatio] {
  let votes = try settings.arbiter.requiredVotes(of: network.tasks.count)
  var ballot = Ballot(count: network.sharedCount, votes: votes)
  var heads: [KeepRatio] = []
  for task in network.tasks.indices {
    let critical = try criticalKeepRatios(
      of: scores(task), scopes: network.scopes(ofTask: task, settings.distribution))
    ballot.enter(0..<network.sharedCount) { critical[$0] }
    heads += critical[network.sharedCount...]
    each(critical)
  }
  return ballot.settled + heads
}

/// Lets every ratio keep the best weights of each layer, so many that none falls below a density.
private func layFloors(
  _ density: Double, on critical: inout [KeepRatio], of network: PrunableNetwork
) {
  var start = 0
  for layer in network.layers {
    let range = start..<start + layer.count
    start = range.upperBound
    let count = Int((density * Double(layer.count)).rounded(.up))
    for (index, kept) in zip(range, select(count, of: critical[range]).mask) where kept == 1 {
      critical[index] = .always
    }
  }
}

/// Keeps exactly `kept` weights, those with the smallest critical ratios, the first among equals; the
/// threshold is the largest ratio that is kept.
private func select(_ kept: Int, of critical: ArraySlice<KeepRatio>)
  -> (threshold: KeepRatio?, mask: [UInt8])
{
  guard kept > 0 else { return (nil, critical.map { _ in 0 }) }
  let threshold = KeepRatio(raw: smallest(kept, of: critical) { $0.raw })
  var ties = kept - critical.count { $0 < threshold }
  let mask = critical.map { ratio -> UInt8 in
    if ratio == threshold { ties -= 1 }
    return ratio < threshold || (ratio == threshold && ties >= 0) ? 1 : 0
  }
  return (threshold, mask)
}
