// Weights from a file for a network that is there: names and shapes must match.

import Graphs

/// Replaces the beginning of names, up to a dot or the end: backbone=encoder turns backbone.conv1.weight
/// into encoder.conv1.weight, and leaves backbone2.weight. An empty beginning stands before every name,
/// an empty replacement takes the beginning away.
public struct RenameRule: Equatable, Sendable {
  public var from: String
  public var to: String

  public init(from: String, to: String) {
    self.from = from
    self.to = to
  }

  /// Reads FROM=TO.
  ///
  /// - Throws: ``ExchangeError`` without an equals sign.
  public init(_ text: String) throws {
    let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
    guard parts.count == 2 else { throw ExchangeError("'\(text)' is not FROM=TO") }
    // A dot at the end is the boundary that is meant anyway.
    let (from, to) = (parts[0], parts[1])
    self.from = String(from.hasSuffix(".") ? from.dropLast() : from)
    self.to = String(to.hasSuffix(".") ? to.dropLast() : to)
  }

  /// The new name; nil where the rule does not fit.
  public func applied(to name: String) -> String? {
    if from.isEmpty { return to.isEmpty ? name : "\(to).\(name)" }
    if name == from { return to.isEmpty ? nil : to }
    guard name.hasPrefix(from + ".") else { return nil }
    let rest = name.dropFirst(from.count + 1)
    return to.isEmpty ? String(rest) : "\(to).\(rest)"
  }
}

extension ExchangedNetwork {
  /// This network with a file's weights.
  ///
  /// - Parameters:
  ///   - tensors: by the file's names. What PyTorch counts batches with (num_batches_tracked) is left.
  ///   - renames: for each name, the first rule that fits it is applied.
  /// - Returns: the network, with notes on what the file has besides, and on the modules (the names'
  ///   first parts) of which it has nothing and that stay as they are.
  /// - Throws: ``ExchangeError`` naming the first parameters and buffers that the file lacks of a module
  ///   that it has, or has in another shape; and where nothing fits.
  public func filled(
    with file: [String: PlainTensor], renames: [RenameRule] = []
  ) throws -> ExchangedNetwork {
    var renamed: [String: PlainTensor] = [:]
    for (name, tensor) in file.sorted(by: { $0.key < $1.key }) {
      let new = renames.lazy.compactMap { $0.applied(to: name) }.first ?? name
      guard renamed.updateValue(tensor, forKey: new) == nil else {
        throw ExchangeError("two tensors are called \(new) after renaming")
      }
    }
    func module(_ name: String) -> Substring { name.prefix { $0 != "." } }
    let wanted =
      graph.parameters.map { ($0.name, $0.shape) } + graph.buffers.map { ($0.name, $0.shape) }
    let given = Set(wanted.lazy.map(\.0).filter { renamed[$0] != nil }.map(module))
    var filled = self
    var (missing, misshaped, kept): ([String], [String], [String]) = ([], [], [])
    for (name, shape) in wanted {
      guard let tensor = renamed.removeValue(forKey: name) else {
        if given.contains(module(name)) { missing.append(name) } else { kept.append(name) }
        continue
      }
      if tensor.shape != shape { misshaped.append("\(name) is \(tensor.shape), not \(shape)") }
      filled.tensors[name] = tensor
    }
    if given.isEmpty { missing = kept }
    let left = renamed.keys.filter { !$0.hasSuffix("num_batches_tracked") }.sorted()
    guard missing.isEmpty else {
      throw ExchangeError(
        "lacks \(missing.count) of \(wanted.count) tensors: \(missing.listed(4))"
          + hint(missing[0], left))
    }
    guard misshaped.isEmpty else {
      throw ExchangeError(
        "has \(misshaped.count) of \(wanted.count) tensors in other shapes: \(misshaped.listed(4))")
    }
    if !left.isEmpty { filled.notes.append("not used by this network: " + left.listed()) }
    if !kept.isEmpty {
      let modules = Set(kept.map { String(module($0)) }).sorted()
      filled.notes.append(
        "not in the file, and kept as they were: \(kept.count) tensors of \(modules.listed())")
    }
    return filled
  }

  /// What would rename the file's tensors as they are wanted.
  private func hint(_ missing: String, _ left: [String]) -> String {
    if let longer = left.first(where: { $0.hasSuffix("." + missing) }) {
      let prefix = longer.dropLast(missing.count + 1)
      let reason = prefix == "module" ? ", which DataParallel puts before the names" : ""
      return "; the file has \(longer)\(reason): --rename '\(prefix)=' may fit"
    }
    if let shorter = left.first(where: { missing.hasSuffix("." + $0) }) {
      return "; the file has \(shorter): --rename '=\(missing.dropLast(shorter.count + 1))' may fit"
    }
    return left.isEmpty ? "" : "; the file has \(left.listed(4))"
  }
}
