// TensorBoard event files, read back with TensorBoard's own reader.

import Foundation
import TestSupport
import Testing

/// A Python that has the tensorboard package.
private let python: String? = [ProcessInfo.processInfo.environment["PYTHON"], "python3"].compactMap
{ $0 }.first {
  (try? run("/usr/bin/env", [$0, "-c", "import tensorboard"], in: "/"))?.status == 0
}

@Suite struct TensorBoardTests {
  private static let reader = """
    import sys
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    events = EventAccumulator(sys.argv[1], size_guidance={'scalars': 0})
    events.Reload()
    for tag in sorted(events.Tags()['scalars']):
        print(tag, *(f'{e.step}:{e.value:.9g}' for e in events.Scalars(tag)))
    """

  @Test(
    "TensorBoard reads what --tensorboard writes, also across a resumed run",
    .enabled(if: python != nil, "needs Python's tensorboard package"))
  func readBack() throws {
    let folder = try Folder()
    let experiment = try Experiment.run().folder
    try folder.add(experiment.path("dataset.h5"), as: "dataset.h5")
    try folder.add(experiment.path("initial.h5"), as: "model.h5")
    let training =
      "--data dataset.h5 --model model.h5 --mode dynamic --sparsity 0.8 --update-every 2 "
      + "--batch-size 2 --threads 1 --validate-every 3 --tensorboard log --quiet -o out.h5"
    try folder.succeed(.sparseTrain, training + " --steps 6")
    let outcome = try run(
      "/usr/bin/env", [try #require(python), "-c", Self.reader, "log"], in: folder.path)
    #expect(outcome.status == 0, "\(outcome.stderr)")
    var scalars: [String: [(step: Int, value: Double)]] = [:]
    for line in outcome.stdout.split(separator: "\n") {
      let words = line.split(separator: " ")
      scalars[String(words[0])] = try words.dropFirst().map { word in
        let parts = word.split(separator: ":")
        return (try #require(Int(parts[0])), try #require(Double(parts[1])))
      }
    }
    let history = try folder.open("out.h5").group("history")
    let losses = try history.doubles("loss")
    #expect(scalars["loss/total"]?.map(\.step) == [1, 2, 3, 4, 5, 6])
    #expect(scalars["loss/total"]?.map { Float($0.value) } == losses.map(Float.init))
    for task in Experiment.tasks {
      #expect(
        scalars["loss/\(task)"]?.map { Float($0.value) }
          == (try history.doubles("loss_\(task)").map(Float.init)))
    }
    #expect(scalars["learning_rate"]?.count == 6)
    #expect(scalars["loss/validation"]?.map(\.step) == [3, 6])
    let updates = try history.group("updates")
    #expect(
      scalars["masks/density"]?.map { Float($0.value) }
        == (try updates.doubles("density_after").map(Float.init)))
    #expect(
      scalars["masks/density"]?.map(\.step)
        == (try updates.dataset("step").read(as: Int64.self).map(Int.init)))
  }
}
