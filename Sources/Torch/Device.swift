// Devices, threads and memory of the process.

import CTorch

public enum Device: Hashable, Sendable {
  case cpu
  /// A GPU by its number, from 0.
  case cuda(Int)

  init(_ raw: CDevice) { self = raw == CDevice(ct_cpu) ? .cpu : .cuda(Int(raw)) }

  var raw: CDevice {
    switch self {
    case .cpu: CDevice(ct_cpu)
    case .cuda(let number): CDevice(clamping: number)
    }
  }

  /// The GPUs that libtorch can use. Its CUDA part is loaded for that, where it has one; programs
  /// start without it.
  ///
  /// - Throws: ``TorchError`` when this libtorch has no CUDA part, or one that does not load.
  public static func gpus() throws -> Int {
    var isThere = false
    try check(ct_load_cuda(&isThere))
    guard isThere else { throw TorchError("this libtorch is a CPU build") }
    return Int(ct_gpus())
  }

  /// Whether it does more multiply-adds a second in bfloat16 than in float32. A processor without such
  /// instructions emulates them, at a quarter of float32's speed; Intel's without AMX have them, at half.
  public var isFasterInBFloat16: Bool { ct_is_faster_in_bfloat16(raw) }
}

/// Settings of the whole process; call before the first tensor.
public enum Runtime {
  /// Keeps freed activations instead of returning them to the kernel (1.2× faster training steps).
  public static func keepFreedMemory() { ct_keep_freed_memory() }

  /// Threads of our own loops and libtorch's.
  public static var threads: Int { Int(ct_threads()) }

  public static func setThreads(_ count: Int) throws {
    try check(ct_set_threads(Int32(clamping: count)))
  }
}
