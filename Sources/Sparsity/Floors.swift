// Floors: every layer keeps some of its weights, whatever the tasks want. This needs every weight's
// exact rank within its layer.

/// Masks for each sparsity, and the weights that the floors keep, in network order.
///
/// Floors are laid after the arbiter, so a merged mask can have weights that no task's has.
func cutAboveFloors(
  _ network: PrunableNetwork, _ settings: MergeSettings, _ sparsities: [Double],
  scores: (_ task: Int) throws -> [Float]
) throws -> (masks: [MergedMasks], floors: [Bool]) {
  let critical = layFloors(
    settings.minimumLayerDensity, on: try mergedKeepRatios(network, settings, scores: scores),
    of: network)
  // The critical ratios that stay are the smallest.
  let cuts = sparsities.map { sparsity in
    let kept = network.keptCount(atSparsity: sparsity)
    return critical[...].withKeys { select(kept, of: $0) }
  }
  var tasks = cuts.map { _ in [[UInt8]]() }
  for task in network.tasks.indices {
    let ratios = try criticalKeepRatios(
      of: scores(task), scopes: network.scopes(ofTask: task, settings.distribution))
    for (index, cut) in cuts.enumerated() {
      tasks[index].append(
        ratios.enumerated().map { weight, ratio in
          guard let threshold = cut.threshold, ratio.raw <= threshold else { return 0 }
          return ratio.raw < threshold
            ? 1 : cut.mask[network.place(ofWeight: weight, inTask: task)]
        })
    }
  }
  let masks = zip(cuts, tasks).map { cut, tasks in
    MergedMasks(
      network: network, merged: cut.mask, tasks: tasks,
      keepRatio: cut.threshold.map { KeepRatio(raw: $0).value } ?? 0)
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
private func layFloors(_ density: Double, on critical: [KeepRatio], of network: PrunableNetwork)
  -> [KeepRatio]
{
  var floored = critical
  var start = 0
  for layer in network.layers {
    let first = start
    let count = Int((density * Double(layer.count)).rounded(.up))
    let floor = critical[first..<first + layer.count].withKeys { select(count, of: $0) }.mask
    for (index, kept) in floor.enumerated() where kept == 1 { floored[first + index] = .always }
    start += layer.count
  }
  return floored
}
