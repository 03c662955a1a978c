// The machine that a network runs on.

import Networks
import Torch

/// Where and in which arithmetic a network runs.
public struct Machine: Sendable {
  public let device: Device
  public let precision: Precision
  /// Whether the precision is what suits the dense engine best, and not what somebody asked for.
  public let precisionIsFree: Bool

  public init(
    device: Device = .cpu, precision: Precision = .float32, precisionIsFree: Bool = false
  ) {
    self.device = device
    self.precision = precision
    self.precisionIsFree = precisionIsFree
  }

  /// The same machine with the precision of an engine: the sparse one calculates in float32.
  public func running(_ kind: EngineKind) -> Machine {
    kind == .sparse ? Machine(device: device) : self
  }

  /// Chooses the device and the precision, and sets the process's number of threads.
  ///
  /// - Parameters:
  ///   - device: cpu, cuda, or auto for cuda where there is one.
  ///   - precision: nil for bfloat16 where the device calculates in it, else float32.
  ///   - threads: nil for libtorch's choice, a thread per core.
  /// - Throws: ``TorchError`` when cuda is asked for and absent.
  public static func prepare(device: String, precision: Precision?, threads: Int?) throws -> Machine
  {
    func machine(on device: Device) -> Machine {
      Machine(
        device: device,
        precision: precision ?? (device.calculatesInBFloat16 ? .bfloat16 : .float32),
        precisionIsFree: precision == nil)
    }
    Runtime.keepFreedMemory()
    if let threads { try Runtime.setThreads(threads) }
    switch device {
    case "cuda":
      guard Device.cudaIsAvailable else {
        throw TorchError("--device cuda: this libtorch or this machine has no CUDA")
      }
      return machine(on: .cuda)
    case "auto" where Device.cudaIsAvailable:
      return machine(on: .cuda)
    default:
      return machine(on: .cpu)
    }
  }
}
