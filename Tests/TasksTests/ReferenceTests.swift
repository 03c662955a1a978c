// Losses and metrics against the published implementation's.

import Foundation
import HDF5
import Tasks
import TestSupport
import Testing
import Torch

@Suite struct ReferenceTests {
  @Test(arguments: ReferenceCase.all)
  func lossesAreThePublishedOnes(_ reference: ReferenceCase) throws {
    let expected = try reference.openExpected().group("losses")
    let batch = try ReferenceBatch(reference)
    var total = 0.0
    for (index, task) in batch.kinds.enumerated() {
      let loss = try #require(
        try task.loss(expected.tensor("predictions/" + task.name), batch.targets[index])
      ).item()
      #expect(
        try relativeDifference(loss, expected.doubles(task.name)[0]) < 1e-5, "task \(task.name)")
      total += batch.lossWeights[index] * loss
    }
    #expect(try relativeDifference(total, expected.doubles("total")[0]) < 1e-5)
  }

  /// What the published tables call our metrics.
  private static let publishedNames = [
    "mIoU": "miou_published", "Pixel Acc": "pixel_accuracy", "err": "error",
    "Angle Mean": "angle_mean", "Angle Median": "angle_median", "Angle 11.25": "within_11.25",
    "Angle 22.5": "within_22.5", "Angle 30": "within_30", "Angle 45": "within_45",
    "abs_err": "absolute_error", "rel_err": "relative_error", "sigma_1.25": "delta_1.25",
    "sigma_1.25^2": "delta_1.25^2", "sigma_1.25^3": "delta_1.25^3",
  ]

  @Test(arguments: ReferenceCase.all)
  func metricsAreThePublishedOnes(_ reference: ReferenceCase) throws {
    let group = try reference.openExpected().group("metrics")
    let json: String = try group.attribute("values")
    let published = try #require(
      try JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: [String: Double]])
    let batch = try ReferenceBatch(reference)
    #expect(Set(published.keys) == Set(reference.tasks))
    for (index, task) in batch.kinds.enumerated() {
      var metrics = task.makeMetrics()
      let prediction = try group.tensor("predictions/" + task.name)
        .resizedNearest(height: batch.size.height, width: batch.size.width)
      try metrics.add(prediction, batch.targets[index])
      for (name, expected) in try #require(published[task.name]) {
        let ours = try #require(Self.publishedNames[name])
        let value = try #require(metrics.value(ours))
        #expect(relativeDifference(value, expected) < 1e-4, "\(task.name) \(name)")
      }
    }
  }
}
