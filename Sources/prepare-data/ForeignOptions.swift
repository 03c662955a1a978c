// What the commands for foreign data sets share: their options, and the conversion.

import ArgumentParser
import Artifacts
import Collectives
import CommandLine
import Datasets
import Formatting

/// Numbers of shards, as 3 or 0-18; both ends are meant.
struct ShardRange: ExpressibleByArgument {
  let numbers: Range<Int>

  init?(argument: String) {
    let ends = argument.split(separator: "-", omittingEmptySubsequences: false).map { Int($0) }
    guard (1...2).contains(ends.count), let first = ends[0], let last = ends[ends.count - 1],
      first >= 0, last >= first, last < Int.max
    else { return nil }
    numbers = first..<last + 1
  }
}

struct ForeignOptions: ParsableArguments {
  @Option(help: "Broken samples to name and leave out before giving up.") var maxBad = 0
  @Option(
    help: """
      Samples per file, about: for d.h5, writes the shards d-shard-000.h5, …, and as d.h5 a small \
      file that shows them as one. Several processes (mpirun, srun) write a part of them each.
      """)
  var shardSize: Int?
  @Option(help: "Write these shards only, as 0-18; the others elsewhere (default: all).")
  var shards: ShardRange?
  @Flag(
    help: """
      Keep shards that are there already, made of the same samples with the same options; check \
      --verify tells whether one is damaged.
      """)
  var resume = false

  func validate() throws {
    guard maxBad >= 0 else { throw ValidationError("--max-bad \(maxBad): must be at least 0") }
    if let shardSize, shardSize < 1 {
      throw ValidationError("--shard-size \(shardSize): must be at least 1")
    }
    if shardSize == nil, shards != nil { throw ValidationError("--shards needs --shard-size") }
    if shardSize == nil, resume { throw ValidationError("--resume needs --shard-size") }
  }
}

/// Converts a foreign data set and says what came of it.
///
/// - Parameters:
///   - dataset: read as soon as errors reach all processes.
///   - options: the command and what its options stand for, where that shapes the samples.
func writeDataset(
  _ dataset: @autoclosure () throws -> any ForeignDataset, options: [String],
  _ foreign: ForeignOptions, _ common: CommonOptions, _ output: OutputOptions
) throws {
  // Nobody knows how long another one's shards take, so they wait for each other without end.
  let group = try ProcessGroup.join(as: toolName, timeout: .seconds(1_000_000_000))
  if group.size > 1, foreign.shardSize == nil {
    throw OptionError(
      "--shard-size", "\(group.size) processes need it, since each writes shards of its own")
  }
  let dataset = try dataset()
  common.warnOfThreads(toolName)
  try OutputFile.check(output.output, .artifact(.dataset), inputs: dataset.tables)
  let settings = ConversionSettings(threads: common.threadCount, maxBad: foreign.maxBad)
  var provenance = Provenance(
    createdBy: "\(toolName) \(version)", command: recordedCommandLine(without: ["--resume"]))
  for table in dataset.tables { try provenance.add(file: table) }
  var progress: Progress?
  func report(_ event: ConversionEvent) {
    switch event {
    case .progress(let done, let total):
      let bar = progress ?? Progress("prepare", total: total, quiet: common.quiet)
      progress = bar
      bar.update(done, "\(bar.perSecond(done)) images/s")
    case .bad(let sample, let reason):
      let line = "left out \(sample): \(reason)"
      if group.isFirst { common.warn(toolName, line) } else { group.tell("warning: " + line) }
    }
  }
  let path = output.output
  var shardCount = 0
  var result: Conversion
  if let shardSize = foreign.shardSize {
    // Where the files lie and who works on what make no difference to the samples; of tables it is
    // the content that does.
    let plan = ShardPlan(
      dataset, size: shardSize, settings: [version] + options + provenance.inputs.map(\.sha256))
    shardCount = plan.count
    let chosen = foreign.shards?.numbers ?? 0..<plan.count
    guard chosen.upperBound <= plan.count else {
      throw OptionError(
        "--shards \(chosen.lowerBound)-\(chosen.upperBound - 1)",
        "there are only \(plan.count) shards of about \(shardSize) samples")
    }
    let mine = group.share(of: chosen.count)
    func convertShards(_ numbers: Range<Int>, writesMaster: Bool) throws -> Conversion {
      try convert(
        dataset, to: path, shards: plan, chosen: numbers, keepsDone: foreign.resume,
        writesMaster: writesMaster, settings: settings, provenance: provenance, report: report)
    }
    result = try convertShards(
      chosen.lowerBound + mine.lowerBound..<chosen.lowerBound + mine.upperBound,
      writesMaster: group.size == 1)
    if group.size > 1 {
      result.sum(over: group.sum)
      guard result.bad <= foreign.maxBad else {
        throw OptionError("--max-bad \(foreign.maxBad)", "\(result.bad) samples are broken")
      }
      // All shards are there now.
      guard group.isFirst else { return }
      result.missingShards = try convertShards(0..<0, writesMaster: true).missingShards
    }
  } else {
    result = try convert(
      dataset, to: path, settings: settings, provenance: provenance, report: report)
  }
  progress?.finish()
  let counts = result.written.map { "/\($0.split.rawValue) \(Format.count($0.count))" }
  var parts =
    counts.isEmpty
    ? []
    : [
      counts.joined(separator: ", ")
        + " images of \(dataset.size.height)×\(dataset.size.width), "
        + dataset.tasks.map(\.name).joined(separator: ",")
    ]
  if result.keptShards > 0 {
    parts.append("\(result.keptShards) \(result.keptShards == 1 ? "shard" : "shards") kept")
  }
  if result.bad > 0 { parts.append("\(result.bad) broken samples left out") }
  if let progress {
    let total = result.written.reduce(0) { $0 + $1.count }
    parts.append("\(progress.perSecond(total)) images/s")
  }
  common.say("\(path): " + parts.joined(separator: "; "))
  if !result.missingShards.isEmpty {
    common.say(
      "\(path): not written yet, \(result.missingShards.count) of \(shardCount) shards are missing")
  } else if shardCount > 0 {
    common.say("\(path): shows \(shardCount) shards as one data set")
  }
}
