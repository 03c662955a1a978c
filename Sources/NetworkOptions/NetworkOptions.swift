// Option groups of the tools in which a network runs, and what they stand for.

import ArgumentParser
import Artifacts
import Collectives
import CommandLine
import Datasets
import Graphs
import Networks
import Torch
import Training

extension DeviceChoice: ExpressibleByArgument {
  public init?(argument: String) { self.init(argument) }
}

public enum PrecisionChoice: String, ExpressibleByArgument, CaseIterable, Sendable {
  case float32, bfloat16, auto

  /// Nil to let the device decide.
  var precision: Precision? {
    switch self {
    case .float32: .float32
    case .bfloat16: .bfloat16
    case .auto: nil
    }
  }
}

extension SampleOrder: ExpressibleByArgument {}
extension PixelSize: ExpressibleByArgument {}

extension EngineChoice: ExpressibleByArgument {}

/// Where a network runs.
public struct MachineOptions: ParsableArguments {
  @Option(
    help: """
      Where the network runs: cpu, cuda (a GPU, by the process's number on its machine), cuda:N, or \
      auto: a GPU where there is one. Not yet tried on any GPU.
      """)
  public var device = DeviceChoice.cpu

  @Option(
    help: """
      Arithmetic of the network: float32, bfloat16 where that is safe (the sparse engine: gradients of \
      weights), or auto: bfloat16 where the processor or GPU is faster in it.
      """)
  public var precision = PrecisionChoice.auto

  public init() {}

  /// Settles the process's threads and memory, and says what will be slow.
  public func prepare(_ common: CommonOptions, _ tool: String) throws -> Machine {
    common.warnOfThreads(tool)
    let machine = try Machine.prepare(
      device: device, precision: precision.precision, threads: common.threadCount,
      localRank: Launch.current.localRank)
    if precision == .bfloat16, !machine.device.isFasterInBFloat16 {
      common.warn(
        tool, "--precision bfloat16: this processor is slower in it than in float32")
    }
    return machine
  }
}

/// What runs a network.
public struct EngineOptions: ParsableArguments {
  @Option(
    help: """
      What runs the network: dense, sparse (pruned weights cost no time; on the CPU), or \
      auto: sparse where the masks keep no more than half of the multiply-adds.
      """)
  public var engine = EngineChoice.auto

  @Flag(help: "Print first how the engine runs each layer.")
  public var plan = false

  public init() {}
}

/// The other processes of a run, where a launcher started them.
public struct ProcessOptions: ParsableArguments {
  @Option(
    help: """
      Of several processes (mpirun, srun): seconds to wait for one that does not answer before the \
      run is given up.
      """)
  public var processTimeout = 300

  public init() {}

  public func validate() throws {
    guard (1...1_000_000).contains(processTimeout) else {
      throw ValidationError("--process-timeout \(processTimeout): must be in 1...1000000")
    }
  }

  /// Joins the others. Before that nothing is read, so that an error reaches all.
  public func join(_ tool: String) throws -> ProcessGroup {
    try .join(as: tool, timeout: .seconds(processTimeout))
  }
}

extension ProcessGroup {
  /// - Throws: ``OptionError`` naming a process that read other files than the first one.
  public func check(_ provenance: Provenance) throws {
    try check(
      provenance.inputs.map(\.sha256).joined(), "its input files are not those of process 0")
  }

  /// Processors may differ from host to host, and with them what `auto` stands for.
  ///
  /// - Throws: ``OptionError`` naming a process that would calculate otherwise than the first one.
  public func check(_ kind: EngineKind, on machine: Machine) throws {
    try check(
      "\(machine.device == .cpu) \(machine.precision) \(kind)",
      "calculates otherwise than process 0: say which --device and --precision")
  }

  private func check(_ text: String, _ reason: String) throws {
    if let other = dissenter(text.utf8.reduce(0) { $0 &* 31 &+ UInt64($1) }) {
      throw OptionError(name(ofProcess: other), reason)
    }
  }
}

/// A network to build; its heads follow from the data set's tasks.
public struct ArchitectureOptions: ParsableArguments {
  @Option(
    help: """
      The network to build: \(Architecture.builders.map { $0.name }.joined(separator: ", ")).
      """)
  public var architecture = SceneNet.name

  @Option(
    help: "Residual blocks per stage of a scene-net (3,4,6,3 is ResNet-34).")
  public var stages: IntegerList?

  @Option(help: "What is under the heads of a deeplab (default: resnet-50).")
  public var backbone: ResNet?

  @Option(
    help: "Channels of the first stage (default: as published; 64, of a mobilenet-v2 32).")
  public var width: Int?

  @Option(help: "Channels inside each head (default: of a scene-net 1024, else 256).")
  public var headWidth: Int?

  public init() {}

  public func validate() throws {
    do {
      _ = try architecture(for: [Head(task: "any", channels: 1)], dropout: 0)
    } catch let error as ArchitectureError {
      throw ValidationError("\(error)")
    }
  }

  /// - Parameter dropout: nil for the architecture's default.
  public func architecture(for tasks: [DatasetTask], dropout: Double?) throws -> Architecture {
    try architecture(for: Head.of(tasks), dropout: dropout)
  }

  private func architecture(for heads: [Head], dropout: Double?) throws -> Architecture {
    func refuse(_ option: String, _ isGiven: Bool) throws {
      if isGiven { throw ValidationError("\(option) is no setting of \(architecture)") }
    }
    if architecture != SceneNet.name { try refuse("--stages", stages != nil) }
    if architecture != DeepLab.name { try refuse("--backbone", backbone != nil) }
    if architecture == UNet.name { try refuse("--head-width", headWidth != nil) }
    switch architecture {
    case SceneNet.name:
      return try Architecture(
        SceneNet(
          stages: stages?.values ?? [3, 4, 6, 3], width: width ?? 64, headWidth: headWidth ?? 1024,
          dropout: dropout ?? 0.5, heads: heads))
    case DeepLab.name:
      return try Architecture(
        DeepLab(
          backbone: backbone ?? .resNet50, width: width ?? 64, headWidth: headWidth ?? 256,
          dropout: dropout ?? 0.5, heads: heads))
    case MobileNetV2.name:
      return try Architecture(
        MobileNetV2(
          width: width ?? 32, headWidth: headWidth ?? 256, dropout: dropout ?? 0.5, heads: heads))
    case UNet.name:
      return try Architecture(UNet(width: width ?? 64, dropout: dropout ?? 0, heads: heads))
    default:
      throw ValidationError(
        "--architecture \(architecture): there are "
          + Architecture.builders.map { $0.name }.joined(separator: ", "))
    }
  }
}

extension ResNet: ExpressibleByArgument {}

/// How batches are drawn from the training images.
public struct BatchOptions: ParsableArguments {
  @Option(help: "Images per batch.")
  public var batchSize = 16

  @Option(help: "Order of the images: shuffled anew every epoch, or sequential as in the file.")
  public var order = SampleOrder.shuffled

  @Flag(inversion: .prefixedNo, help: "Random scaling, mirroring and cropping.")
  public var augment = true

  @Option(help: "Size of the crops, as HxW (default: the images' own).")
  public var crop: PixelSize?

  @Option(help: "Batches to prepare ahead, each on a thread of its own.")
  public var prefetch = 2

  @Option(help: "Probability of dropout in the heads (default: the model's; 0.5 for a new one).")
  public var dropout: Double?

  public init() {}

  public func validate() throws {
    if !(1...100_000).contains(batchSize) {
      throw ValidationError("--batch-size \(batchSize): must be in 1...100000")
    }
    if !(1...64).contains(prefetch) {
      throw ValidationError("--prefetch \(prefetch): must be in 1...64")
    }
    if let dropout, !(0..<1).contains(dropout) {
      throw ValidationError("--dropout \(dropout): must lie in [0, 1)")
    }
  }

  /// The training batches of a data set.
  ///
  /// - Parameter group: the processes that each batch is divided among, if it is.
  public func source(
    of dataset: DatasetFile, seed: UInt64, dividedAmong group: ProcessGroup? = nil
  ) throws -> BatchSource {
    if let group, batchSize < group.size {
      throw OptionError(
        "--batch-size \(batchSize)", "\(group.size) processes take at least an image each")
    }
    return try BatchSource(
      dataset, batchSize: batchSize, order: order, augments: augment, crop: crop, seed: seed,
      prefetch: prefetch, places: group?.share(of: batchSize))
  }
}

/// Whole numbers separated by commas.
public struct IntegerList: ExpressibleByArgument, Sendable {
  public let values: [Int]

  public init(_ values: [Int]) { self.values = values }

  public init?(argument: String) {
    let parts = argument.split(separator: ",", omittingEmptySubsequences: false)
    let values = parts.compactMap { Int($0) }
    guard values.count == parts.count else { return nil }
    self.values = values
  }

  public var defaultValueDescription: String { values.map(String.init).joined(separator: ",") }
}
