// bench: times single steps of our stages at the published size, for pipeline/bench/run.

import ArgumentParser
import Artifacts
import CDeflate
import Collectives
import CommandLine
import Datasets
import Foundation
import Graphs
import HDF5
import NetworkOptions
import Networks
import Sparsity
import Torch
import Training

@main
enum Main {
  static func main() { run(Bench.self, cleanUp: PartialFiles.removeAll) }
}

enum Work: String, ExpressibleByArgument, CaseIterable {
  case infer, score, train, update, merge, sparsity, load, augment, inflate
}

struct Bench: SharedCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench",
    abstract: "Print the seconds of each of a number of steps at the published size.",
    usage: "bench score --tasks 5 --steps 3 --precision bfloat16",
    discussion: """
      Several processes (mpirun -n N bench ..., or srun) divide the batches of train and update, and \
      take turns at those of score.
      """,
    version: version)

  @Argument(
    help: """
      infer (a batch's predictions), score, train, update (a step that drops and grows), merge (at a keep ratio), sparsity, load \
      (a batch from a file), augment (load with augmentation) or inflate (a batch's chunks by libdeflate).
      """)
  var work: Work
  @Option(help: "2 (seg, sn) or 5 tasks.") var tasks = 2
  @Option(help: "A model.h5 whose network, weights and masks to use.") var model: String?
  @Option(help: "Steps to time, after one to warm up.") var steps = 3
  @Option(help: "Images per batch.") var batchSize = 2
  @Option(help: "Rows and columns of an image.") var size = 160
  @Option(help: "A data set to use (default: rendered scenes).") var data: String?
  @OptionGroup var machine: MachineOptions
  @OptionGroup var processes: ProcessOptions
  @OptionGroup var engine: EngineOptions
  @OptionGroup var common: CommonOptions

  func run() throws {
    let group = try processes.join("bench")
    let machine = try machine.prepare(common, "bench")
    let rendered = FileManager.default.temporaryDirectory.path + "/disparse-bench-\(getpid()).h5"
    defer { unlink(rendered) }
    if data == nil { try render(to: rendered) }
    let path = data ?? rendered
    let dataset = try DatasetFile(opening: path)
    let (network, masks) = try network(for: dataset, on: machine)
    let timer = StepTimer()
    switch work {
    case .infer: try infer(network, masks, machine, timer)
    case .score, .train, .update:
      let source = try BatchSource(
        dataset, batchSize: batchSize, order: .shuffled, augments: false, crop: nil, seed: 1,
        places: work == .score ? nil : group.share(of: batchSize))
      if work == .score {
        _ = try scoreImportance(
          with: DenseEngine(network), tasks: TaskSet(dataset.tasks), on: source,
          settings: ScoringSettings(
            criterion: .static, joint: false, batches: (steps + 1) * group.size, machine: machine,
            seed: 1)
        ) { _ in timer.step(of: group.size) }
      } else {
        let schedule = DropSchedule(every: 1, until: steps + 2, dropRate: 0.5)
        let kind = try engine.engine.kind(
          for: network.graph, masks: masks, image: Extent(size, size), on: machine)
        let trainer = try Trainer(
          network, engine: kind, tasks: TaskSet(dataset.tasks), on: source, masks: masks,
          settings: TrainingSettings(
            steps: steps + 1, learningRate: 1e-4, weightDecay: 5e-4, decayEvery: nil, decay: 1,
            machine: machine.running(kind), seed: 1,
            dynamic: work == .update ? DynamicSettings(schedule: schedule) : nil))
        for _ in 0...steps {
          _ = try trainer.advance()
          timer.step()
        }
      }
    case .load, .augment:
      let loader = BatchLoader(
        try BatchSource(
          dataset, batchSize: batchSize, order: .shuffled, augments: work == .augment, crop: nil,
          seed: 1, prefetch: common.threadCount))
      for _ in 0..<common.threadCount { _ = try loader.next() }
      for _ in 0...steps {
        _ = try loader.next()
        timer.step()
      }
    case .inflate:
      try inflate(path, timer)
    case .merge, .sparsity:
      let network = prunableNetwork(of: network.graph)
      let scores = try network.tasks.indices.map {
        try Tensor.uniform(
          0, 1, shape: [network.count(ofTask: $0)],
          stream: RandomStream(seed: 1, .randomScores, index: $0)
        ).array(of: Float.self)
      }
      let target = work == .merge ? KeepTarget.keepRatio(0.08) : .sparsity(0.9)
      for _ in 0...steps {
        _ = try merge(network, MergeSettings(), targets: [target]) { $1 = scores[$0] }
        timer.step()
      }
    }
  }

  /// The model's, or the published network with masks at random; without any where the dense engine
  /// trains.
  private func network(for dataset: DatasetFile, on machine: Machine) throws -> (Network, [Mask]) {
    if let model {
      let file = try ModelFile(opening: model)
      return (try Network(file, on: machine.device), file.model.masks)
    }
    let architecture = try Architecture(
      SceneNet(
        stages: [3, 4, 6, 3], width: 64, headWidth: 1024, dropout: 0.5,
        heads: Head.of(dataset.tasks)))
    let isDense = work == .train && engine.engine == .dense
    return (
      try Network(architecture, seed: 1, on: machine.device),
      isDense ? [] : masks(of: architecture.graph)
    )
  }

  private func infer(_ network: Network, _ masks: [Mask], _ machine: Machine, _ timer: StepTimer)
    throws
  {
    let kind = try engine.engine.kind(
      for: network.graph, masks: masks, image: Extent(size, size), on: machine)
    let engine = try network.engine(kind, masks: masks)
    let pixels = (0..<batchSize * size * size * 3).map { UInt8(truncatingIfNeeded: $0 &* 167 >> 3) }
    let images = try Tensor(pixels, shape: [batchSize, size, size, 3])
    for _ in 0...steps {
      _ = try withoutGradients {
        try withPrecision(machine.running(kind).precision, on: machine.device) {
          try engine.predictions(for: network.normalized(images), training: false, using: nil)
        }.map { try $0.to(.float32).array(of: Float.self) }
      }
      timer.step()
    }
  }

  private func render(to path: String) throws {
    try writeSceneDataset(
      SceneDatasetOptions(
        counts: [(.train, 8)], size: PixelSize(height: size, width: size),
        tasks: Array(SceneTask.allCases.prefix(tasks)), seed: 1, threads: 1),
      to: path, provenance: Provenance(createdBy: "bench", command: "bench")
    ) { _, _ in }
  }

  /// Inflates the chunks of batches, which lie in memory, on all threads.
  private func inflate(_ path: String, _ timer: StepTimer) throws {
    let train = try File.open(path).root.group("train")
    var samples: [[(packed: [UInt8], size: Int)]] = []
    for index in 0..<(try train.dataset("image").shape.first ?? 0) {
      samples.append(
        try train.datasetNames().compactMap { name in
          let dataset = try train.dataset(name)
          guard let codec = try dataset.chunkCodec() else { return nil }
          return try dataset.readChunk(atRow: index).map { ($0, codec.count) }
        })
    }
    let threads = common.threadCount
    // As many batches at a time as there are threads, as the loader does.
    for round in 0...steps / threads {
      DispatchQueue.concurrentPerform(iterations: threads) { [batchSize, samples] thread in
        let decompressor = libdeflate_alloc_decompressor()
        defer { libdeflate_free_decompressor(decompressor) }
        for sample in 0..<batchSize {
          for chunk in samples[
            ((round * threads + thread) * batchSize + sample)
              % samples.count]
          {
            var values = [UInt8](repeating: 0, count: chunk.size)
            _ = libdeflate_zlib_decompress(
              decompressor, chunk.packed, chunk.packed.count, &values, chunk.size, nil)
          }
        }
      }
      timer.step(of: threads)
    }
  }

  /// Masks that keep a tenth, all over the place.
  private func masks(of graph: Graph) -> [Mask] {
    graph.prunable.map { parameter in
      Mask(
        parameter.name, shape: parameter.shape,
        (0..<parameter.count).map { $0 &* 2_654_435_761 % 10 == 0 ? 1 : 0 })
    }
  }
}

/// Prints the time since the step before; the first step is the warm-up.
private final class StepTimer {
  private var last: ContinuousClock.Instant?

  /// - Parameter count: of steps taken together.
  func step(of count: Int = 1) {
    let now = ContinuousClock.now
    if let last { writeLine("\((now - last) / .seconds(1) / Double(count))") }
    last = now
  }
}
