// What an ONNX file stores: the numbers of its tensors, in the file or in one beside it.

import Foundation

/// The tensors of a file, by name.
struct StoredTensors {
  /// What is kept in files beside the model's, by their relative path.
  private let external: (_ location: String) throws -> Data
  private let dense: [String: ONNXTensor]
  private let sparse: [String: ONNXSparseTensor]

  init(_ graph: ONNXGraph, external: @escaping (String) throws -> Data) throws {
    self.external = external
    dense = Dictionary(graph.initializers.map { ($0.name, $0) }, uniquingKeysWith: { $1 })
    sparse = Dictionary(
      graph.sparseInitializers.map { ($0.values.name, $0) }, uniquingKeysWith: { $1 })
    let names = graph.initializers.map(\.name) + graph.sparseInitializers.map(\.values.name)
    guard Set(names).count == names.count else {
      throw ExchangeError("has two initializers of one name")
    }
  }

  func contains(_ name: String) -> Bool { dense[name] != nil || sparse[name] != nil }

  /// The tensor of a name; nil when there is none.
  func known(_ name: String, _ budget: inout ElementBudget) throws -> Known? {
    if let tensor = dense[name] {
      var known = try decode(tensor)
      known.origin = Known.Origin(name: name, isLearned: tensor.isLearned)
      return known
    }
    guard let tensor = sparse[name] else { return nil }
    var known = try decode(tensor, &budget)
    known.origin = Known.Origin(name: name, isLearned: tensor.values.isLearned)
    return known
  }

  /// - Throws: ``ExchangeError`` when the bytes are not those of the shape.
  func decode(_ tensor: ONNXTensor) throws -> Known {
    func failure(_ reason: String) -> ExchangeError {
      ExchangeError("tensor \(tensor.name): \(reason)")
    }
    let shape = tensor.dimensions.map { Int($0) }
    guard shape.count <= 16, let count = elementCount(shape) else {
      throw failure("has the shape \(shape)")
    }
    guard let format = Self.formats[tensor.element] else {
      throw failure("its elements have ONNX's type \(tensor.element), which is not read")
    }
    let bytes: Data
    if tensor.location == .external {
      bytes = try externalBytes(of: tensor, count: count * format.size)
    } else if !tensor.raw.isEmpty || count == 0 {
      bytes = tensor.raw
    } else {
      return try decodeTyped(tensor, shape, count, format)
    }
    guard bytes.count == count * format.size else {
      throw failure("expected \(count * format.size) bytes, found \(bytes.count)")
    }
    return Known(
      shape,
      format.isFloatingPoint ? .floats(format.floats(bytes)) : .integers(format.integers(bytes)))
  }

  /// Numbers in the message's own fields.
  private func decodeTyped(
    _ tensor: ONNXTensor, _ shape: [Int], _ count: Int, _ format: NumberFormat
  ) throws -> Known {
    let values: Known.Values =
      switch format {
      case .float32: .floats(tensor.floats)
      case .float64: .floats(tensor.doubles.map { Float($0) })
      case .float16: .floats(tensor.ints32.map { widened(UInt16(truncatingIfNeeded: $0)) })
      case .bfloat16:
        .floats(tensor.ints32.map { Float(bitPattern: UInt32(truncatingIfNeeded: $0) << 16) })
      case .int64: .integers(tensor.ints64.map { Int($0) })
      case .int8, .uint8, .int32, .boolean: .integers(tensor.ints32.map { Int($0) })
      }
    let known = Known(shape, values)
    guard known.count == count else {
      throw ExchangeError(
        "tensor \(tensor.name): expected \(count) elements, found \(known.count)")
    }
    return known
  }

  private func externalBytes(of tensor: ONNXTensor, count: Int) throws -> Data {
    let entries = Dictionary(
      tensor.external.map { ($0.key, $0.value) }, uniquingKeysWith: { $1 })
    guard let location = entries["location"], let offset = Int(entries["offset"] ?? "0"),
      let length = Int(entries["length"] ?? "\(count)")
    else { throw ExchangeError("tensor \(tensor.name): does not say where its numbers are") }
    let file = try external(location)
    guard offset >= 0, length == count, offset <= file.count, length <= file.count - offset else {
      throw ExchangeError(
        "tensor \(tensor.name): \(location) has no \(count) bytes at \(offset)")
    }
    return file.dropFirst(offset).prefix(length)
  }

  private func decode(_ tensor: ONNXSparseTensor, _ budget: inout ElementBudget) throws -> Known {
    func failure(_ reason: String) -> ExchangeError {
      ExchangeError("sparse tensor \(tensor.values.name): \(reason)")
    }
    let shape = tensor.dimensions.map { Int($0) }
    guard shape.count <= 16 else { throw failure("has the shape \(shape)") }
    let values = try decode(tensor.values)
    let indices = try decode(tensor.places)
    guard let places = indices.integers, values.shape.count == 1,
      [[values.count], [values.count, shape.count]].contains(indices.shape)
    else { throw failure("its indices do not fit its values") }
    let count = try budget.take(shape)
    let axes = indices.shape.count == 1 ? [count] : shape
    let steps = strides(of: axes)
    var dense = [Float](repeating: 0, count: count)
    for (element, value) in values.floats.enumerated() {
      var place = 0
      for axis in axes.indices {
        let index = places[element * axes.count + axis]
        guard (0..<axes[axis]).contains(index) else { throw failure("an index is out of range") }
        place += index * steps[axis]
      }
      dense[place] = value
    }
    return Known(shape, .floats(dense))
  }

  /// By ONNX's number of an element type.
  private static let formats: [Int32: NumberFormat] = [
    1: .float32, 2: .uint8, 3: .int8, 6: .int32, 7: .int64, 9: .boolean, 10: .float16, 11: .float64,
    16: .bfloat16,
  ]
}

extension ONNXTensor {
  /// What our own files say of a tensor: whether training learns it.
  var isLearned: Bool? {
    get { ["parameter": true, "buffer": false][documentation] }
    set { documentation = newValue.map { $0 ? "parameter" : "buffer" } ?? "" }
  }
}
