// Copies HDF5 files with changes, to make the wrong ones that tools must refuse.

import HDF5

/// Changes to an HDF5 file. Paths are absolute; an attribute is "/train/seg@units" or "/@format".
struct Edit: Sendable {
  enum Attribute: Sendable {
    case integer(Int)
    case number(Double)
    case text(String)
    case texts([String])
  }

  private enum NumberType { case stored, float32 }

  private var removed: Set<String> = []
  private var attributes: [String: Attribute] = [:]
  private var shapes: [String: [Int]] = [:]
  private var values: [String: @Sendable (inout [Double]) -> Void] = [:]
  private var types: [String: NumberType] = [:]

  /// Leaves out a group, dataset or attribute.
  func removing(_ path: String) -> Edit { changed { $0.removed.insert(path) } }

  /// Sets an attribute of something that is there.
  func setting(_ path: String, _ value: Attribute) -> Edit {
    changed { $0.attributes[path] = value }
  }

  /// Gives a dataset another shape; its values are cut, or filled up with zeros.
  func reshaping(_ path: String, to shape: [Int]) -> Edit { changed { $0.shapes[path] = shape } }

  /// Changes a dataset's values.
  func changing(_ path: String, _ body: @escaping @Sendable (inout [Double]) -> Void) -> Edit {
    changed { $0.values[path] = body }
  }

  /// Sets one value of a dataset.
  func changing(_ path: String, at index: Int, to value: Double) -> Edit {
    changing(path) { $0[index] = value }
  }

  /// Stores a dataset as float32.
  func storingAsFloat(_ path: String) -> Edit { changed { $0.types[path] = .float32 } }

  private func changed(_ body: (inout Edit) -> Void) -> Edit {
    var edit = self
    body(&edit)
    return edit
  }

  func copy(_ source: String, to target: String) throws {
    let file = try File.create(target)
    try copy(try File.open(source).root, to: file.root)
    try file.close()
  }

  private func copy(_ source: Group, to target: Group) throws {
    try copyAttributes(of: source, to: target)
    for name in try source.groupNames() {
      let group = try source.group(name)
      if !removed.contains(group.path) { try copy(group, to: try target.createGroup(name)) }
    }
    for name in try source.datasetNames() {
      let dataset = try source.dataset(name)
      if !removed.contains(dataset.path) { try copy(dataset, name, to: target) }
    }
  }

  private func copy(_ source: Dataset, _ name: String, to target: Group) throws {
    let copied: Dataset
    switch types[source.path] == .float32 ? .float32 : source.elementType {
    case .string: copied = try target.writeStrings(name, try source.readStrings())
    case .float32: copied = try copy(source, name, to: target) { Float($0) }
    case .float64: copied = try copy(source, name, to: target) { $0 }
    case .uint8: copied = try copy(source, name, to: target) { UInt8($0) }
    case .uint16: copied = try copy(source, name, to: target) { UInt16($0) }
    case .int64: copied = try copy(source, name, to: target) { Int64($0) }
    case let other: fatalError("\(source.path) is \(other)")
    }
    try copyAttributes(of: source, to: copied)
  }

  private func copy<T: HDF5Scalar>(
    _ source: Dataset, _ name: String, to target: Group, _ convert: (Double) -> T
  ) throws -> Dataset {
    var numbers = try source.read(as: Double.self)
    let shape = shapes[source.path] ?? source.shape
    let count = shape.reduce(1, *)
    numbers = numbers.prefix(count) + [Double](repeating: 0, count: max(0, count - numbers.count))
    values[source.path]?(&numbers)
    let dataset = try target.createDataset(name, of: T.self, shape: shape)
    try dataset.write(numbers.map(convert))
    return dataset
  }

  private func copyAttributes(of source: some AttributeHolder, to target: some AttributeHolder)
    throws
  {
    for name in try source.attributeNames() where !removed.contains(source.path + "@" + name) {
      switch try source.attributeType(name) {
      case .string:
        let texts: [String] = try source.attribute(name)
        try set(name, texts.count == 1 ? .text(texts[0]) : .texts(texts), of: target)
      case .float32, .float64: try set(name, .number(try source.attribute(name)), of: target)
      default: try set(name, .integer(try source.attribute(name)), of: target)
      }
    }
    for (path, value) in attributes {
      let parts = path.split(separator: "@").map(String.init)
      if parts[0] == source.path { try set(parts[1], value, of: target) }
    }
  }

  private func set(_ name: String, _ value: Attribute, of target: some AttributeHolder) throws {
    switch value {
    case .integer(let value): try target.setAttribute(name, value)
    case .number(let value): try target.setAttribute(name, value)
    case .text(let value): try target.setAttribute(name, value)
    case .texts(let value): try target.setAttribute(name, value)
    }
  }
}
