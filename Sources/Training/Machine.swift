// The machine that a network runs on.

import Torch

/// Where and in which arithmetic a network runs.
public struct Machine: Sendable {
  public let device: Device
  public let precision: Precision

  public init(device: Device = .cpu, precision: Precision = .float32) {
    self.device = device
    self.precision = precision
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
        device: device, precision: precision ?? (device.calculatesInBFloat16 ? .bfloat16 : .float32)
      )
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
