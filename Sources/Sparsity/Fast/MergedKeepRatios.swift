// Every weight's exact critical keep ratio after the arbiter: what floors and patterns choose by.

/// The critical keep ratios of all weights in network order; `each` sees the tasks' own before.
func mergedKeepRatios(
  _ network: PrunableNetwork, _ settings: MergeSettings,
  scores: ScoreSupply, each: ([KeepRatio]) -> Void = { _ in }
) throws -> [KeepRatio] {
  try settings.arbiter.check(tasks: network.tasks.count)
  let columns = network.sections.map { section in
    RatioColumns<KeepRatio>(
      count: section.range.count,
      votes: settings.arbiter.requiredVotes(ofOwners: section.owners.count))
  }
  try network.forTasks(scores) { task, scores in
    let critical = try criticalKeepRatios(
      of: scores, scopes: network.scopes(ofTask: task, settings.distribution))
    for (columns, section) in zip(columns, network.sections) {
      guard let range = section.range(inTask: task) else { continue }
      columns.enter { weights, ratios in
        let start = range.lowerBound
        _ = ratios.initialize(
          fromContentsOf: critical[start + weights.lowerBound..<start + weights.upperBound])
      }
    }
    each(critical)
  }
  return [KeepRatio](unsafeUninitializedCapacity: network.count) { merged, initialized in
    for (columns, section) in zip(columns, network.sections) {
      columns.withDecided {
        _ = UnsafeMutableBufferPointer(rebasing: merged[section.range])
          .initialize(fromContentsOf: $0)
      }
    }
    initialized = network.count
  }
}
