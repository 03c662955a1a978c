// merge-masks: the tasks' scores in; one mask for the whole network out.

import ArgumentParser
import Artifacts
import CommandLine
import Formatting
import Foundation
import Networks
import Sparsity
import Training

let toolName = "merge-masks"

@main
enum Main {
  static func main() { run(MergeMasks.self, cleanUp: PartialFiles.removeAll) }
}

enum Distribution: String, ExpressibleByArgument, CaseIterable {
  case global
}

extension Arbiter: ExpressibleByArgument {
  public init?(argument: String) { self.init(argument) }
}

struct MergeMasks: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: toolName,
    abstract: "Let every task choose its weights, and an arbiter settle the shared ones.",
    usage: "merge-masks scores.h5 --sparsity 0.9 -o masks.h5",
    discussion: """
      With --sparsity the merged network meets the target to the weight; with --keep-ratio each \
      task keeps that share of its own network, and the sparsity follows from how far the tasks \
      agree. The arbiter union keeps a shared weight that any task wants.
      """,
    version: version)

  @Argument(help: "The scores.") var scores: String
  // Unconditional, so that a negative number is read as the value, and refused as such.
  @Option(
    parsing: .unconditional,
    help: "Share of the merged network's prunable weights to prune, in [0, 1).")
  var sparsity: Double?
  @Option(
    parsing: .unconditional, help: "Share of its own network that each task keeps, in (0, 1].")
  var keepRatio: Double?
  @Option(help: "Who must want a shared weight: union, intersection, majority or at-least:M.")
  var arbiter = Arbiter.union
  @Option(help: "How the weights spread over the layers: global ranks a task's whole network.")
  var distribution = Distribution.global
  @OptionGroup var common: CommonOptions
  @OptionGroup var output: OutputOptions

  func validate() throws {
    if (sparsity == nil) == (keepRatio == nil) {
      throw ValidationError("give either --sparsity or --keep-ratio")
    }
  }

  private func target() throws -> KeepTarget {
    if let sparsity {
      guard sparsity >= 0, sparsity < 1 else {
        throw OptionError("--sparsity \(sparsity)", "must lie in [0, 1)")
      }
      return .sparsity(sparsity)
    }
    let ratio = keepRatio ?? 1
    guard ratio > 0, ratio <= 1 else {
      throw OptionError("--keep-ratio \(ratio)", "must lie in (0, 1]")
    }
    return .keepRatio(ratio)
  }

  func run() throws {
    let target = try target()
    let file = try ScoresFile(opening: scores)
    let architecture = try Architecture(json: file.header.architecture, in: file.reader)
    let network = prunableNetwork(of: architecture)
    guard Set(try file.tasks()) == Set(network.tasks) else {
      throw file.reader.error(
        "/scores",
        "has the tasks \(try file.tasks().joined(separator: ", ")), but its architecture is for "
          + network.tasks.sorted().joined(separator: ", "))
    }
    if case .atLeast(let votes) = arbiter, votes > network.tasks.count {
      throw OptionError(
        "--arbiter \(arbiter)", "there are only \(network.tasks.count) tasks to vote")
    }
    let critical = try network.tasks.enumerated().map { task, name in
      try criticalKeepRatios(
        of: try file.scores(
          ofTask: name, layers: network.layers(ofTask: task).map { ($0.name, $0.shape) }))
    }
    let masks = try merge(critical, of: network, arbiter: arbiter, target: target)
    let agreement = Agreement(of: masks)
    var provenance = Provenance(
      createdBy: "\(toolName) \(version)", command: commandLine, seed: file.header.seed)
    try provenance.add(file.reader)
    try MasksFile.write(
      output.output,
      MasksHeader(
        arbiter: arbiter.description, distribution: distribution.rawValue,
        sparsityTarget: sparsity, sparsity: masks.sparsity, keepRatio: masks.keepRatio,
        architecture: file.header.architecture, modelDigest: file.header.modelDigest,
        seed: file.header.seed),
      masks: namedMasks(masks.merged, network.layers),
      taskMasks: network.tasks.enumerated().map { task, name in
        (name, namedMasks(masks.tasks[task], network.layers(ofTask: task)))
      },
      layers: table(agreement, network), provenance: provenance)

    for layer in masks.deadLayers {
      common.warn(toolName, "layer \(layer.name) lost all its weights")
    }
    common.say(summary(masks, agreement))
  }

  private func namedMasks(_ values: [UInt8], _ layers: [PrunableLayer]) -> [Mask] {
    slices(values, by: layers).map { Mask($0.layer.name, shape: $0.layer.shape, Array($0.values)) }
  }

  private func table(_ agreement: Agreement, _ network: PrunableNetwork) -> LayerTable {
    LayerTable(
      tasks: network.tasks,
      rows: agreement.layers.map {
        LayerTable.Row(
          name: $0.layer.name, weights: $0.layer.count, kept: $0.kept, iou: $0.iou,
          taskDensities: $0.taskDensities)
      },
      totalIoU: agreement.totalIoU, watershed: agreement.watershed?.name)
  }

  private func summary(_ masks: MergedMasks, _ agreement: Agreement) -> String {
    let watershed = agreement.watershed.map { ", watershed at \($0.name)" } ?? ""
    return """
      \(output.output): sparsity \(Format.percent(masks.sparsity)), kept \
      \(Format.count(masks.kept)) of \(Format.count(masks.network.count)) weights; each task keeps \
      \(Format.percent(masks.keepRatio)) of its network
      agreement of the tasks on the backbone: IoU \(Format.fixed(agreement.totalIoU, 3))\(watershed)
      """
  }
}
