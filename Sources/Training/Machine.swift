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

  /// The same machine with the precision of an engine: the sparse one, which takes the weights'
  /// gradients alone in bfloat16, calculates in float32 unless somebody asked for bfloat16.
  public func running(_ kind: EngineKind) -> Machine {
    kind == .sparse && precisionIsFree ? Machine(device: device) : self
  }

  /// Chooses the device and the precision, and sets the process's number of threads.
  ///
  /// - Parameters:
  ///   - precision: nil for bfloat16 where the device is faster in it, else float32.
  ///   - threads: nil for libtorch's choice, a thread per core.
  ///   - localRank: this process's number among those of a run on this machine, which share its GPUs.
  /// - Throws: ``TorchError`` when a GPU or an instruction set is asked for and absent.
  public static func prepare(
    device choice: DeviceChoice, precision: Precision?, threads: Int?, localRank: Int = 0
  ) throws -> Machine {
    Runtime.keepFreedMemory()
    try Instructions.useRequested()
    if let threads { try Runtime.setThreads(threads) }
    let device = try choice.device(localRank: localRank)
    return Machine(
      device: device,
      precision: precision ?? (device.isFasterInBFloat16 ? .bfloat16 : .float32),
      precisionIsFree: precision == nil)
  }
}

/// Where a network shall run, as a user says it.
public enum DeviceChoice: Hashable, Sendable, CustomStringConvertible {
  case cpu
  /// A GPU, by its number or this process's own.
  case cuda(Int?)
  /// A GPU where there is one.
  case auto

  /// - Parameter text: cpu, cuda, cuda:N or auto.
  public init?(_ text: String) {
    switch text {
    case "cpu": self = .cpu
    case "cuda": self = .cuda(nil)
    case "auto": self = .auto
    default:
      guard text.hasPrefix("cuda:"), let number = Int(text.dropFirst(5)), number >= 0 else {
        return nil
      }
      self = .cuda(number)
    }
  }

  public var description: String {
    switch self {
    case .cpu: "cpu"
    case .cuda(nil): "cuda"
    case .cuda(let number?): "cuda:\(number)"
    case .auto: "auto"
    }
  }

  /// - Throws: ``TorchError`` when the GPU that is asked for is absent.
  func device(localRank: Int) throws -> Device {
    switch self {
    case .cpu: return .cpu
    case .auto:
      guard let count = try? Device.gpus(), count > 0 else { return .cpu }
      return .cuda(localRank % count)
    case .cuda(let number):
      func refuse(_ reason: String) -> TorchError { TorchError("--device \(self): \(reason)") }
      let count: Int
      do { count = try Device.gpus() } catch { throw refuse("\(error)") }
      guard count > 0 else { throw refuse("this machine has no GPU that libtorch can use") }
      let chosen = number ?? localRank % count
      guard chosen < count else {
        throw refuse("this machine's GPUs are numbered from 0 to \(count - 1)")
      }
      return .cuda(chosen)
    }
  }
}
