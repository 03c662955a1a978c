// What the commands for foreign data sets share: their options, and the conversion.

import ArgumentParser
import Artifacts
import CommandLine
import Datasets
import Formatting

struct ForeignOptions: ParsableArguments {
  @Option(help: "Broken samples to name and leave out before giving up.") var maxBad = 0

  func validate() throws {
    guard maxBad >= 0 else { throw ValidationError("--max-bad \(maxBad): must be at least 0") }
  }
}

/// Converts a foreign data set and says what came of it.
func writeDataset(
  _ dataset: any ForeignDataset, _ foreign: ForeignOptions, _ common: CommonOptions,
  _ output: OutputOptions
) throws {
  let total = dataset.splits.reduce(0) { $0 + $1.names.count }
  let progress = Progress("prepare", total: total, quiet: common.quiet)
  let (written, bad) = try convert(
    dataset, to: output.output,
    settings: ConversionSettings(threads: common.threadCount, maxBad: foreign.maxBad),
    provenance: Provenance(createdBy: "\(toolName) \(version)", command: commandLine)
  ) { event in
    switch event {
    case .progress(let done, _):
      progress.update(done, "\(Int(Double(done) / progress.seconds)) images/s")
    case .bad(let sample, let reason):
      common.warn(toolName, "left out \(sample): \(reason)")
    }
  }
  progress.finish()
  let counts = written.map { "/\($0.split.rawValue) \(Format.count($0.count))" }
  common.say(
    "\(output.output): \(counts.joined(separator: ", ")) images of "
      + "\(dataset.size.height)×\(dataset.size.width), "
      + "\(dataset.tasks.map(\.name).joined(separator: ","))"
      + (bad > 0 ? "; \(bad) broken samples left out" : "")
      + ", \(Int(Double(total) / progress.seconds)) images/s")
}
