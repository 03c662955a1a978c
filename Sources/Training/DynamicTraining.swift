// Training with masks that change: what an update drops, what the tasks vote to grow.

import Artifacts
import Formatting
import Networks
import Sparsity
import Torch

extension Trainer {
  /// What an update has done before its growth.
  struct Update {
    let rate: Double
    let dropped: Int
    let densityBefore: Double
  }

  /// Drops, when this step is an update. The step's forward pass then sees the network that grows.
  func dropForUpdate() throws -> Update? {
    guard let schedule = settings.dynamic?.schedule, schedule.isUpdate(step) else { return nil }
    return try drop(rate: schedule.dropRate(at: step))
  }

  /// The drop without growth at the schedule's end, which brings every layer to its target density.
  func dropForTheLastTime() throws {
    guard let schedule = settings.dynamic?.schedule, step == schedule.until,
      let update = try drop(rate: 0)
    else { return }
    record(update, grown: 0, agreement: .nan)
  }

  private func drop(rate: Double) throws -> Update? {
    guard let before = dynamic?.density else { return nil }
    // Growth needs the gradients of pruned weights.
    try use(.dense)
    let prunable = network.prunable
    let dropped =
      try dynamic?.drop(rate: rate) { try prunable[$0].values.withWeightOrder($1) } ?? 0
    try dynamic?.mask(network)
    try zeroPrunedWeights()
    return Update(rate: rate, dropped: dropped, densityBefore: before)
  }

  /// The step's own gradient, by parameter, from a backward pass per task: the sum's gradient is the sum
  /// of theirs. Each task votes for the weights that its gradients are largest at; a task without ground
  /// truth in this batch has no gradients and casts no votes.
  func gradientsAndVotes(_ losses: [Tensor?]) throws -> [Tensor?] {
    let joint = settings.dynamic?.joint == true
    let scored = joint ? [try tasks.weightedSum(losses)] : losses
    let weights = joint ? [1] : tasks.descriptions.map(\.lossWeight)
    // The prunable layers are the network's prunable weights, in the same order.
    let places = network.weights.indices.filter { network.weights[$0].parameter.isPrunable }
    let layers = dynamic?.network.layers ?? []
    var sum = [Tensor?](repeating: nil, count: parameters.count)
    let last = scored.lastIndex { $0 != nil }
    for (task, loss) in scored.enumerated() {
      guard let loss else { continue }
      // All processes grow the same weights.
      let gradients = try wholeGradients(of: loss, retainGraph: task != last)
      try withoutGradients {
        for (index, layer) in layers.enumerated() where layer.owners.contains(task) {
          guard let gradient = gradients[places[index]] else { continue }
          try gradient.withWeightOrder { dynamic?.vote(inLayer: index, gradients: $0) }
        }
        for (index, gradient) in gradients.enumerated() {
          guard let gradient else { continue }
          if let sum = sum[index] {
            try sum.add(gradient, times: weights[task])
          } else {
            sum[index] = try gradient * weights[task]
          }
        }
      }
    }
    return sum
  }

  /// Grown weights start at 0 with moments of 0, at which pruned weights and their moments are held.
  func grow(_ update: Update) throws {
    guard let arbiter = settings.dynamic?.arbiter else { return }
    guard let (grown, agreement) = dynamic?.grow(arbiter) else { return }
    try dynamic?.mask(network)
    record(update, grown: grown, agreement: agreement)
  }

  private func record(_ update: Update, grown: Int, agreement: Double) {
    history.updates.append(
      TrainingHistory.MaskUpdate(
        step: step, dropRate: update.rate, dropped: update.dropped, grown: grown,
        densityBefore: update.densityBefore, densityAfter: dynamic?.density ?? 1,
        agreement: agreement))
  }
}

extension DynamicMasks {
  /// - Parameter targetDensities: nil for the masks' own.
  init(
    _ masks: [Mask], of network: Network, _ settings: DynamicSettings,
    targetDensities: [Double]? = nil
  ) throws {
    let whole = prunableNetwork(of: network.graph)
    let prunable = settings.joint ? whole.joint : whole
    // Joint growth has one voter.
    if !settings.joint { try settings.arbiter.check(tasks: prunable.tasks.count) }
    let byName = Dictionary(uniqueKeysWithValues: masks.map { ($0.name, $0.values) })
    guard prunable.tasks.count <= Int(UInt8.max) else {
      throw SparsityError("\(prunable.tasks.count) tasks are too many to vote on growth")
    }
    if let targetDensities {
      guard targetDensities.count == prunable.layers.count,
        targetDensities.allSatisfy({ (0...1).contains($0) })
      else {
        throw SparsityError("target densities are not one in 0...1 for each prunable layer")
      }
    }
    self.init(
      prunable,
      masks: try prunable.layers.map { layer in
        guard let mask = byName[layer.name], mask.count == layer.count else {
          throw NetworkError(layer.name, "has no mask of \(Format.shape(layer.shape))")
        }
        return layer.mask(mask, to: .channelsLast)
      }, targetDensities: targetDensities, order: .channelsLast)
  }

  /// Gives the network's weights these masks.
  func mask(_ network: Network) throws {
    for (weight, mask) in zip(network.prunable, masks) {
      let shape = weight.shape
      // Of 1×1 kernels both orders are one, and libtorch leaves them as they are.
      let tensor =
        shape.count == 4 && shape[2] * shape[3] > 1
        ? try Tensor(mask, shape: [shape[0], shape[2], shape[3], shape[1]]).permuted([0, 3, 1, 2])
        : try Tensor(mask, shape: shape)
      try weight.setMask(tensor)
    }
  }
}

extension Tensor {
  /// Calls `body` with the values in the order in which weights lie in memory.
  fileprivate func withWeightOrder<Result>(
    _ body: (UnsafeBufferPointer<Float>) throws -> Result
  ) throws -> Result {
    let shape = self.shape
    // A matrix is a convolution of 1×1.
    let whole = shape.count == 2 ? try reshaped(shape + [1, 1]) : self
    return try whole.withChannelsLast(body)
  }
}
