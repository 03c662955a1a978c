// How to train.

import Foundation
import Sparsity

public struct TrainingSettings: Sendable {
  public var steps: Int
  public var learningRate: Double
  /// The L2 term's factor.
  public var weightDecay: Double
  /// The learning rate is multiplied by `decay` every so many steps; nil for never.
  public var decayEvery: Int?
  public var decay: Double
  public var machine: Machine
  /// The seed of dropout.
  public var seed: UInt64
  /// Nil for masks that stay as they are.
  public var dynamic: DynamicSettings?
  /// Nil where no thresholds are learned.
  public var adaptive: AdaptiveSettings?
  /// Whether batch-norm takes each process's images for themselves, and not the whole batch.
  public var localBatchNorm: Bool

  public init(
    steps: Int, learningRate: Double, weightDecay: Double, decayEvery: Int?, decay: Double,
    machine: Machine, seed: UInt64, dynamic: DynamicSettings? = nil,
    adaptive: AdaptiveSettings? = nil, localBatchNorm: Bool = false
  ) {
    self.steps = steps
    self.learningRate = learningRate
    self.weightDecay = weightDecay
    self.decayEvery = decayEvery
    self.decay = decay
    self.machine = machine
    self.seed = seed
    self.dynamic = dynamic
    self.adaptive = adaptive
    self.localBatchNorm = localBatchNorm
  }

  /// The step from which on masks stay as they are.
  var lastChangeOfMasks: Int { dynamic?.schedule.until ?? adaptive?.until ?? 0 }

  /// Step decay; `step` counts from 0.
  func learningRate(at step: Int) -> Double {
    guard let decayEvery else { return learningRate }
    return learningRate * pow(decay, Double(step / decayEvery))
  }
}

/// How masks change in dynamic training.
public struct DynamicSettings: Sendable {
  public var schedule: DropSchedule
  /// How many of the tasks must vote for a shared weight before it grows.
  public var arbiter: Arbiter
  /// Grow by the weighted sum of the losses instead of each task's own (RigL).
  public var joint: Bool

  public init(schedule: DropSchedule, arbiter: Arbiter = .union, joint: Bool = false) {
    self.schedule = schedule
    self.arbiter = arbiter
    self.joint = joint
  }
}
