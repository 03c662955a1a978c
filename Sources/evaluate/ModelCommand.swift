// evaluate --data --model: the metrics of one model.

import ArgumentParser
import Artifacts
import CommandLine
import Datasets
import Formatting
import NetworkOptions
import Networks
import Reporting
import Training

extension Split: ExpressibleByArgument {}
extension Upsampling: ExpressibleByArgument {}

struct ModelCommand: SharedCommand {
  static let configuration = CommandConfiguration(
    commandName: "model",
    abstract: "Measure one model; this is what evaluate does without a subcommand.",
    usage: "evaluate --data dataset.h5 --model model.h5 --split validation -o metrics.h5",
    discussion: """
      Predictions are brought to the ground truth's resolution. Metrics that the published code \
      averages per image are means over batches; --batch-size 1 compares with its tables.

      The time per image is measured at the end on at most four images at once, by the dense engine \
      and, where the model has masks and the network runs on the CPU, by the sparse one. \
      Under SOURCE_DATE_EPOCH nothing is timed.

      Several processes (mpirun -n N evaluate ..., or srun) share the images out.

      Besides the metrics the file holds what the page shows: samples, layers, how the model was \
      trained, and the commands behind its inputs, as far as these files still lie where they were \
      or beside the file that names them.
      """,
    version: version)

  @Option(help: "The data set.") var data: String
  @Option(help: "The model.") var model: String
  @Option(help: "The images to use: train, validation or test.") var split = Split.validation
  @Option(help: "Images per batch.") var batchSize = 1
  @Option(help: "How predictions are enlarged: nearest (as published) or bilinear.")
  var upsample = Upsampling.nearest
  @Option(help: "Images to keep with targets and predictions for the report.") var samples = 6
  @Flag(inversion: .prefixedNo, help: "Measure the time per image, too.") var timing = true
  @Option(help: "Also write an HTML page.") var report: String?
  @OptionGroup var machine: MachineOptions
  @OptionGroup var processes: ProcessOptions
  @OptionGroup var engine: EngineOptions
  @OptionGroup var common: CommonOptions
  @OptionGroup var output: OutputOptions

  func validate() throws {
    guard (1...100_000).contains(batchSize) else {
      throw ValidationError("--batch-size \(batchSize): must be in 1...100000")
    }
    if let report, [output.output, data, model].contains(where: { OutputFile.isSame($0, report) }) {
      throw ValidationError("--report \(report): is another file of this run")
    }
    guard (0...1000).contains(samples) else {
      throw ValidationError("--samples \(samples): must be in 0...1000")
    }
  }

  func run() throws {
    let group = try processes.join(toolName)
    func checkOutputs(against inputs: [String]) throws {
      guard group.isFirst else { return }
      try OutputFile.check(output.output, .artifact(.metrics), inputs: inputs)
      if let report { try OutputFile.check(report, .page, inputs: inputs) }
    }
    try checkOutputs(against: [data, model])
    let machine = try machine.prepare(common, toolName)
    let dataset = try DatasetFile(opening: data)
    try checkOutputs(against: dataset.shards)
    let file = try ModelFile(opening: model)
    var provenance = Provenance(createdBy: "\(toolName) \(version)", command: commandLine)
    try provenance.add(dataset.reader)
    try provenance.add(file.reader)
    try group.check(provenance)
    let total = try dataset.info(split).count
    let progress = Progress("evaluate", total: total, quiet: common.quiet)
    var kind = EngineKind.dense
    var metrics = try evaluate(
      file, on: dataset,
      settings: EvaluationSettings(
        split: split, batchSize: batchSize, upsampling: upsample, samples: samples,
        machine: machine, engine: engine.engine, measuresTime: timing),
      chosen: { engine in
        kind = engine.kind
        if self.engine.plan { writeLine(engine.planTable) }
      },
      progress: { progress.update($0) })
    progress.finish()
    guard group.isFirst else { return }
    metrics.lineage = Lineage.following(provenance.inputs)
    try MetricsFile.write(output.output, metrics, provenance: provenance)
    let comparison = try Comparison([try EvaluatedModel(opening: output.output)])
    if let report {
      try write(try Report(comparison, command: commandLine).page(), to: report, common)
    }
    common.say(comparison.text(inColour: Terminal.showsColour))
    common.say(
      "\(output.output): \(Format.count(total)) images of /\(split.rawValue), \(kind.rawValue) engine"
    )
  }
}
