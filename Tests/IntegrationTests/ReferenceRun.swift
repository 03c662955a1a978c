// The reference inputs sent through the tools once, for the tests that look at what comes out.

import Foundation
import HDF5
import TestSupport
import Testing

/// scores-C.h5 and masks-C.h5 of one reference case for each criterion C, trained.h5 (under the masks
/// of `static`) and metrics.h5, beside its dataset.h5 and model.h5, with the settings that the
/// published implementation was run with.
final class ReferenceRun: Sendable {
  let reference: ReferenceCase
  let folder: Folder

  static func of(_ reference: ReferenceCase) throws -> ReferenceRun {
    try #require(all[reference.name]).get()
  }

  private static let all = Dictionary(
    uniqueKeysWithValues: ReferenceCase.all.map { reference in
      (reference.name, Result { try ReferenceRun(reference) })
    })

  static let criteria = ["static", "taylor", "magnitude"]

  /// Batches of two images in file order, as they are.
  static let batches = "--batch-size 2 --order sequential --no-augment --threads 1"

  private init(_ reference: ReferenceCase) throws {
    self.reference = reference
    folder = try Folder()
    try folder.add(reference.dataset, as: "dataset.h5")
    try folder.add(reference.model, as: "model.h5")
    // Metrics are expected of the first batch.
    let tasks = reference.tasks + ["image"]
    try folder.add(reference.dataset, as: "batch.h5")
    let images = try folder.open("dataset.h5").group("train")
    try folder.edit(
      "batch.h5",
      tasks.reduce(Edit()) { edit, task in
        let shape = (try? images.dataset(task).shape) ?? []
        return edit.reshaping("/train/" + task, to: [2] + shape.dropFirst())
      })

    let expected = try reference.openExpected()
    let keepRatio: Double = try expected.attribute("keep_ratio")
    for criterion in Self.criteria {
      try folder.succeed(
        .scoreImportance,
        "--data dataset.h5 --model model.h5 --criterion \(criterion) --batches 2 \(Self.batches) "
          + "-o scores-\(criterion).h5")
      try folder.succeed(
        .mergeMasks, "scores-\(criterion).h5 --keep-ratio \(keepRatio) -o masks-\(criterion).h5")
    }
    try folder.succeed(
      .sparseTrain,
      "--data dataset.h5 --model model.h5 --masks masks-static.h5 \(Self.batches) "
        + (try Self.training(expected.group("training"))) + " -o trained.h5")
    try folder.succeed(
      .evaluate,
      "--data batch.h5 --model trained.h5 --split train --batch-size 2 --threads 1 --no-timing "
        + "-o metrics.h5")
  }

  private static func training(_ group: Group) throws -> String {
    let (rate, weightDecay): (Double, Double) = (
      try group.attribute("learning_rate"), try group.attribute("weight_decay")
    )
    let (every, decay): (Int, Double) = (
      try group.attribute("decay_every"), try group.attribute("decay")
    )
    return "--steps \(try group.dataset("losses").count) --learning-rate \(rate) "
      + "--weight-decay \(weightDecay) --decay-every \(every) --decay \(decay)"
  }
}
