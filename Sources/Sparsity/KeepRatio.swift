// Keep ratios, and which of them belongs to which rank.

/// A share of weights, in 0 < r ≤ 1, held as ⌈r · 2³²⌉ − 1. Ranks among fewer than 2³² weights stay
/// distinct and in order.
public struct KeepRatio: Comparable, Hashable, BitwiseCopyable, Sendable {
  let raw: UInt32

  init(raw: UInt32) { self.raw = raw }

  /// The ratio `rank` / `count`, for 1 ≤ rank ≤ count < 2³².
  public init(rank: Int, of count: Int) {
    raw = UInt32(((UInt64(rank) << 32) - 1) / UInt64(count))
  }

  /// The smallest ratio that is at least `value`, for 0 < value ≤ 1.
  init(atLeast value: Double) {
    raw = UInt32(min(max((value * Self.unit).rounded(.up) - 1, 0), Self.unit - 1))
  }

  private static let unit = 4_294_967_296.0

  /// The smallest there is: every ratio keeps a weight for which it is the critical one.
  static let smallest = KeepRatio(raw: 0)

  public var value: Double { (Double(raw) + 1) / Self.unit }

  public static func < (a: KeepRatio, b: KeepRatio) -> Bool { a.raw < b.raw }
}

/// Weights that are ranked among themselves: a task's whole network, or one of its layers.
///
/// A weight's *critical keep ratio* is the smallest keep ratio at which its task keeps it.
public struct RankingScope: Sendable {
  /// Where the weights lie in the task's network.
  public let range: Range<Int>
  private let kernel: (ErdosRenyiKernel, layer: Int)?

  init(_ range: Range<Int>, kernel: (ErdosRenyiKernel, layer: Int)? = nil) {
    self.range = range
    self.kernel = kernel
  }

  /// The critical keep ratio of the weight at a rank, best first from 1; never falling with rank.
  func criticalKeepRatio(atRank rank: Int) -> KeepRatio {
    guard let (kernel, layer) = kernel else { return KeepRatio(rank: rank, of: range.count) }
    // The rank says how dense the layer must be; the kernel, at which density of the whole network
    // it is that dense.
    let density = Double(rank) / Double(range.count)
    let epsilon = kernel.epsilon(ofLayer: layer, density: density)
    return KeepRatio(atLeast: kernel.density(atEpsilon: epsilon))
  }

  /// The number of weights whose critical keep ratio is at most `ratio`, ties aside.
  func rank(at ratio: KeepRatio) -> Int {
    var (kept, dropped) = (0, range.count + 1)
    while dropped - kept > 1 {
      let middle = (kept + dropped) / 2
      if criticalKeepRatio(atRank: middle) <= ratio { kept = middle } else { dropped = middle }
    }
    return kept
  }

  /// The same for critical keep ratios below `ratio`.
  func rank(below ratio: KeepRatio) -> Int {
    ratio.raw == 0 ? 0 : rank(at: KeepRatio(raw: ratio.raw - 1))
  }
}

extension PrunableNetwork {
  /// What is ranked together in a task's network.
  public func scopes(ofTask task: Int, _ distribution: Distribution) -> [RankingScope] {
    guard distribution != .global else { return [RankingScope(0..<count(ofTask: task))] }
    let kernel = ErdosRenyiKernel(shapes: layers.map(\.shape))
    var start = 0
    return layers.enumerated().compactMap { index, layer in
      guard layer.owners.contains(task) else { return nil }
      defer { start += layer.count }
      return RankingScope(
        start..<start + layer.count, kernel: distribution == .erk ? (kernel, index) : nil)
    }
  }

  /// How many weights of each of ``scopes(ofTask:_:)`` a keep ratio set by hand keeps: ⌊r · N⌋ of the
  /// task's network together, whatever the distribution. The kernel is that of the task's own layers.
  ///
  /// - Parameter ratio: r, in 0...1.
  func counts(ofTask task: Int, _ distribution: Distribution, keeping ratio: Double) -> [Int] {
    let layers = layers(ofTask: task)
    let densities =
      switch distribution {
      case .global: [ratio]
      case .uniform: layers.map { _ in ratio }
      case .erk: erdosRenyiKernel(density: ratio, shapes: layers.map(\.shape))
      }
    let sizes = distribution == .global ? [count(ofTask: task)] : layers.map(\.count)
    return apportioned(
      zip(densities, sizes).map { $0 * Double($1) }, of: sizes,
      total: Int(ratio * Double(count(ofTask: task))))
  }
}
