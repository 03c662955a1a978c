// N:M patterns: of every M consecutive input channels' weights at most N stay, which hardware can
// skip without an index per weight.

/// Keeps `kept` of every `group` consecutive input-channel weights, as in 2:4 (Mishra et al. 2021).
public struct GroupPattern: Equatable, Sendable, CustomStringConvertible {
  public let kept: Int
  public let group: Int

  /// Reads N:M with 1 ≤ N ≤ M and 2 ≤ M ≤ 64.
  public init?(_ text: String) {
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    guard parts.count == 2, let kept = Int(parts[0]), let group = Int(parts[1]),
      (2...64).contains(group), (1...group).contains(kept)
    else { return nil }
    self.kept = kept
    self.group = group
  }

  public var description: String { "\(kept):\(group)" }

  /// A layer whose input channels do not divide into groups stays dense.
  public func applies(to layer: PrunableLayer) -> Bool {
    layer.shape.count == 4 && layer.shape[1] % group == 0
  }

  /// The best of each group; among equals the first.
  ///
  /// - Parameters:
  ///   - critical: the critical keep ratios of one layer, out×in×k×k.
  func mask(_ critical: ArraySlice<KeepRatio>, of layer: PrunableLayer) -> [UInt8] {
    guard applies(to: layer) else { return [UInt8](repeating: 1, count: critical.count) }
    var mask = [UInt8](repeating: 0, count: critical.count)
    // Weights of neighbouring input channels lie a kernel's size apart.
    let kernel = layer.shape[2] * layer.shape[3]
    let start = critical.startIndex
    for block in stride(from: 0, to: critical.count, by: group * kernel) {
      for tap in block..<block + kernel {
        let members = (0..<group).map { tap + $0 * kernel }
        let best = members.sorted {
          (critical[start + $0].raw, $0) < (critical[start + $1].raw, $1)
        }
        for index in best.prefix(kept) { mask[index] = 1 }
      }
    }
    return mask
  }
}

/// Lets every task choose within the groups. Of the merged network those weights of a group stay that
/// rank best after the arbiter, so that the pattern holds there too.
///
/// - Parameter scores: as for ``merge(_:_:targets:scores:)``; called once per task.
/// - Throws: ``SparsityError`` as there, and when the pattern fits no layer; and what `scores` throws.
public func merge(
  _ network: PrunableNetwork, _ settings: MergeSettings, pattern: GroupPattern,
  scores: ScoreSupply
) throws -> MergedMasks {
  try network.checkSize()
  guard network.layers.contains(where: pattern.applies) else {
    throw SparsityError(
      "pattern \(pattern) fits no layer: of none do the input channels divide into groups of "
        + "\(pattern.group)")
  }
  func mask(_ critical: [KeepRatio], _ layers: [PrunableLayer]) -> [UInt8] {
    slices(critical, by: layers).flatMap { pattern.mask($0.values, of: $0.layer) }
  }
  var tasks: [[UInt8]] = []
  func checked(_ task: Int, _ memory: inout [Float]) throws {
    try scores(task, &memory)
    try network.check(memory, ofTask: task)
  }
  let critical = try mergedKeepRatios(network, settings, scores: checked) {
    tasks.append(mask($0, network.layers(ofTask: tasks.count)))
  }
  return MergedMasks(
    network: network, merged: mask(critical, network.layers), tasks: tasks,
    keepRatio: Double(pattern.kept) / Double(pattern.group))
}
