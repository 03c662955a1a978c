// Tensors that do not depend on the image: weights, settings given as tensors, and the sizes from which
// exporters compute the targets of reshapes and resizes.

struct Known {
  enum Values {
    case floats([Float])
    /// Also booleans, as 0 and 1.
    case integers([Int])
  }

  /// The tensor of the file that it is.
  struct Origin: Hashable {
    var name: String
    /// Whether it lies transposed here.
    var isTransposed = false
    /// Whether training learns it, where the file says so.
    var isLearned: Bool?

    /// Whether somebody gave it a name.
    var isNamed: Bool { isLearned != nil || !isAnonymous(name) }
  }

  var shape: [Int]
  var values: Values
  var origin: Origin?
  /// By integer: the node whose size it is, or nothing.
  var sizesOf: [String?]?

  init(_ shape: [Int], _ values: Values, origin: Origin? = nil, sizesOf: [String?]? = nil) {
    self.shape = shape
    self.values = values
    self.origin = origin
    self.sizesOf = sizesOf
  }

  init(_ integers: [Int]) { self.init([integers.count], .integers(integers)) }

  var count: Int {
    switch values {
    case .floats(let values): values.count
    case .integers(let values): values.count
    }
  }

  /// Row-major; integers beyond 2²⁴ are rounded.
  var floats: [Float] {
    switch values {
    case .floats(let values): values
    case .integers(let values): values.map { Float($0) }
    }
  }

  var integers: [Int]? {
    guard case .integers(let values) = values else { return nil }
    return values
  }

  /// The elements at places, in another shape.
  func picking(_ places: [Int], _ shape: [Int]) -> Known {
    let picked: Values =
      switch values {
      case .floats(let values): .floats(places.map { values[$0] })
      case .integers(let values): .integers(places.map { values[$0] })
      }
    return Known(shape, picked, sizesOf: sizesOf.map { names in places.map { names[$0] } })
  }

  /// The same elements in another shape.
  func reshaped(_ shape: [Int]) -> Known {
    Known(shape, values, origin: origin, sizesOf: sizesOf)
  }

  func isFilled(with value: Float) -> Bool { floats.allSatisfy { $0 == value } }
}

/// How many elements computed tensors may still have: those that are in a file its bytes account for,
/// but a few bytes can ask for billions.
struct ElementBudget {
  private var left: Int

  init(fileBytes: Int) { left = (1 << 24) + 256 * min(fileBytes, 1 << 40) }

  mutating func take(_ shape: [Int]) throws -> Int {
    guard let count = elementCount(shape), count <= left else {
      throw ExchangeError("would compute a tensor of \(shape)")
    }
    left -= count
    return count
  }
}

/// Steps between the elements of a row-major tensor along its axes.
func strides(of shape: [Int]) -> [Int] {
  var strides = [Int](repeating: 1, count: shape.count)
  for axis in shape.indices.dropLast().reversed() {
    strides[axis] = strides[axis + 1] * shape[axis + 1]
  }
  return strides
}

/// For each element of a result, row-major: its place in a tensor with these steps along the result's
/// axes.
func places(in shape: [Int], steps: [Int], from start: Int = 0) -> [Int] {
  if shape.contains(0) { return [] }
  var places = [start]
  for (size, step) in zip(shape, steps) {
    places = places.flatMap { place in (0..<size).map { place + $0 * step } }
  }
  return places
}
