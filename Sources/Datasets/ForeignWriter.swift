// From somebody else's layout to dataset.h5, in one file or in shards: read on all threads, written in
// order; broken samples are named and left out.

import Artifacts
import Formatting
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

/// What came of a conversion.
public struct Conversion: Sendable {
  /// Samples written per split; with shards, in this run.
  public fileprivate(set) var written: [(split: Split, count: Int)] = []
  /// Broken samples left out, those of kept shards among them.
  public fileprivate(set) var bad = 0
  /// Shards that were there already.
  public fileprivate(set) var keptShards = 0
  /// Shards that are not there yet; as long as there are any, neither is the master.
  public var missingShards: [Int] = []

  /// Takes in what other processes converted.
  ///
  /// - Parameter processes: gives the sums of numbers over all processes.
  public mutating func sum(over processes: ([Double]) -> [Double]) {
    let splits = Split.allCases
    let counts = splits.map { split in written.first { $0.split == split }?.count ?? 0 }
    let sums = processes((counts + [bad, keptShards]).map(Double.init)).map { Int($0) }
    written = zip(splits, sums).filter { $0.1 > 0 }.map { ($0, $1) }
    (bad, keptShards) = (sums[splits.count], sums[splits.count + 1])
  }

  fileprivate mutating func add(_ count: Int, to split: Split) {
    if let index = written.firstIndex(where: { $0.split == split }) {
      written[index].count += count
    } else {
      written.append((split, count))
    }
  }
}

/// A data set cut into shards of about equal size. Each has its part of every split, and so is a data
/// set of its own.
public struct ShardPlan: Sendable {
  /// Shards in all.
  public let count: Int
  /// A digest of what the whole is made of and how.
  private let digest: String

  /// - Parameters:
  ///   - size: samples of a shard, about, at least 1.
  ///   - settings: what besides the names of the samples determines the values.
  public init(_ dataset: any ForeignDataset, size: Int, settings: [String]) {
    let samples = dataset.sampleCount
    // A data set has training samples, and so must each of its shards.
    let wanted = samples == 0 ? 1 : (samples - 1) / size + 1
    count = max(1, min(wanted, dataset.names(of: .train).count))
    digest = Shard.plan(
      of: settings + [dataset.size.description]
        + dataset.splits.flatMap { [$0.split.rawValue] + $0.names })
  }

  func shard(_ number: Int) -> Shard { Shard(number: number, of: count, plan: digest) }

  /// The samples of a split that are a shard's.
  func range(ofShard number: Int, in samples: Int) -> Range<Int> {
    number * samples / count..<(number + 1) * samples / count
  }

  /// The file of a shard, beside the master's: dataset.h5 has dataset-shard-000.h5 and so on.
  public func path(ofShard number: Int, besideMaster master: String) -> String {
    let digits = max(3, String(count - 1).count)
    return OutputFile.path(beside: master, "-shard-" + Format.padded(number, digits: digits))
  }

  /// The shards whose files are there, whole and made as planned, with the number of broken samples
  /// that each left out.
  fileprivate func done(besideMaster master: String) -> [Int: Int] {
    var leftOut: [Int: Int] = [:]
    for number in 0..<count {
      let file = try? DatasetFile(opening: path(ofShard: number, besideMaster: master))
      if let file, file.shard == shard(number) { leftOut[number] = file.leftOut }
    }
    return leftOut
  }
}

/// Writes a foreign data set into one file. Memory does not grow with the number of samples.
///
/// - Throws: ``ArtifactError`` when more than `maxBad` samples are broken, or a split has no good one.
public func convert(
  _ dataset: any ForeignDataset, to path: String, settings: ConversionSettings,
  provenance: Provenance, report: @escaping (ConversionEvent) -> Void
) throws -> Conversion {
  var run = ConversionRun(dataset, settings, provenance, report)
  run.begin(total: dataset.sampleCount)
  try run.write(path, shard: nil) { 0..<$0 }
  return run.result
}

/// Writes shards of a foreign data set, and the master as soon as all are there; it does not matter
/// which process wrote them. An earlier master goes before the first shard is written.
///
/// - Parameters:
///   - path: the master's; the shards lie beside it.
///   - chosen: the shards to write; other processes may write others.
///   - keepsDone: keep chosen shards that are there already, made as planned.
///   - writesMaster: whether to look if all shards are there.
/// - Throws: as for one file; shards that were finished stay.
public func convert(
  _ dataset: any ForeignDataset, to path: String, shards plan: ShardPlan, chosen: Range<Int>,
  keepsDone: Bool, writesMaster: Bool = true, settings: ConversionSettings,
  provenance: Provenance, report: @escaping (ConversionEvent) -> Void
) throws -> Conversion {
  let done = keepsDone ? plan.done(besideMaster: path) : [:]
  let open = chosen.filter { done[$0] == nil }
  var run = ConversionRun(dataset, settings, provenance, report)
  run.result.keptShards = chosen.count - open.count
  run.result.bad = chosen.reduce(0) { $0 + (done[$1] ?? 0) }
  run.begin(
    total: open.reduce(0) { total, number in
      dataset.splits.reduce(total) { $0 + plan.range(ofShard: number, in: $1.names.count).count }
    })
  // One that is there shows shards that are about to change.
  if !open.isEmpty { try OutputFile.remove(path, .artifact(.dataset)) }
  for number in open {
    try run.write(
      plan.path(ofShard: number, besideMaster: path), shard: plan.shard(number)
    ) { plan.range(ofShard: number, in: $0) }
  }
  guard writesMaster else { return run.result }
  let nowDone = plan.done(besideMaster: path)
  run.result.missingShards = (0..<plan.count).filter { nowDone[$0] == nil }
  if run.result.missingShards.isEmpty {
    try DatasetFile.writeMaster(
      path, of: (0..<plan.count).map { plan.path(ofShard: $0, besideMaster: path) },
      provenance: provenance)
  }
  return run.result
}

/// Writes files of one data set, one after the other.
private struct ConversionRun {
  let dataset: any ForeignDataset
  let settings: ConversionSettings
  let provenance: Provenance
  let report: (ConversionEvent) -> Void
  var result = Conversion()
  private var total = 0
  private var handled = 0

  init(
    _ dataset: any ForeignDataset, _ settings: ConversionSettings, _ provenance: Provenance,
    _ report: @escaping (ConversionEvent) -> Void
  ) {
    self.dataset = dataset
    self.settings = settings
    self.provenance = provenance
    self.report = report
  }

  mutating func begin(total: Int) {
    self.total = total
    if total > 0 { report(.progress(done: 0, total: total)) }
  }

  /// - Parameter range: which samples of a split of so many.
  mutating func write(_ path: String, shard: Shard?, _ range: (Int) -> Range<Int>) throws {
    let writer = try DatasetWriter(
      path, tasks: dataset.tasks, storage: dataset.storage, provenance: provenance, shard: shard)
    let badBefore = result.bad
    for (split, names) in dataset.splits {
      let samples = range(names.count)
      guard !samples.isEmpty else { continue }
      let (dataset, size) = (dataset, dataset.size)
      let packer = try writer.begin(
        split, count: samples.count, height: size.height, width: size.width, mayBeFewer: true)
      let work = OrderedWork(samples, threads: settings.threads, ahead: 4 * settings.threads) {
        index in Result { try packer.pack(dataset.sample(index, of: split)) }
      }
      var good = 0
      for index in samples {
        guard let sample = try work.value() else { break }
        switch sample {
        case .success(let sample):
          try writer.append(sample, name: names[index])
          good += 1
        case .failure(let error):
          result.bad += 1
          report(.bad(sample: names[index], reason: "\(error)"))
          guard result.bad <= settings.maxBad else {
            throw ArtifactError(
              file: path, path: "",
              reason:
                "\(result.bad) broken samples are more than --max-bad \(settings.maxBad) allows")
          }
        }
        handled += 1
        report(.progress(done: handled, total: total))
      }
      if good == 0 {
        // What is a shard's of a small split may well be a few samples, all of them broken.
        guard shard != nil, split != .train else {
          throw ArtifactError(
            file: path, path: "/\(split.rawValue)",
            reason: "not one of \(samples.count) samples is good"
              + (shard == nil ? "" : "; larger shards would have some"))
        }
        try writer.abandon(split)
      } else {
        result.add(good, to: split)
      }
    }
    try writer.finish(leftOut: result.bad - badBefore)
  }
}
