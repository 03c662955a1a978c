// prepare-data check: says what is in a file, or what is wrong with it.

import ArgumentParser
import Artifacts
import CommandLine
import Datasets
import Formatting

struct CheckCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "check",
    abstract: "Say what a file of these tools holds, or what is wrong with it.",
    usage: "prepare-data check [--verify] dataset.h5",
    discussion: """
      Takes a data set, of which every image and target is read, or scores, masks, a model, metrics \
      or predictions. --verify compares the content with the digest that the file carries.
      """,
    version: version)

  @Argument(help: "The file to check.") var file: String
  @Flag(help: "Compare the content with content_sha256.") var verify = false
  @OptionGroup var common: CommonOptions

  func run() throws {
    common.warnOfThreads(toolName)
    if verify { try verifyDigest() }
    let reader = try ArtifactReader(opening: file)
    let lines =
      reader.kind == .dataset
      ? try describeDataset(DatasetFile(opening: file)) : try summary(of: reader)
    for line in lines { common.say(line) }
  }

  private func verifyDigest() throws {
    let reader = try ArtifactReader(opening: file)
    let digest = try reader.verifiedDigest()
    common.say("\(file): \(reader.kind.rawValue) file, content_sha256 \(digest) verified")
  }

  private func describeDataset(_ dataset: DatasetFile) throws -> [String] {
    let shards = dataset.shards.isEmpty ? "" : " in \(dataset.shards.count) shards"
    var lines = ["\(file): dataset\(shards), \(dataset.tasks.count) tasks"]
    lines += dataset.tasks.map { task in
      let channels = task.channels == 1 ? "1 channel" : "\(task.channels) channels"
      return "  \(task.name): \(task.kind.rawValue), \(channels), "
        + "loss weight \(Format.number(task.lossWeight))"
    }
    for info in dataset.splits {
      lines.append(
        "  /\(info.split.rawValue): \(Format.count(info.count)) images of "
          + "\(info.height)×\(info.width)")
      let progress = Progress(
        "check \(info.split.rawValue)", total: info.count, quiet: common.quiet)
      var summaries = dataset.tasks.map(TargetSummary.init)
      let threads = min(common.threadCount, 64)
      let samples = OrderedWork(0..<info.count, threads: threads, ahead: 2 * threads) {
        try dataset.sample($0, of: info)
      }
      var done = 0
      while let sample = try samples.value() {
        for task in summaries.indices { summaries[task].add(sample.targets[task]) }
        done += 1
        progress.update(done)
      }
      progress.finish()
      lines += summaries.map { "    " + $0.line }
    }
    return lines
  }
}

/// What a split's targets of one task look like together.
private struct TargetSummary {
  private let task: DatasetTask
  private var pixels = 0
  private var valid = 0
  private var emptySamples = 0
  private var lowest = Float.infinity
  private var highest = -Float.infinity
  private var classes: Set<Int> = []

  init(_ task: DatasetTask) { self.task = task }

  mutating func add(_ target: TargetMap) {
    let channels = task.targetChannels
    let before = valid
    pixels += target.valid.count
    for pixel in target.valid.indices where target.valid[pixel] {
      valid += 1
      for value in target.values[pixel * channels..<(pixel + 1) * channels] {
        lowest = min(lowest, value)
        highest = max(highest, value)
      }
      if task.kind.storesClasses { classes.insert(Int(target.values[pixel])) }
    }
    if valid == before { emptySamples += 1 }
  }

  var line: String {
    var parts = ["\(Format.percent(Double(valid) / Double(pixels))) of pixels valid"]
    if valid > 0 {
      parts.append(
        task.kind.storesClasses
          ? "\(classes.count) of \(task.channels) classes occur"
          : "values \(Format.number(Double(lowest)))...\(Format.number(Double(highest)))")
    }
    if emptySamples > 0 { parts.append("\(emptySamples) samples without ground truth") }
    return "\(task.name): " + parts.joined(separator: ", ")
  }
}
