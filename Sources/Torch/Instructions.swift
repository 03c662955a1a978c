// The instruction sets that the sparse engine's kernels are compiled for.

import CSparse
import Foundation

/// A set of instructions of the processor. The best one that the processor has is used, unless
/// another is asked for.
public enum Instructions: String, CaseIterable, Sendable {
  /// What the compiler makes for any processor.
  case portable
  case avx2
  case avx512
  case avx512BF16 = "avx512-bf16"

  private var raw: CSInstructions {
    switch self {
    case .portable: cs_portable
    case .avx2: cs_avx2
    case .avx512: cs_avx512
    case .avx512BF16: cs_avx512_bf16
    }
  }

  /// Those that this processor has, the slowest first.
  public static var available: [Instructions] { allCases.filter { cs_has_instructions($0.raw) } }

  /// Those in use by the whole process.
  public static var current: Instructions {
    allCases.first { $0.raw == cs_instructions() } ?? .portable
  }

  /// Has the whole process use those that the variable `DISPARSE_INSTRUCTIONS` names, if it is set.
  ///
  /// - Throws: ``TorchError`` when there are none of that name, or the processor lacks them.
  public static func useRequested() throws {
    let variable = "DISPARSE_INSTRUCTIONS"
    guard let name = ProcessInfo.processInfo.environment[variable] else { return }
    guard let requested = Instructions(rawValue: name), available.contains(requested) else {
      let names = available.map(\.rawValue).joined(separator: ", ")
      throw TorchError("\(variable)=\(name): this processor has \(names)")
    }
    try requested.use()
  }

  /// Has the whole process use these.
  ///
  /// - Throws: ``TorchError`` when the processor lacks them.
  public func use() throws {
    guard cs_use_instructions(raw) else { throw TorchError("this processor has no \(rawValue)") }
  }
}
