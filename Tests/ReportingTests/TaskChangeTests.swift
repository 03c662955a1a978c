// ΔT, by hand.

import Foundation
import Reporting
import TestSupport
import Testing

@Suite struct TaskChangeTests {
  /// ΔT of the second of two models.
  private func deltaT(_ reference: SmallMetrics, _ model: SmallMetrics) throws -> Double? {
    try withFolder { folder in
      var model = model
      model.label = "other"
      return try Comparison([reference.model(in: folder), model.model(in: folder)])
        .deltaT(ofModel: 1)
    }
  }

  private func metrics(_ seg: [(String, Double)], _ depth: [(String, Double)], miou: Double = 0.5)
    -> SmallMetrics
  {
    SmallMetrics(miou: miou, others: [seg, depth])
  }

  private func isClose(_ value: Double?, _ expected: Double) -> Bool {
    value.map { abs($0 - expected) < 1e-12 } ?? false
  }

  @Test("Tasks count alike, however many metrics each has")
  func tasksCountAlike() throws {
    let reference = metrics([], [("rmse", 1), ("absolute_error", 2), ("delta_1.25", 50)])
    let model = metrics([], [("rmse", 1.5), ("absolute_error", 1), ("delta_1.25", 55)], miou: 0.3)
    // seg: −40 %; depth: 0 %, −50 %, +50 %, +10 %, and so 2.5 %.
    #expect(isClose(try deltaT(reference, model), (-0.4 + 0.025) / 2))
  }

  @Test("The published mIoU is shown with its change, but never counts")
  func publishedMIoU() throws {
    let reference = metrics([("miou_published", 0.1)], [])
    let model = metrics([("miou_published", 0.4)], [], miou: 0.25)
    #expect(isClose(try deltaT(reference, model), -0.25))
    try withFolder { folder in
      var other = model
      other.label = "other"
      let comparison = try Comparison([reference.model(in: folder), other.model(in: folder)])
      let row = try #require(comparison.rows.first { $0.metric == "miou_published" })
      #expect(row.changes[0] == nil && isClose(row.changes[1], 3))
      #expect(comparison.text().contains("0.4000 (+300.0 %)"))
      #expect(comparison.text().hasSuffix(" -25.0 %"))
      #expect(comparison.deltaT(ofModel: 0) == nil)
    }
  }

  @Test("A metric that is 0, or was not measured, of the reference does not count")
  func referenceOfNothing() throws {
    let reference = metrics([("error", 0)], [("rmse", .nan)])
    let model = metrics([("error", 4)], [("rmse", 2)], miou: 0.75)
    #expect(isClose(try deltaT(reference, model), 0.25))
  }

  @Test("A task without a metric that counts is left out, and without any task there is no ΔT")
  func nothingCounts() throws {
    let reference = metrics([], [], miou: 0)
    #expect(isClose(try deltaT(reference, metrics([], [], miou: 0.5)), 0))
    #expect(TaskChange.mean(overTasks: [nil, nil]) == nil)
  }

  @Test(
    "A metric that the reference has and the model lacks leaves no ΔT, rather than a flattering one"
  )
  func notMeasured() throws {
    let reference = metrics([("error", 1)], [])
    let model = metrics([("error", .nan)], [], miou: 0.75)
    #expect(try deltaT(reference, model)?.isNaN == true)
    try withFolder { folder in
      var other = model
      other.label = "other"
      let models = [try reference.model(in: folder), try other.model(in: folder)]
      let table = try Comparison(models).text(inColour: true)
      #expect(table.split(separator: "\n").last?.hasSuffix(" –") == true)
      #expect(!table.contains("nan") && !table.contains("NaN"))
      let methods = try MethodComparison(models)
      #expect(methods.deltaT(ofMethod: 1).mean.isNaN)
      #expect(!methods.text(inColour: true).contains("nan"))
    }
  }

  @Test("Over several runs ΔT is of each run against the first method's mean")
  func methods() throws {
    try withFolder { folder in
      func run(_ label: String, _ seed: Int, _ miou: Double) throws -> EvaluatedModel {
        let place = folder + "/\(seed)"
        try FileManager.default.createDirectory(
          atPath: place, withIntermediateDirectories: true)
        return try SmallMetrics(label: label, miou: miou, others: [[("miou_published", miou)], []])
          .model(in: place)
      }
      let comparison = try MethodComparison([
        run("dense", 1, 0.4), run("dense", 2, 0.6), run("sparse", 1, 0.25), run("sparse", 2, 0.75),
      ])
      // seg −50 % and +50 %, depth 0 %.
      let delta = comparison.deltaT(ofMethod: 1)
      #expect(abs(delta.mean) < 1e-12 && isClose(delta.deviation, (0.125 as Double).squareRoot()))
      #expect(
        isClose(comparison.change(ofMethod: 1, task: 0).deviation, (0.5 as Double).squareRoot()))
      #expect(comparison.text().split(separator: "\n")[0].hasSuffix("ΔT"))
    }
  }
}
