// Devices, threads and memory of the process.

import CTorch

public enum Device: String, Sendable, CaseIterable {
  case cpu, cuda

  var raw: CDevice { self == .cuda ? ct_cuda : ct_cpu }

  public static var cudaIsAvailable: Bool { ct_cuda_available() }

  /// Whether it has instructions for bfloat16; without them libtorch emulates them, at a quarter of
  /// float32's speed.
  public var calculatesInBFloat16: Bool { ct_calculates_in_bfloat16(raw) }
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
