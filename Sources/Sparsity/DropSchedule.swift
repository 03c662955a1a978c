// When dynamic training changes its masks, and how much it drops.

import Foundation

/// At steps 0, I, 2I, … < E weights are dropped and grown; at step E the last drop brings every
/// layer back to its density (RigL, Evci et al. 2020, section 3).
public struct DropSchedule: Equatable, Sendable {
  /// I: steps between two updates, at least 1.
  public var every: Int
  /// E: the step of the last drop, at least 1.
  public var until: Int
  /// r₀: the share of a layer's weights that the first update drops, in 0...1.
  public var dropRate: Double

  public init(every: Int, until: Int, dropRate: Double) {
    self.every = every
    self.until = until
    self.dropRate = dropRate
  }

  /// Whether a step, counted from 0, drops and grows.
  public func isUpdate(_ step: Int) -> Bool { step < until && step % every == 0 }

  /// r(t) = r₀/2 · (1 + cos(π t / E)); 0 from step E on.
  public func dropRate(at step: Int) -> Double {
    guard step < until else { return 0 }
    return dropRate / 2 * (1 + cos(.pi * Double(step) / Double(until)))
  }
}
