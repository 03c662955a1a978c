// Losses, scores and training steps against the published implementation's.

import Artifacts
import HDF5
import Networks
import Sparsity
import TestSupport
import Testing
import Torch
import Training

@Suite struct ReferenceTests {
  @Test(arguments: ReferenceCase.all)
  func predictionsAndLossesAreThePublishedOnes(_ reference: ReferenceCase) throws {
    let run = try ReferenceRun(reference)
    let network = try run.network()
    let batch = try run.source.batch(0)
    let images = try Tensor(batch.images, shape: [2, 65, 65, 3])
    let predictions = try DenseEngine(network).predictions(
      for: network.normalized(images), training: true, using: nil)
    for (task, prediction) in zip(reference.tasks, predictions) {
      let published = try run.expected.floats("losses/predictions/" + task)
      let largest = published.reduce(0) { max($0, abs($1)) }
      #expect(try largestDifference(prediction.array(), published) < 1e-4 * Double(largest))
    }

    let (scores, empty) = try scoreImportance(
      with: DenseEngine(run.network()), tasks: run.tasks, on: run.source,
      settings: ScoringSettings(criterion: .static, batches: 1), progress: { _ in })
    for task in scores {
      let published = try run.expected.doubles("losses/" + task.task)[0]
      #expect(relativeDifference(try #require(task.loss), published) < 1e-5, "\(task.task)")
    }
    #expect(scores.map(\.task) == reference.tasks)
    #expect(empty.warnings(of: 1).isEmpty)
  }

  @Test(arguments: ReferenceCase.all, [Criterion.static, .taylor, .magnitude])
  func scoresAreThePublishedOnes(_ reference: ReferenceCase, _ criterion: Criterion) throws {
    let run = try ReferenceRun(reference)
    var progress: [Int] = []
    let (scores, _) = try scoreImportance(
      with: DenseEngine(run.network()), tasks: run.tasks, on: run.source,
      settings: ScoringSettings(criterion: criterion, batches: 2),
      progress: { progress.append($0) })
    #expect(progress == [1, 2])
    for task in scores {
      let group = try run.expected.group("\(criterion)/scores/" + task.task)
      #expect(try task.scores.map(\.name).sorted() == (group.datasetNames()))
      for layer in try task.scores {
        let published = try group.floats(layer.name)
        let largest = try #require(published.max())
        #expect(
          largestDifference(layer.values, published) <= 1e-3 * Double(largest),
          "\(task.task) \(layer.name)")
        #expect(try group.dataset(layer.name).shape == layer.shape)
      }
    }
  }

  @Test(arguments: ReferenceCase.all)
  func sixMaskedStepsAreThePublishedOnes(_ reference: ReferenceCase) throws {
    let run = try ReferenceRun(reference)
    let published = try run.expected.group("training")
    let network = try run.network()
    let masks = try run.masks()
    let (history, _) = try train(
      network, tasks: run.tasks, on: run.source, masks: masks,
      settings: TrainingSettings(
        steps: 6, learningRate: published.attribute("learning_rate"),
        weightDecay: published.attribute("weight_decay"),
        decayEvery: published.attribute("decay_every"), decay: published.attribute("decay"),
        machine: Machine(), seed: 0))
    let losses = try published.doubles("losses")
    #expect(losses.count == 6 && history.losses.count == 6)
    for (loss, expected) in zip(history.losses, losses) {
      #expect(relativeDifference(loss, expected) < 1e-3)
    }
    let weights = Dictionary(
      uniqueKeysWithValues: try network.snapshot().parameters.map { ($0.name, $0.values) })
    for mask in masks {
      let values = try #require(weights[mask.name])
      let expected = try published.floats("parameters/" + mask.name)
      #expect(largestDifference(values, expected) < 2e-3, "\(mask.name)")
      #expect(zip(values, mask.values).allSatisfy { $1 == 1 || $0.bitPattern == 0 })
    }
    #expect(Set(masks.map(\.name)) == Set(try published.group("parameters").datasetNames()))
  }
}
