// The plan of an engine: how each layer runs, for people to read.

import Formatting
import Torch

/// How the sparse engine runs a layer.
public struct PlannedLayer: Equatable, Sendable {
  public enum Kernel: String, Sendable, CaseIterable {
    /// Kept values only.
    case kept = "kept values"
    /// All values, in the same layout: so many are kept that this is faster.
    case all = "all values"
    /// By libtorch, with a change of layout before and after.
    case libtorch
  }

  /// Of its weight.
  public let name: String
  public let shape: [Int]
  public let kept: Int
  public let kernel: Kernel
}

extension Engine {
  /// A line for each layer that masks may prune, and one that counts them.
  public var planTable: String {
    guard let engine = self as? SparseEngine else {
      return "dense engine: \(network.prunable.count) layers by libtorch"
    }
    let rows = engine.plan.map { layer in
      let share = Double(layer.kept) / Double(max(layer.shape.reduce(1, *), 1))
      return [
        layer.name, layer.kernel.rawValue, Format.shape(layer.shape), Format.count(layer.kept),
        Format.percent(share),
      ]
    }
    let counts = PlannedLayer.Kernel.allCases.compactMap { kernel in
      let count = engine.plan.count { $0.kernel == kernel }
      return count > 0 ? "\(count) by \(kernel.rawValue)" : nil
    }
    return Format.table([["layer", "runs by", "shape", "kept", "density"]] + rows, textColumns: 2)
      + "\nsparse engine, \(Instructions.current.rawValue) kernels: "
      + counts.joined(separator: ", ")
  }
}
