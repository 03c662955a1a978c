// The kinds of task by their words, and what all kinds have in common.

import Artifacts
import Tasks
import Testing

@Suite struct TaskKindTests {
  private func task(_ kind: String, metrics: String? = nil) throws -> any TaskKind {
    try TaskDescription(name: "x", channels: 3, metrics: metrics).task(ofKind: kind)
  }

  @Test("Every kind that a data set may have is there, with as many values per pixel as files have")
  func words() throws {
    for kind in DatasetTask.Kind.allCases {
      let stored = DatasetTask(name: "x", kind: kind, channels: 3, lossWeight: 1)
      #expect(try task(kind.rawValue).targetChannels == stored.targetChannels, "\(kind)")
    }
    let error = #expect(throws: UnknownTaskKind.self) { try task("keypoints") }
    #expect(error?.description == "task x: 'keypoints' is no kind of task")
  }

  @Test("What is reported has one of the kind's measures, and so has a glance")
  func measures() throws {
    for kind in DatasetTask.Kind.allCases {
      let known = try task(kind.rawValue)
      #expect(Set(known.measures.map(\.name)).count == known.measures.count)
      #expect(known.measures.contains(known.headline))
      let reported = try ["depth", "error"].flatMap {
        try task(kind.rawValue, metrics: $0).makeMetrics().values.map(\.measure)
      }
      #expect(Set(reported) == Set(known.measures), "\(kind)")
    }
  }

  @Test("More is better of shares of pixels and of overlaps, less of errors")
  func directions() throws {
    let measures = try DatasetTask.Kind.allCases.flatMap { try task($0.rawValue).measures }
    let higher = measures.filter { $0.better == .higher }.map(\.name)
    #expect(
      Set(higher) == [
        "miou", "miou_published", "pixel_accuracy", "within_11.25", "within_22.5", "within_30",
        "within_45", "delta_1.25", "delta_1.25^2", "delta_1.25^3",
      ])
    #expect(measures.filter { !$0.counts }.map(\.name) == ["miou_published"])
  }
}
