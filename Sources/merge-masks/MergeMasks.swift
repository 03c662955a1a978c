// merge-masks: the tasks' scores in; one mask for the whole network out.

import ArgumentParser
import Artifacts
import CommandLine
import Formatting
import Foundation
import Graphs
import Sparsity
import Training

let toolName = "merge-masks"

@main
enum Main {
  static func main() { run(MergeMasks.self, cleanUp: PartialFiles.removeAll) }
}

extension MaskSlice {
  fileprivate init(_ slice: (layer: PrunableLayer, values: ArraySlice<UInt8>)) {
    self.init(name: slice.layer.name, shape: slice.layer.shape, values: slice.values)
  }
}

extension Distribution: ExpressibleByArgument {}

extension Arbiter: ExpressibleByArgument {
  public init?(argument: String) { self.init(argument) }
}

extension GroupPattern: ExpressibleByArgument {
  public init?(argument: String) { self.init(argument) }
}

/// Numbers separated by commas, kept as they were written for the names of files.
struct SparsityList: ExpressibleByArgument {
  let entries: [(text: String, value: Double)]

  init?(argument: String) {
    let parts = argument.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    let entries = parts.compactMap { text in Double(text).map { (text, $0) } }
    guard entries.count == parts.count else { return nil }
    self.entries = entries
  }
}

struct MergeMasks: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: toolName,
    abstract: "Let every task choose its weights, and an arbiter settle the shared ones.",
    usage: "merge-masks scores.h5 --sparsity 0.9 -o masks.h5",
    discussion: """
      With --sparsity the merged network meets the target to the weight; with --keep-ratio each \
      task keeps that share of its own network, and the sparsity follows from how far the tasks \
      agree. The arbiter union keeps a shared weight that any task wants. Several sparsities \
      (0.5,0.9) rank once and write a file each: masks-0.5.h5, masks-0.9.h5.

      --split-at lets the tasks part at a layer: the shared layers that its result reaches, itself \
      included, are copied for each task, and each copy has that task's own mask; the arbiter \
      settles what they share before. watershed is the layer where their agreement falls most, at \
      each sparsity its own. With --sparsity the split network keeps as many weights as the network \
      before the split would; the sparsity that is printed is counted over the larger split network.
      """,
    version: version)

  @Argument(help: "The scores.") var scores: String
  // Unconditional, so that a negative number is read as the value, and refused as such.
  @Option(
    parsing: .unconditional,
    help: "Share of the merged network's prunable weights to prune, in [0, 1), or several.")
  var sparsity: SparsityList?
  @Option(
    parsing: .unconditional, help: "Share of its own network that each task keeps, in (0, 1].")
  var keepRatio: Double?
  @Option(
    help: """
      N:M, as 2:4: keep N of every M consecutive input channels' weights; other layers stay dense.
      """)
  var pattern: GroupPattern?
  @Option(help: "Who must want a shared weight: union, intersection, majority or at-least:M.")
  var arbiter = Arbiter.union
  @Option(
    help: """
      How the weights spread over the layers: global ranks a task's whole network, uniform and erk \
      (Erdős–Rényi kernel) rank within each layer.
      """)
  var distribution = Distribution.global
  @Option(help: "Share of its weights that every layer keeps at least, in [0, 1].")
  var minLayerDensity = 0.0
  @Option(help: "Give each task its own copies from a layer on: watershed, or the layer's name.")
  var splitAt: String?
  @OptionGroup var common: CommonOptions
  @OptionGroup var output: OutputOptions

  func validate() throws {
    let ways = [sparsity != nil, keepRatio != nil, pattern != nil].count { $0 }
    if ways != 1 { throw ValidationError("give one of --sparsity, --keep-ratio and --pattern") }
    if pattern != nil, minLayerDensity > 0 {
      throw ValidationError("--min-layer-density goes with --sparsity or --keep-ratio")
    }
    guard minLayerDensity >= 0, minLayerDensity <= 1 else {
      throw ValidationError("--min-layer-density \(minLayerDensity): must lie in [0, 1]")
    }
    if let sparsity, Set(sparsity.entries.map(\.value)).count < sparsity.entries.count {
      let list = sparsity.entries.map(\.text).joined(separator: ",")
      throw ValidationError("--sparsity \(list): gives a sparsity twice")
    }
  }

  func run() throws {
    _ = try Machine.prepare(device: .cpu, precision: .float32, threads: common.threads)
    common.warnOfThreads(toolName)
    let targets = try targets()
    for target in targets {
      try OutputFile.check(target.path, .artifact(.masks), inputs: [scores])
    }
    let file = try ScoresFile(opening: scores)
    let architecture = try Architecture(json: file.header.architecture, in: file.reader)
    let network = ScoredNetwork(architecture, isJoint: file.header.joint)
    try check(network.prunable, file)
    for task in network.prunable.tasks.indices {
      try file.check(
        ofTask: network.prunable.tasks[task], layers: network.scoredLayers(ofTask: task))
    }
    let networks = try networks(network, targets, file)
    // One ranking serves all targets of a network.
    var results: [MergedMasks?] = targets.map { _ in nil }
    for first in targets.indices where results[first] == nil {
      let same = targets.indices.filter { networks[$0].splitAt == networks[first].splitAt }
      let masks = try merge(
        networks[first], same.map { networks[$0].target(targets[$0].target, of: network) }, file)
      for (index, masks) in zip(same, masks) { results[index] = masks }
    }
    let merged = results.compactMap { $0 }
    for (masks, (network, target)) in zip(merged, zip(networks, targets)) {
      try checkPaths(masks, of: network.architecture, target.target, file)
    }
    for (masks, (network, target)) in zip(merged, zip(networks, targets)) {
      try write(masks, of: network, to: target.path, sparsityTarget: target.sparsity, file)
    }
  }

  /// Refuses scores and options that do not belong to the network.
  private func check(_ network: PrunableNetwork, _ scores: ScoresFile) throws {
    guard Set(try scores.tasks()) == Set(network.tasks) else {
      throw scores.reader.error(
        "/scores",
        "has the tasks \(try scores.tasks().joined(separator: ", ")), but its architecture is for "
          + network.tasks.sorted().joined(separator: ", "))
    }
    if case .atLeast(let votes) = arbiter, votes > network.tasks.count {
      throw OptionError(
        "--arbiter \(arbiter)", "there are only \(network.tasks.count) tasks to vote")
    }
    if let splitAt {
      if scores.header.joint {
        throw OptionError(
          "--split-at \(splitAt)", "\(self.scores) has joint scores, which tell no tasks apart")
      }
      if network.tasks.count == 1 {
        throw OptionError("--split-at \(splitAt)", "there is only one task")
      }
    }
  }

  /// The network that each target is for: the scored one, or that one split.
  private func networks(_ network: ScoredNetwork, _ targets: [Target], _ scores: ScoresFile) throws
    -> [ScoredNetwork]
  {
    guard let splitAt else { return targets.map { _ in network } }
    func split(at layer: String) throws -> ScoredNetwork {
      do {
        return try network.split(at: layer)
      } catch let error as GraphError {
        throw OptionError("--split-at \(splitAt)", "the network \(error.description)")
      }
    }
    guard splitAt == "watershed" else {
      let names = network.prunable.layers.map(\.name)
      let layer = names.contains(splitAt) ? splitAt : splitAt + ".weight"
      let split = try split(at: names.contains(layer) ? layer : splitAt)
      return targets.map { _ in split }
    }
    return try merge(network, targets.map(\.target), scores).map { masks in
      guard let watershed = Agreement(of: masks).watershed else {
        throw OptionError(
          "--split-at watershed", "the tasks' agreement falls nowhere; name a layer")
      }
      return try split(at: watershed.name)
    }
  }

  /// Masks of a network for each target, or for the pattern.
  private func merge(_ network: ScoredNetwork, _ targets: [KeepTarget], _ scores: ScoresFile) throws
    -> [MergedMasks]
  {
    let settings = MergeSettings(
      arbiter: arbiter, distribution: distribution, minimumLayerDensity: minLayerDensity)
    let prunable = network.prunable
    let layers = prunable.tasks.indices.map(network.scoredLayers(ofTask:))
    func taskScores(_ task: Int, _ memory: inout [Float]) throws {
      try scores.read(ofTask: prunable.tasks[task], layers: layers[task], into: &memory)
    }
    do {
      return
        if let pattern
      {
        [try Sparsity.merge(prunable, settings, pattern: pattern, scores: taskScores)]
      } else {
        try Sparsity.merge(prunable, settings, targets: targets, scores: taskScores)
      }
    } catch let error as SparsityError {
      throw scores.reader.error("", error.description)
    }
  }

  private typealias Target = (target: KeepTarget, sparsity: Double?, path: String)

  /// What to write where. A pattern has a file, but no target.
  private func targets() throws -> [Target] {
    if let entries = sparsity?.entries {
      for (text, value) in entries where !(value >= 0 && value < 1) {
        throw OptionError("--sparsity \(text)", "must lie in [0, 1)")
      }
      return entries.map { text, value in
        (
          .sparsity(value), value,
          entries.count == 1
            ? output.output : OutputFile.path(beside: output.output, "-\(text)")
        )
      }
    }
    let ratio = keepRatio ?? 1
    guard ratio > 0, ratio <= 1 else {
      throw OptionError("--keep-ratio \(ratio)", "must lie in (0, 1]")
    }
    return [(.keepRatio(ratio), nil, output.output)]
  }

  /// Refuses masks under which a task's prediction no longer depends on the image.
  private func checkPaths(
    _ masks: MergedMasks, of architecture: Architecture, _ target: KeepTarget, _ scores: ScoresFile
  ) throws {
    let layers = slices(masks.merged, by: masks.network.layers).map { ($0.layer.name, $0.values) }
    let tasks = try architecture.graph.tasksWithoutPath(Dictionary(uniqueKeysWithValues: layers))
    guard !tasks.isEmpty else { return }
    let choice = pattern.map { "pattern \($0)" } ?? target.description
    throw scores.reader.error(
      "",
      "at \(choice) no kept weights lead from the image to the prediction of "
        + (tasks.count == 1 ? "task " : "tasks ") + tasks.joined(separator: ", "))
  }

  private func write(
    _ masks: MergedMasks, of scored: ScoredNetwork, to path: String, sparsityTarget: Double?,
    _ scores: ScoresFile
  ) throws {
    let network = scored.prunable
    let agreement = Agreement(of: masks)
    var provenance = Provenance(
      createdBy: "\(toolName) \(version)", command: commandLine, seed: scores.header.seed)
    try provenance.add(scores.reader)
    try MasksFile.write(
      path,
      MasksHeader(
        arbiter: arbiter.description,
        distribution: pattern?.description ?? distribution.rawValue,
        sparsityTarget: sparsityTarget, sparsity: masks.sparsity, keepRatio: masks.keepRatio,
        architecture: scored.architecture.json, modelDigest: scores.header.modelDigest,
        seed: scores.header.seed, splitAt: scored.splitAt),
      masks: slices(masks.merged, by: network.layers).map(MaskSlice.init),
      taskMasks: network.tasks.enumerated().map { task, name in
        let layers = network.layers(ofTask: task)
        return (name, slices(masks.tasks[task], by: layers).map(MaskSlice.init))
      },
      layers: table(agreement, network), provenance: provenance)
    for dead in agreement.layers where dead.kept == 0 {
      common.warn(toolName, "layer \(dead.layer.name) lost all its weights")
    }
    common.say(summary(masks, agreement, path, splitAt: scored.splitAt))
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

  /// Layers that lost all their weights are red; so is where the tasks' agreement falls most.
  private func style(
    _ layers: [LayerSummary], _ agreement: Agreement, row: Int, column: Int
  ) -> TextStyle? {
    guard row > 0 else { return .header }
    let summary = layers[row - 1]
    if summary.kept == 0 { return .worse }
    let isLast = column == summary.taskDensities.count + 2
    return isLast && summary.layer.name == agreement.watershed?.name ? .worse : nil
  }

  private func summary(
    _ masks: MergedMasks, _ agreement: Agreement, _ path: String, splitAt: String?
  ) -> String {
    let network = masks.network
    var lines: [String] = []
    let backbone = agreement.layers.filter(\.layer.isShared)
    if network.tasks.count > 1, !backbone.isEmpty {
      let rows = backbone.map { row in
        [row.layer.name, Format.percent(row.density)] + row.taskDensities.map(Format.percent)
          + [row.iou.isNaN ? "–" : Format.fixed(row.iou, 3)]
      }
      let header = ["backbone layer", "kept"] + network.tasks + ["IoU"]
      lines.append(
        Format.table(
          [header] + rows,
          style: Terminal.showsColour ? { style(backbone, agreement, row: $0, column: $1) } : nil))
      let watershed = agreement.watershed.map { ", watershed at \($0.name)" } ?? ""
      lines.append(
        "agreement of the tasks on the backbone: IoU \(Format.fixed(agreement.totalIoU, 3))"
          + watershed)
    }
    if let splitAt { lines.append("the tasks part at \(splitAt), and have copies from there on") }
    lines.append(
      "\(path): sparsity \(Format.percent(masks.sparsity)), kept \(Format.count(masks.kept)) of "
        + "\(Format.count(network.count)) weights; each task keeps \(range(agreement.taskShares)) "
        + "of its network")
    return lines.joined(separator: "\n")
  }

  /// 10.0 %, or 9.8–10.2 % where shares differ in what is printed.
  private func range(_ shares: [Double]) -> String {
    guard let least = shares.min(), let most = shares.max() else { return "nothing" }
    let (low, high) = (Format.percent(least), Format.percent(most))
    return low == high ? high : low.dropLast(" %".count) + "–" + high
  }
}
