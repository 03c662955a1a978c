// ExchangedNetwork: a network as it goes to and comes from other programs' files.

import Graphs

/// A graph with plain values for its parameters and buffers.
public struct ExchangedNetwork: Sendable {
  public var graph: Graph
  /// Of the graph's parameters and buffers, by name.
  public var tensors: [String: PlainTensor]
  /// For the user to read: what was folded, left out or renamed on the way, one sentence each.
  public var notes: [String]

  public init(graph: Graph, tensors: [String: PlainTensor], notes: [String] = []) {
    self.graph = graph
    self.tensors = tensors
    self.notes = notes
  }

  /// - Throws: ``ExchangeError`` naming the first parameter or buffer that is missing or has another
  ///   shape.
  func check() throws {
    let slots =
      graph.parameters.map { ($0.name, $0.shape) } + graph.buffers.map { ($0.name, $0.shape) }
    for (name, shape) in slots {
      guard let tensor = tensors[name] else { throw ExchangeError("has no tensor \(name)") }
      guard tensor.shape == shape, tensor.values.count == shape.reduce(1, *) else {
        throw ExchangeError("\(name): expected \(shape), found \(tensor.shape)")
      }
    }
  }
}

/// Numbers, row-major.
public struct PlainTensor: Equatable, Sendable {
  public var shape: [Int]
  public var values: [Float]

  public init(shape: [Int], values: [Float]) {
    self.shape = shape
    self.values = values
  }
}

/// Why a file cannot be read or written as asked.
public struct ExchangeError: Error, CustomStringConvertible, Sendable {
  public let description: String

  public init(_ description: String) { self.description = description }
}

/// The number of elements of a shape; nil for a negative size, or where the sizes other than 0 make more
/// than 2⁴⁸ of them.
func elementCount(_ shape: [Int]) -> Int? {
  var count = 1
  for size in shape where size != 0 {
    let (product, overflow) = count.multipliedReportingOverflow(by: size)
    guard size > 0, !overflow, product <= 1 << 48 else { return nil }
    count = product
  }
  return shape.contains(0) ? 0 : count
}

extension Sequence<String> {
  /// The first few, and how many more there are.
  func listed(_ limit: Int = 8) -> String {
    let all = Array(self)
    return all.prefix(limit).joined(separator: ", ")
      + (all.count > limit ? " and \(all.count - limit) more" : "")
  }
}
