// Floors: every layer keeps some of its weights, whatever the tasks want. This needs every weight's
// exact rank within its layer.

import Torch

/// Masks for each sparsity, and the weights that the floors keep, in network order.
///
/// Floors are laid after the arbiter, so a merged mask can have weights that no task's has.
func cutAboveFloors(
  _ network: PrunableNetwork, _ settings: MergeSettings, _ sparsities: [Double],
  scores: (_ task: Int) throws -> [Float]
) throws -> (masks: [MergedMasks], floors: [UInt8]) {
  let density = settings.minimumLayerDensity
  try network.checkFloors(density, leaveRoomAt: sparsities)
  var critical = try mergedKeepRatios(network, settings, scores: scores)
  let floors = layFloors(density, on: &critical, of: network)
  // The critical ratios that stay are the smallest.
  let cuts = sparsities.map { sparsity in
    let kept = network.keptCount(atSparsity: sparsity)
    return critical[...].withKeys { select(kept, of: $0) }
  }
  var tasks = cuts.map { _ in [[UInt8]]() }
  for task in network.tasks.indices where !cuts.isEmpty {
    let ratios = try criticalKeepRatios(
      of: scores(task), scopes: network.scopes(ofTask: task, settings.distribution))
    for (index, cut) in cuts.enumerated() {
      tasks[index].append(
        cut.threshold.map { threshold in
          chosen(ratios, upTo: threshold) {
            cut.mask[network.place(ofWeight: $0, inTask: task)]
          }
        } ?? ratios.map { _ in 0 })
    }
  }
  let masks = zip(cuts, tasks).map { cut, tasks in
    MergedMasks(
      network: network, merged: cut.mask, tasks: tasks,
      keepRatio: cut.threshold.map { KeepRatio(raw: $0).value } ?? 0)
  }
  return (masks, floors)
}

/// The mask of the ratios below a threshold; of those at it, what `merged` says of a weight.
private func chosen(
  _ ratios: [KeepRatio], upTo threshold: UInt32, _ merged: @Sendable (Int) -> UInt8
) -> [UInt8] {
  [UInt8](unsafeUninitializedCapacity: ratios.count) { mask, initialized in
    ratios.withUnsafeBufferPointer { ratios in
      nonisolated(unsafe) let (ratios, mask) = (ratios, mask)
      inParallel(ratios.indices) { range in
        for weight in range {
          let ratio = ratios[weight].raw
          mask.initializeElement(
            at: weight, to: ratio == threshold ? merged(weight) : ratio < threshold ? 1 : 0)
        }
      }
    }
    initialized = ratios.count
  }
}

/// Every weight's exact critical keep ratio after the arbiter; `each` sees the tasks' own before it.
func mergedKeepRatios(
  _ network: PrunableNetwork, _ settings: MergeSettings,
  scores: (_ task: Int) throws -> [Float],
  each: ([KeepRatio]) -> Void = { _ in }
) throws -> [KeepRatio] {
  let votes = try settings.arbiter.requiredVotes(of: network.tasks.count)
  var ballot = Ballot(count: network.sharedCount, votes: votes, never: KeepRatio.never)
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
///
/// - Returns: the mask of these weights.
private func layFloors(
  _ density: Double, on critical: inout [KeepRatio], of network: PrunableNetwork
) -> [UInt8] {
  var floors: [UInt8] = []
  floors.reserveCapacity(network.count)
  for layer in network.layers {
    let range = floors.count..<floors.count + layer.count
    let mask = critical[range].withKeys { select(layer.floor(density), of: $0) }.mask
    for (weight, kept) in zip(range, mask) where kept == 1 { critical[weight] = .always }
    floors += mask
  }
  return floors
}

extension PrunableLayer {
  /// The weights that a floor keeps: the share `density`, rounded up.
  fileprivate func floor(_ density: Double) -> Int {
    min(Int((density * Double(count)).rounded(.up)), count)
  }
}

extension PrunableNetwork {
  /// - Throws: ``SparsityError`` when floors of a density keep more weights than a sparsity leaves.
  fileprivate func checkFloors(_ density: Double, leaveRoomAt sparsities: [Double]) throws {
    let floors = layers.reduce(0) { $0 + $1.floor(density) }
    for sparsity in sparsities where keptCount(atSparsity: sparsity) < floors {
      throw SparsityError(
        "a minimum layer density of \(density) keeps \(floors) weights, but sparsity \(sparsity) "
          + "leaves only \(keptCount(atSparsity: sparsity))")
    }
  }
}
