// From somebody else's layout to dataset.h5: read on all threads, written in order; broken samples are
// named and left out.

import Artifacts
import Foundation

/// How to convert.
public struct ConversionSettings: Sendable {
  public var threads: Int
  /// Broken samples that are left out before the conversion fails.
  public var maxBad: Int

  public init(threads: Int, maxBad: Int) {
    self.threads = threads
    self.maxBad = maxBad
  }
}

/// What a conversion tells as it goes.
public enum ConversionEvent: Sendable {
  case progress(done: Int, total: Int)
  /// A sample that is left out, and why.
  case bad(sample: String, reason: String)
}

/// Writes a foreign data set into a file. Memory does not grow with the number of samples.
///
/// - Returns: the samples written per split, and the number left out.
/// - Throws: ``ArtifactError`` when more than `maxBad` samples are broken, or a split has no good one.
public func convert(
  _ dataset: any ForeignDataset, to path: String, settings: ConversionSettings,
  provenance: Provenance, report: (ConversionEvent) -> Void
) throws -> (written: [(split: Split, count: Int)], bad: Int) {
  let writer = try DatasetWriter(
    path, tasks: dataset.tasks, storage: dataset.storage, provenance: provenance)
  let total = dataset.splits.reduce(0) { $0 + $1.names.count }
  let size = dataset.size
  var (done, bad) = (0, 0)
  var written: [(split: Split, count: Int)] = []
  for (split, names) in dataset.splits where !names.isEmpty {
    let packer = try writer.begin(
      split, count: names.count, height: size.height, width: size.width, mayBeFewer: true)
    let work = OrderedWork(
      names.indices, threads: settings.threads, ahead: 4 * settings.threads
    ) { index in
      Result { try packer.pack(dataset.sample(index, of: split)) }
    }
    var good = 0
    for name in names {
      guard let result = try work.value() else { break }
      switch result {
      case .success(let sample):
        try writer.append(sample)
        good += 1
      case .failure(let error):
        bad += 1
        report(.bad(sample: name, reason: "\(error)"))
        guard bad <= settings.maxBad else {
          throw ArtifactError(
            file: path, path: "",
            reason: "\(bad) broken samples are more than --max-bad \(settings.maxBad) allows")
        }
      }
      done += 1
      report(.progress(done: done, total: total))
    }
    guard good > 0 else {
      throw ArtifactError(
        file: path, path: "/\(split.rawValue)", reason: "not one of \(names.count) samples is good")
    }
    written.append((split, good))
  }
  try writer.finish()
  return (written, bad)
}
