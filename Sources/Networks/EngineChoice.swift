// EngineChoice: which engine runs a network.

import Graphs
import Torch

/// The engines that there are.
public enum EngineKind: String, Sendable {
  case dense, sparse

  /// An engine over a network whose weights become what it wants: whole, or compact where they have
  /// masks.
  public func engine(for network: Network) throws -> any Engine {
    switch self {
    case .dense:
      try network.expand()
      return try DenseEngine(network)
    case .sparse:
      try network.compact()
      return try SparseEngine(network)
    }
  }

  /// Why the sparse engine cannot run a network; nil where it can.
  ///
  /// - Parameter kept: how many weights the masks keep, by parameter; empty for a network without masks.
  public static func obstacleToSparse(kept: [String: Int], on device: Device) -> String? {
    if kept.isEmpty {
      "the network has no masks"
    } else if device != .cpu {
      "runs on the CPU alone"
    } else {
      nil
    }
  }
}

/// What a user asks for.
public enum EngineChoice: String, CaseIterable, Sendable {
  case dense, sparse, auto

  /// The share of the dense multiply-adds up to which kept values are the faster: the dense kernels
  /// do more of them a second, and in bfloat16 twice as many.
  private static func largestShare(against precision: Precision) -> Double {
    precision == .bfloat16 ? 0.25 : 0.5
  }

  /// The engine for a network. It follows from the network, its masks and the pictures' size, not from
  /// any measurement, so that a run that is repeated or goes on takes the same.
  ///
  /// - Parameters:
  ///   - kept: how many weights the masks keep, by parameter; empty for a network without masks.
  ///   - image: the pictures' size.
  ///   - precision: of the dense engine.
  /// - Throws: ``EngineError`` when the sparse engine is asked for where it cannot run, ``GraphError``
  ///   when the network does not take such pictures.
  public func kind(
    for graph: Graph, kept: [String: Int], image: Extent, on device: Device,
    _ precision: Precision
  ) throws -> EngineKind {
    let obstacle = EngineKind.obstacleToSparse(kept: kept, on: device)
    switch self {
    case .dense: return .dense
    case .sparse:
      if let obstacle { throw EngineError(description: "--engine sparse: \(obstacle)") }
      return .sparse
    case .auto:
      guard obstacle == nil else { return .dense }
      let share = try graph.keptShare(kept, for: image)
      return share <= Self.largestShare(against: precision) ? .sparse : .dense
    }
  }
}

/// Why an engine cannot run a network.
public struct EngineError: Error, CustomStringConvertible, Sendable {
  public let description: String
}

extension Graph {
  /// The share of the prunable weights' multiply-adds that masks keep.
  fileprivate func keptShare(_ kept: [String: Int], for image: Extent) throws -> Double {
    let uses = try uses(for: image)
    var (all, left) = (0.0, 0.0)
    for parameter in prunable {
      let pixels = Double(uses[parameter.name] ?? 0)
      all += pixels * Double(parameter.count)
      left += pixels * Double(kept[parameter.name] ?? parameter.count)
    }
    return left / all
  }
}
