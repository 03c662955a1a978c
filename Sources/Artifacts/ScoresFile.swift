// scores.h5: how much each weight matters to each task.

import Formatting
import Foundation
import HDF5
import Synchronization

/// How scores came about.
public struct ScoresHeader: Sendable, Equatable {
  public let criterion: String
  /// One score for all tasks together instead of one per task.
  public let joint: Bool
  public let batches: Int
  public let batchSize: Int
  /// JSON of the network.
  public let architecture: String
  /// ``ContentDigest/ofParameters(_:)`` of the weights that were scored.
  public let modelDigest: String
  /// The seed that the network's initial weights were drawn with, when the scoring tool drew them.
  public let seed: UInt64?

  public init(
    criterion: String, joint: Bool, batches: Int, batchSize: Int, architecture: String,
    modelDigest: String, seed: UInt64?
  ) {
    self.criterion = criterion
    self.joint = joint
    self.batches = batches
    self.batchSize = batchSize
    self.architecture = architecture
    self.modelDigest = modelDigest
    self.seed = seed
  }
}

/// Scores opened for reading, one task at a time.
public final class ScoresFile: Sendable {
  public let reader: ArtifactReader
  public let header: ScoresHeader

  public init(opening path: String) throws {
    reader = try ArtifactReader(opening: path, as: .scores)
    let root = reader.root
    let seed: Int? = root.hasAttribute("seed") ? try root.attribute("seed") : nil
    header = ScoresHeader(
      criterion: try root.attribute("criterion"), joint: try root.attribute("joint") != 0,
      batches: try root.attribute("batches"), batchSize: try root.attribute("batch_size"),
      architecture: try reader.architecture(),
      modelDigest: try root.attribute("model_sha256"), seed: seed.map { UInt64(clamping: $0) })
  }

  /// The tasks that have scores, by name.
  public func tasks() throws -> [String] { try reader.root.group("scores").groupNames() }

  /// The scores of one task's layers, end to end in the given order.
  ///
  /// - Parameters:
  ///   - layers: names and shapes, which the file must have.
  ///   - scores: replaced; of one task after the other, its memory can be the same.
  /// - Throws: ``ArtifactError`` for a missing or misshaped dataset, and for a score that is
  ///   negative or not finite.
  public func read(
    ofTask task: String, layers: [(name: String, shape: [Int])], into scores: inout [Float]
  ) throws {
    let datasets = try datasets(ofTask: task, layers: layers)
    let parts = datasets.flatMap(ScoresPart.parts)
    // Where each part's scores lie.
    let starts = parts.reduce(into: [0]) { $0.append($0[$0.count - 1] + $1.count) }
    scores.removeLast(max(0, scores.count - starts[parts.count]))
    scores += repeatElement(0, count: starts[parts.count] - scores.count)
    try scores.withUnsafeMutableBufferPointer { all in
      nonisolated(unsafe) let all = all
      let failure = Mutex<(part: Int, error: any Error)?>(nil)
      DispatchQueue.concurrentPerform(iterations: parts.count) { index in
        do {
          try parts[index].read(
            into: UnsafeMutableBufferPointer(rebasing: all[starts[index]..<starts[index + 1]]),
            reader)
        } catch {
          // The first in the file is told, whoever comes first.
          failure.withLock { if $0.map({ index < $0.part }) ?? true { $0 = (index, error) } }
        }
      }
      if let failure = failure.withLock({ $0 }) { throw failure.error }
    }
  }

  /// The same in an array of their own.
  public func scores(ofTask task: String, layers: [(name: String, shape: [Int])]) throws -> [Float]
  {
    var scores: [Float] = []
    try read(ofTask: task, layers: layers, into: &scores)
    return scores
  }

  /// Throws as ``read(ofTask:layers:into:)`` for what shapes and sizes tell, before memory is set aside.
  public func check(ofTask task: String, layers: [(name: String, shape: [Int])]) throws {
    _ = try datasets(ofTask: task, layers: layers)
  }

  /// A task's datasets, which are those of the layers, once all shapes and sizes have been checked: what
  /// the architecture claims is no reason to set memory aside.
  private func datasets(ofTask task: String, layers: [(name: String, shape: [Int])]) throws
    -> [Dataset]
  {
    let group = "scores/" + task
    let datasets = try layers.map { name, shape in
      let dataset = try reader.root.dataset("\(group)/\(name)")
      guard dataset.shape == shape else {
        throw reader.error(
          dataset.path,
          "expected shape \(Format.shape(shape)), found \(Format.shape(dataset.shape))")
      }
      try dataset.checkStored(dataset.count)
      return dataset
    }
    let expected = Set(layers.map(\.name))
    if let extra = try reader.root.group(group).datasetNames().first(where: {
      !expected.contains($0)
    }) {
      throw reader.error("/\(group)/\(extra)", "not a prunable weight of this task's network")
    }
    return datasets
  }
}

/// Some rows of a layer's scores; a layer's parts are read at the same time.
private struct ScoresPart: Sendable {
  private let dataset: Dataset
  private let rows: Range<Int>
  private let rowCount: Int
  var count: Int { rows.count * rowCount }

  /// About as many bytes as a core's own cache holds.
  private static let size = 1 << 18

  static func parts(of dataset: Dataset) -> [ScoresPart] {
    let rows = dataset.shape.first ?? 1
    let rowCount = dataset.shape.dropFirst().reduce(1, *)
    // Chunks would be unpacked once for each part.
    let atOnce = dataset.chunk == nil ? max(1, size / max(1, rowCount)) : max(1, rows)
    return stride(from: 0, to: rows, by: atOnce).map {
      ScoresPart(
        dataset: dataset, rows: $0..<min($0 + atOnce, rows), rowCount: rowCount)
    }
  }

  func read(into scores: UnsafeMutableBufferPointer<Float>, _ reader: ArtifactReader) throws {
    let rest = dataset.shape.dropFirst()
    try dataset.read(
      into: scores, offset: dataset.shape.isEmpty ? [] : [rows.lowerBound] + rest.map { _ in 0 },
      count: dataset.shape.isEmpty ? [] : [rows.count] + rest)
    // Bit patterns order like the numbers, with negative ones and NaN above infinity; the largest is
    // found without a branch per score.
    let largest = scores.reduce(0) { max($0, ($1 + 0).bitPattern) }
    guard largest >= Float.infinity.bitPattern,
      let index = scores.firstIndex(where: { !($0 >= 0 && $0 < .infinity) })
    else { return }
    let place = rows.lowerBound * rowCount + index
    throw reader.error(
      dataset.path,
      scores[index] < 0 && scores[index].isFinite
        ? "value \(place) is negative" : "value \(place) is \(scores[index])")
  }
}

/// Writes scores.h5 task by task.
public final class ScoresWriter {
  private let writer: ArtifactWriter

  public init(_ path: String, _ header: ScoresHeader, provenance: Provenance) throws {
    writer = try ArtifactWriter(path, kind: .scores, provenance: provenance)
    let root = writer.root
    try root.setAttribute("criterion", header.criterion)
    try root.setAttribute("joint", header.joint ? 1 : 0)
    try root.setAttribute("batches", header.batches)
    try root.setAttribute("batch_size", header.batchSize)
    try writer.write(architecture: header.architecture)
    try root.setAttribute("model_sha256", header.modelDigest)
    _ = try root.createGroup("scores")
  }

  /// - Parameter loss: the task's mean loss over the batches; nil when none was needed.
  public func write(task: String, loss: Double?, _ scores: [NamedArray]) throws {
    let group = try writer.root.createGroup("scores/" + task)
    if let loss { try group.setAttribute("loss", loss) }
    for array in scores {
      try writer.write("scores/\(task)/\(array.name)", array.values, shape: array.shape)
    }
  }

  public func finish() throws { try writer.finish() }
}
