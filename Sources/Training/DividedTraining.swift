// Training by several processes: the gradients of whole batches, and the same network in all of them.

import Collectives
import Networks
import Torch

extension Trainer {
  /// The gradients of a loss of which each process has its share, by parameter. Of weights with masks
  /// only what is kept crosses the network; the rest of their gradients is 0. Gradients of later layers
  /// are on their way while those of earlier ones are calculated.
  func gradients(of loss: Tensor) throws -> [Tensor?] {
    guard group.size > 1 else { return try loss.gradients(of: parameters) }
    let sum = TensorSum(group)
    var added: [Int] = []
    var failure: (any Error)?
    let parameters = self.parameters
    // Thresholds stand behind the weights.
    let masks = network.weights.map { $0.isCompact ? nil : $0.mask }
    func mask(_ index: Int) -> Tensor? { index < masks.count ? masks[index] : nil }
    // A layer's backward pass makes its weight's gradient anew; others may share theirs.
    func isOwn(_ index: Int) -> Bool {
      index < network.weights.count && network.weights[index].parameter.isPrunable
    }
    _ = try loss.gradients(of: parameters) { index, gradient in
      do {
        try withoutGradients {
          if let mask = mask(index) {
            let kept = try gradient.kept(by: mask)
            try sum.add(kept, like: kept, inPlace: true)
          } else {
            try sum.add(gradient, like: parameters[index], inPlace: isOwn(index))
          }
        }
        added.append(index)
      } catch {
        failure = failure ?? error
      }
    }
    if let failure { throw failure }
    var gradients = [Tensor?](repeating: nil, count: parameters.count)
    for (index, sum) in zip(added, try sum.finish()) {
      if let mask = mask(index) {
        gradients[index] = try sum.scattered(over: mask)
      } else {
        gradients[index] = sum
      }
    }
    return gradients
  }

  /// The same with what masks prune: what growth ranks.
  func wholeGradients(of loss: Tensor, retainGraph: Bool) throws -> [Tensor?] {
    var gradients = try loss.gradients(of: parameters, retainGraph: retainGraph)
    let known = gradients.indices.filter { gradients[$0] != nil }
    let sums = try withoutGradients { try group.sum(known.compactMap { gradients[$0] }) }
    for (index, sum) in zip(known, sums) { gradients[index] = sum }
    return gradients
  }

  /// Gives all processes the mean of their running statistics, which follow each one's own images where
  /// batch-norm does.
  func averageStatistics() throws {
    guard group.size > 1 else { return }
    let names = Set(
      network.graph.nodes.flatMap { node -> [String] in
        guard case .batchNorm(let settings) = node.operation else { return [] }
        return [settings.mean, settings.variance]
      })
    let statistics = network.buffers.filter { names.contains($0.name) }.map(\.tensor)
    try withoutGradients {
      for (tensor, sum) in zip(statistics, try group.sum(statistics)) {
        try tensor.assign(sum * (1 / Double(group.size)))
      }
    }
  }

  /// All processes take the same steps, so their weights stay the same, to the last bit.
  ///
  /// - Throws: ``TrainingError`` naming a process of which that is not true, as where the processors of
  ///   two hosts round differently.
  func checkAgreement() throws {
    guard group.size > 1 else { return }
    var digest: UInt64 = 0
    for weight in network.weights {
      for value in try weight.values.array(of: Float.self) {
        digest = digest &* 31 &+ UInt64(value.bitPattern)
      }
    }
    if let other = group.dissenter(digest) {
      throw TrainingError(
        step: step,
        "the weights of \(group.name(ofProcess: other)) are no longer those of process 0")
    }
  }
}
