// Splitting: from some layer on every task gets its own copy of what the tasks share.

/// A network that was split.
public struct SplitGraph: Sendable {
  public let graph: Graph
  /// Of each copied parameter and buffer, the name in the network before the split.
  public let originals: [String: String]
}

extension Graph {
  /// The network in which the tasks part at a layer: what its result reaches, itself included, is there
  /// once for each task that needs it, as TASK.NAME; what the tasks shared before stays shared.
  ///
  /// A shortcut that begins before the layer stays shared, too. Operations behind the layer that no
  /// task needs are left out. Of the parameters those that stay shared come first, then the copies and
  /// the head of one task after the other.
  ///
  /// - Parameter layer: a weight that may be pruned.
  /// - Throws: ``GraphError`` when there is no such layer, or only one task owns it.
  public func split(at layer: String) throws -> SplitGraph {
    guard let weight = prunable.first(where: { $0.name == layer }) else {
      throw GraphError("has no layer \(layer) to split at")
    }
    guard weight.owners.count > 1 else {
      throw GraphError("has layer \(layer) for task \(tasks[weight.owners[0]]) alone")
    }
    let owners = Owners(nodes: nodes, sources: sources, outputs: outputs)
    var isBehind: [Bool] = []
    var (result, copied, originals): ([Node], Set<String>, [String: String]) = ([], [], [:])
    for (index, node) in nodes.enumerated() {
      let settings = node.operation.settings
      isBehind.append(
        settings.parameters.contains { $0.name == layer }
          || sources[index].contains { $0.map { isBehind[$0] } ?? false })
      guard isBehind[index] else {
        result.append(node)
        continue
      }
      let needing = owners.tasks(reachedFrom: [index])
      for task in needing {
        func own(_ name: String) -> String { "\(tasks[task]).\(name)" }
        var copy = node
        copy.inputs = node.inputs.map { copied.contains($0) ? own($0) : $0 }
        if needing.count > 1 {
          copy.name = own(node.name)
          copy.operation = node.operation.onTensors(own)
          for tensor in settings.parameters.map(\.name) + settings.buffers.map(\.name) {
            originals[own(tensor)] = tensor
          }
        }
        result.append(copy)
      }
      if needing.count > 1 { copied.insert(node.name) }
    }
    return SplitGraph(
      graph: try Graph(
        input: input, nodes: result,
        outputs: outputs.map {
          Output(task: $0.task, node: copied.contains($0.node) ? "\($0.task).\($0.node)" : $0.node)
        }, parameterOrder: order(ofCopies: originals),
        initialValues: initialValues(ofCopies: originals)), originals: originals)
  }

  /// Parameters before and after a split: what several tasks or none own, then task by task.
  private func order(ofCopies originals: [String: String]) -> [String] {
    let copied = Set(originals.values)
    let shared = parameters.filter { $0.owners.count != 1 && !copied.contains($0.name) }
    let own = outputs.indices.flatMap { task in
      parameters.compactMap { parameter -> String? in
        if parameter.owners == [task] { return parameter.name }
        let copy = "\(tasks[task]).\(parameter.name)"
        return originals[copy] == parameter.name ? copy : nil
      }
    }
    return shared.map(\.name) + own
  }

  private func initialValues(ofCopies originals: [String: String]) -> [String: InitialValues] {
    var values = Dictionary(uniqueKeysWithValues: parameters.map { ($0.name, $0.initialValues) })
    for (copy, original) in originals { values[copy] = values[original] }
    return values
  }
}

extension Operation {
  /// The same operation on parameters and buffers of other names.
  func onTensors(_ name: (String) -> String) -> Operation {
    switch self {
    case .convolution(var settings):
      settings.weight = name(settings.weight)
      settings.bias = settings.bias.map(name)
      return .convolution(settings)
    case .transposedConvolution(var settings):
      settings.weight = name(settings.weight)
      settings.bias = settings.bias.map(name)
      return .transposedConvolution(settings)
    case .linear(var settings):
      settings.weight = name(settings.weight)
      settings.bias = settings.bias.map(name)
      return .linear(settings)
    case .batchNorm(var settings):
      settings.weight = settings.weight.map(name)
      settings.bias = settings.bias.map(name)
      settings.mean = name(settings.mean)
      settings.variance = name(settings.variance)
      return .batchNorm(settings)
    case .groupNorm(var settings):
      settings.weight = settings.weight.map(name)
      settings.bias = settings.bias.map(name)
      return .groupNorm(settings)
    case .constant(var settings):
      settings.value = name(settings.value)
      return .constant(settings)
    case .activation, .softmax, .arithmetic, .concat, .slice, .pad, .maxPool, .averagePool,
      .adaptiveAveragePool, .reduce, .resize, .dropout, .flatten, .reshape, .transpose:
      return self
    }
  }
}
