// Masks, sparsity and agreement against the published implementation's, from the same scores.

import HDF5
import Sparsity
import TestSupport
import Testing

@Suite struct ReferenceTests {
  /// The network of a case, from the names and shapes of its scores.
  private func network(_ reference: ReferenceCase, _ scores: Group) throws -> PrunableNetwork {
    var layers: [PrunableLayer] = []
    for (index, task) in reference.tasks.enumerated() {
      let group = try scores.group(task)
      for name in try group.datasetNames() {
        let isShared = name.hasPrefix("backbone.")
        if isShared && index > 0 { continue }
        layers.append(
          PrunableLayer(
            name: name, shape: try group.dataset(name).shape,
            owners: isShared ? Array(reference.tasks.indices) : [index]))
      }
    }
    return PrunableNetwork(tasks: reference.tasks, layers: layers)
  }

  private func masks(_ group: Group, _ layers: [PrunableLayer]) throws -> [UInt8] {
    try layers.flatMap { try group.dataset($0.name).read(as: UInt8.self) }
  }

  @Test(arguments: ReferenceCase.all, ["static", "taylor", "magnitude"])
  func masksAreThePublishedOnes(_ reference: ReferenceCase, _ criterion: String) throws {
    let expected = try reference.openExpected()
    let keepRatio: Double = try expected.attribute("keep_ratio")
    let published = try expected.group(criterion)
    let network = try network(reference, published.group("scores"))
    let scores = try reference.tasks.enumerated().map { index, task in
      try network.layers(ofTask: index).flatMap {
        try published.floats("scores/\(task)/\($0.name)")
      }
    }
    let masks = try merge(
      scores, of: network, target: .keepRatio(keepRatio))
    let heads = network.layers.filter { !$0.isShared }
    let sharedCount = network.count - heads.reduce(0) { $0 + $1.count }

    // A mask may differ where the score lies within 1e-5 of the threshold, and only there.
    var borderline = Set<Int>()
    for (index, task) in reference.tasks.enumerated() {
      let theirs = try self.masks(
        published.group("task_masks/" + task), network.layers(ofTask: index))
      #expect(theirs.count == scores[index].count && masks.tasks[index].count == theirs.count)
      let k = Int(keepRatio * Double(theirs.count))
      let threshold = Double(scores[index].sorted(by: >)[k - 1])
      for (weight, (mine, other)) in zip(masks.tasks[index], theirs).enumerated()
      where mine != other {
        #expect(relativeDifference(Double(scores[index][weight]), threshold) < 1e-5)
        // Behind the backbone come the heads of the tasks before.
        let before = heads.filter { $0.owners[0] < index }.reduce(0) { $0 + $1.count }
        borderline.insert(weight < sharedCount ? weight : before + weight)
      }
    }
    let theirs = try self.masks(published.group("masks"), network.layers)
    #expect(theirs.count == network.count)
    let differing = zip(masks.merged, theirs).enumerated().filter { $1.0 != $1.1 }.map(\.offset)
    #expect(borderline.isSuperset(of: differing))
    #expect(borderline.count <= 4)

    let slack = Double(borderline.count)
    let sparsity: Double = try published.attribute("sparsity")
    #expect(abs(masks.sparsity - sparsity) <= slack / Double(network.count) + 1e-9)
    let agreement = Agreement(of: masks)
    let ious = try published.group("agreement")
    for layer in agreement.layers where layer.layer.isShared {
      let iou: Double = try ious.attribute(String(layer.layer.name.dropLast(".weight".count)))
      #expect(abs(layer.iou - iou) <= 2 * slack / Double(layer.kept) + 1e-6, "\(layer.layer.name)")
    }
    let total: Double = try ious.attribute("total")
    #expect(abs(agreement.totalIoU - total) <= 2 * slack / Double(masks.kept) + 1e-6)
  }
}
