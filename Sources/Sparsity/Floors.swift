// Floors: every layer keeps some of its weights, whatever their scores. This needs every weight's
// exact critical keep ratio.

import Torch

/// Masks for each sparsity, and the weights that the floors keep, in network order.
///
/// Floors are laid after the arbiter, so a merged mask can have weights that no task's has.
func cutAboveFloors(
  _ network: PrunableNetwork, _ settings: MergeSettings, _ sparsities: [Double],
  scores: ScoreSupply
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
  guard !cuts.isEmpty else { return ([], floors) }
  try network.forTasks(scores) { task, scores in
    let ratios = try criticalKeepRatios(
      of: scores, scopes: network.scopes(ofTask: task, settings.distribution))
    for (index, cut) in cuts.enumerated() {
      tasks[index].append(
        cut.threshold.map {
          taskMask(of: ratios, upTo: $0, merged: cut.mask, network, ofTask: task)
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

/// A task's mask of the ratios below a threshold; of those at it, it has what the merged mask has.
private func taskMask(
  of ratios: [KeepRatio], upTo threshold: UInt32, merged: [UInt8], _ network: PrunableNetwork,
  ofTask task: Int
) -> [UInt8] {
  var mask = [UInt8](repeating: 0, count: ratios.count)
  mask.withUnsafeMutableBufferPointer { mask in
    nonisolated(unsafe) let mask = mask
    for section in network.sections {
      guard let own = section.range(inTask: task) else { continue }
      inParallel(own) { range in
        for weight in range {
          let ratio = ratios[weight].raw
          mask[weight] =
            ratio == threshold
            ? merged[section.range.lowerBound + weight - own.lowerBound]
            : ratio < threshold ? 1 : 0
        }
      }
    }
  }
  return mask
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
    for (weight, kept) in zip(range, mask) where kept == 1 { critical[weight] = .smallest }
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
