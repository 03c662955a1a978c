// Importer: the nodes of an ONNX file become the nodes of a graph.

import Foundation
import Graphs

/// A value while a file is read.
enum Value {
  /// Does not depend on the image: the same for all sizes of images (one tensor), or one per probe.
  case known([Known])
  case result(Result)
  case sequence([Value])
}

/// What a node of the graph computes.
struct Result {
  /// The node's, or ``Graph/image``.
  var name: String
  /// By probe, without N.
  var shapes: [Shape]

  /// The number of axes, with N.
  var rank: Int { shapes[0].count + 1 }
}

/// A size of batches for which shapes are followed through the network. Where a file leaves sizes open,
/// several of them tell what depends on them.
struct Probe {
  var batch: Int
  var image: Extent
}

/// A node that is not settled yet.
struct Draft {
  enum Function: Equatable {
    case operation(Graphs.Operation)
    /// The error function, of which only GELU is understood.
    case erf
  }

  var name: String
  /// What its own parameters are called after.
  var module: String
  var function: Function
  var inputs: [String]
  var shapes: [Shape]
}

struct Importer {
  let stored: StoredTensors
  let probes: [Probe]
  /// By probe: whether the network takes it. The first must be taken.
  private(set) var isAlive: [Bool]
  private var values: [String: Value] = [:]
  private(set) var drafts: [Draft] = []
  private var places: [String: Int] = [:]
  /// The first result of each extent by probe.
  private var firstOfExtents: [[Extent]: Result] = [:]
  private(set) var tensors: [String: PlainTensor] = [:]
  /// The parameters that tensors of the file became, by what they are used as.
  private var parameterNames: [ParameterUse: String] = [:]
  private var constants: [ConstantUse: Result] = [:]
  private var nodeNames = Names([Graph.image])
  private var tensorNames = Names()
  var notes = ImportNotes()
  private var budget: ElementBudget

  private struct ParameterUse: Hashable {
    var origin: Known.Origin
    var role: String
    var shape: [Int]
  }

  private struct ConstantUse: Hashable {
    var value: String
    var shape: [Int]
  }

  init(stored: StoredTensors, probes: [Probe], fileBytes: Int) {
    self.stored = stored
    self.probes = probes
    isAlive = probes.map { _ in true }
    budget = ElementBudget(fileBytes: fileBytes)
  }

  /// What the graph calls the image.
  var image: Result {
    Result(name: Graph.image, shapes: probes.map { [3, $0.image.height, $0.image.width] })
  }

  // MARK: Walking

  /// Makes `value` what later nodes read under a name.
  mutating func define(_ name: String, _ value: Value) { values[name] = value }

  mutating func take(_ step: Step) throws {
    let inputs = try step.inputs.map { name -> Value? in
      if name.isEmpty { return nil }
      guard let value = try value(name) else {
        throw step.failure("reads \(name), which nothing before it makes")
      }
      return value
    }
    let results = try results(of: step, inputs)
    for (name, value) in zip(step.outputs, results) where !name.isEmpty {
      guard values.updateValue(value, forKey: name) == nil else {
        throw step.failure("makes \(name), which something before it made")
      }
    }
  }

  private mutating func results(of step: Step, _ inputs: [Value?]) throws -> [Value] {
    let known = inputs.compactMap { input -> [Known]? in
      if case .known(let tensors) = input { tensors } else { nil }
    }
    let areKnown = known.count == inputs.count(where: { $0 != nil })
    if step.operation == "CastLike", let first = inputs.first, case .known(let tensors) = first,
      !areKnown
    {
      // The network's own values are all float32.
      return [.known(tensors.map { Known($0.shape, .floats($0.floats), origin: $0.origin) })]
    }
    if areKnown, Folding.operations.contains(step.operation) { return [try fold(step, inputs)] }
    guard let conversion = Self.conversions[step.operation] else {
      throw step.failure(
        "this operation is none of those that are read: "
          + readONNXOperations.joined(separator: ", "))
    }
    return try conversion(&self, Call(step: step, inputs: inputs, probes: probes.count))
  }

  private mutating func fold(_ step: Step, _ inputs: [Value?]) throws -> Value {
    let tensors = inputs.map { input -> [Known]? in
      if case .known(let tensors) = input { tensors } else { nil }
    }
    // An initializer under a second name is a tensor of its own: exporters merge those of equal values.
    if step.operation == "Identity", let known = tensors.first ?? nil, known.count == 1,
      let name = step.outputs.first, known[0].origin != nil, !isAnonymous(name)
    {
      var tensor = known[0]
      tensor.origin = Known.Origin(name: name)
      notes.count(.untied, of: name)
      return .known([tensor])
    }
    let count = tensors.map { $0?.count ?? 1 }.max() ?? 1
    var results: [Known] = []
    for probe in 0..<count {
      if probe > 0, !isAlive[probe] {
        results.append(results[0])
        continue
      }
      let folding = Folding(
        step: step, inputs: tensors.map { $0.map { $0[min(probe, $0.count - 1)] } }, stored: stored)
      results.append(try folding.result(&budget))
    }
    return .known(unlessAllEqual(results))
  }

  /// One tensor where all probes agree.
  func unlessAllEqual(_ tensors: [Known]) -> [Known] {
    let first = tensors[0]
    guard
      tensors.indices.allSatisfy({ probe in
        let other = tensors[probe]
        return !isAlive[probe]
          || (other.shape == first.shape && other.integers == first.integers
            && (first.integers != nil || other.floats == first.floats))
      })
    else { return tensors }
    return [first]
  }

  /// What a name stands for; initializers are decoded when first read.
  mutating func value(_ name: String) throws -> Value? {
    if let value = values[name] { return value }
    guard let known = try stored.known(name, &budget) else { return nil }
    values[name] = .known([known])
    return values[name]
  }

  // MARK: Adding nodes

  /// Adds a node of the graph.
  ///
  /// - Parameter part: what it is of the step, where the step becomes several nodes.
  mutating func add(
    _ operation: Graphs.Operation, _ inputs: [Result], for step: Step, part: String? = nil
  ) throws -> Result {
    let name = nodeNames.unused(part.map { "\(step.name)/\($0)" } ?? step.name)
    do {
      try operation.settings.validate(Graph.Node(name, operation, inputs.map(\.name)))
    } catch let error as GraphError {
      throw ExchangeError(error.description)
    }
    let shapes = try shapes(of: step, inputs) { try operation.settings.shape(of: $0) }
    return append(
      Draft(
        name: name, module: step.module, function: .operation(operation),
        inputs: inputs.map(\.name), shapes: shapes))
  }

  mutating func addErf(_ input: Result, for step: Step) -> Result {
    append(
      Draft(
        name: nodeNames.unused(step.name), module: step.module, function: .erf,
        inputs: [input.name],
        shapes: input.shapes))
  }

  private mutating func append(_ draft: Draft) -> Result {
    places[draft.name] = drafts.count
    drafts.append(draft)
    let result = Result(name: draft.name, shapes: draft.shapes)
    if let extents = extents(of: result), firstOfExtents[extents] == nil {
      firstOfExtents[extents] = result
    }
    return result
  }

  /// By probe. A probe other than the first whose shapes do not fit is given up.
  private mutating func shapes(
    of step: Step, _ inputs: [Result], _ shape: ([Shape]) throws -> Shape
  ) throws -> [Shape] {
    var shapes: [Shape] = []
    for probe in probes.indices {
      guard isAlive[probe] else {
        shapes.append(shapes[0])
        continue
      }
      do {
        let result = try shape(inputs.map { $0.shapes[probe] })
        guard result.allSatisfy({ $0 > 0 }), (elementCount(result) ?? .max) < 1 << 40 else {
          throw ExchangeError("gives \(result)")
        }
        shapes.append(result)
      } catch {
        guard probe > 0 else {
          let size = probes[0].image
          throw step.failure("for images of \(size.height)×\(size.width): \(error)")
        }
        giveUp(probe)
        shapes.append(shapes[0])
      }
    }
    return shapes
  }

  private mutating func giveUp(_ probe: Int) {
    isAlive[probe] = false
    firstOfExtents = [:]
    for draft in drafts {
      let result = Result(name: draft.name, shapes: draft.shapes)
      if let extents = extents(of: result), firstOfExtents[extents] == nil {
        firstOfExtents[extents] = result
      }
    }
  }

  /// Rows and columns for each probe that is alive; nil of what is no map.
  private func extents(of result: Result) -> [Extent]? {
    result.shapes[0].count == 3
      ? result.shapes.indices.filter { isAlive[$0] }.map {
        Extent(result.shapes[$0][1], result.shapes[$0][2])
      } : nil
  }

  /// The first value of the network that has these rows and columns for all probes.
  func first(of extents: [Extent]) -> Result? {
    let alive = extents.indices.filter { isAlive[$0] }.map { extents[$0] }
    return self.extents(of: image) == alive ? image : firstOfExtents[alive]
  }

  func draft(_ name: String) -> Draft? { places[name].map { drafts[$0] } }

  // MARK: Parameters

  /// The name of the parameter or buffer that a tensor of the file becomes.
  ///
  /// - Parameters:
  ///   - role: what it is used as: a tensor used as two things becomes two parameters.
  ///   - suffix: of its name, where the file's says nothing.
  mutating func parameter(_ known: Known, as role: String, _ suffix: String, for step: Step)
    -> String
  {
    let use = known.origin.map { ParameterUse(origin: $0, role: role, shape: known.shape) }
    if let use, let name = parameterNames[use] { return name }
    let own = step.module.isEmpty ? step.name.replacing("/", with: ".") : step.module
    var name = "\(own).\(suffix)"
    if let origin = known.origin, origin.isNamed {
      name = origin.name.replacing("/", with: ".")
    } else {
      notes.rename(known.origin?.name, name)
    }
    let unused = tensorNames.unused(name)
    if unused != name, use != nil { notes.count(.untied, of: unused) }
    name = unused
    tensors[name] = PlainTensor(shape: known.shape, values: known.floats)
    if let use { parameterNames[use] = name }
    return name
  }

  /// A node that gives a tensor of the file, as an operand of a value with so many axes.
  mutating func constant(_ known: Known, rank: Int, _ input: String, for step: Step) throws
    -> Result
  {
    var shape = known.shape
    while shape.count >= rank {
      guard shape[0] == 1 else {
        throw step.failure(
          "its constant of \(known.shape) is not the same for all images of a batch")
      }
      shape.removeFirst()
    }
    if shape.isEmpty { shape = [1] }
    let use = ConstantUse(value: known.origin?.name ?? input, shape: shape)
    if let constant = constants[use] { return constant }
    let isLearned = known.isLearnedConstant
    let given = (known.origin?.name ?? input).split(separator: "/").joined(separator: ".")
    let name = nodeNames.unused(tensorNames.unused(given))
    tensors[name] = PlainTensor(shape: shape, values: known.floats)
    let constant = Graphs.Operation.constant(
      Constant(value: name, shape: shape, isLearned: isLearned))
    do {
      try constant.settings.validate(Graph.Node(name, constant, []))
    } catch let error as GraphError {
      throw ExchangeError(error.description)
    }
    let result = append(
      Draft(
        name: name, module: step.module, function: .operation(constant), inputs: [],
        shapes: probes.map { _ in shape }))
    constants[use] = result
    return result
  }

}

extension Known {
  /// A scalar is a setting; a tensor with a module's name is learned, unless our own file says
  /// otherwise or it is called what statistics are called.
  fileprivate var isLearnedConstant: Bool {
    guard let origin else { return false }
    if let isLearned = origin.isLearned { return isLearned }
    let last = origin.name.split(separator: ".").last.map(String.init) ?? ""
    return count > 1 && !isAnonymous(origin.name)
      && !["mean", "std", "running_mean", "running_var"].contains(last)
  }
}

/// Whether an exporter made a name up: onnx::Conv_123, /head/Constant_output_0, val_12, 890.
func isAnonymous(_ name: String) -> Bool {
  name.isEmpty || name.contains("::") || name.hasPrefix("/") || name.allSatisfy(\.isNumber)
    || name.hasPrefix("val_") || name.contains("lifted_tensor") || name.hasSuffix("_val_cast")
}

/// Names that are each given once.
struct Names {
  private var used: Set<String>
  /// The last number behind a name that was asked for again.
  private var numbers: [String: Int] = [:]

  init(_ used: Set<String> = []) { self.used = used }

  /// The name, with a number behind it where it is used.
  mutating func unused(_ name: String) -> String {
    let name = name.isEmpty ? "unnamed" : name
    if used.insert(name).inserted { return name }
    var number = numbers[name] ?? 1
    var numbered = name
    repeat {
      number += 1
      numbered = "\(name)_\(number)"
    } while !used.insert(numbered).inserted
    numbers[name] = number
    return numbered
  }
}

/// What a reader of the file should know, gathered so that a hundred alike make one sentence.
struct ImportNotes {
  enum Kind: String, CaseIterable {
    case untied =
      "were one tensor under several names or in several roles, and are parameters of their own now"
    case learnedConstant = "are operands with a module's name, which training learns"
    case fixedConstant = "are operands, which training does not learn"
    case zeroBias = "had biases that the exporter made of zeros, which are left out"
  }

  private var names: [Kind: [String]] = [:]
  private var renamed: [String] = []
  private var others: [String] = []

  mutating func count(_ kind: Kind, of name: String) { names[kind, default: []].append(name) }

  mutating func rename(_ old: String?, _ new: String) {
    renamed.append(old.map { "\($0) → \(new)" } ?? new)
  }

  mutating func add(_ note: String) { others.append(note) }

  /// The operands that a graph has as nodes of their own, other than single numbers.
  mutating func addOperands(of graph: Graph) {
    for node in graph.nodes {
      guard case .constant(let constant) = node.operation,
        constant.shape.contains(where: { $0 > 1 })
      else { continue }
      count(constant.isLearned ? .learnedConstant : .fixedConstant, of: constant.value)
    }
  }

  var texts: [String] {
    others + (renamed.isEmpty ? [] : ["without a PyTorch name in the file: " + renamed.listed()])
      + Kind.allCases.compactMap { kind in
        names[kind].map { "\($0.listed()): \(kind.rawValue)" }
      }
  }
}
