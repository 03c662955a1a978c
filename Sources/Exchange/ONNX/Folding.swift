// Folding: operations on tensors that do not depend on the image are computed while a file is read.

import Foundation

/// Computes one operation for inputs that are all known.
struct Folding {
  let step: Step
  let inputs: [Known?]
  let stored: StoredTensors

  /// What is folded.
  static let operations: Set<String> = [
    "Constant", "ConstantOfShape", "Shape", "Size", "Gather", "Slice", "Concat", "Unsqueeze",
    "Squeeze",
    "Cast", "CastLike", "Identity", "Add", "Sub", "Mul", "Div", "Mod", "Min", "Max", "Pow", "Neg",
    "Abs",
    "Floor", "Ceil", "Sqrt", "Reciprocal", "Not", "Range", "Expand", "Reshape", "Flatten",
    "Transpose",
    "Where", "Equal", "Greater", "Less", "GreaterOrEqual", "LessOrEqual", "And", "Or", "ReduceProd",
  ]

  func result(_ budget: inout ElementBudget) throws -> Known {
    switch step.operation {
    case "Constant": try constant()
    case "ConstantOfShape": try constantOfShape(&budget)
    case "Shape": try shape()
    case "Size": Known([], .integers([try known(0).count]))
    case "Gather": try gather(&budget)
    case "Slice": try slice(&budget)
    case "Concat": try concat(&budget)
    case "Unsqueeze": try unsqueeze()
    case "Squeeze": try squeeze()
    case "Cast": try cast()
    case "CastLike": try known(1).integers == nil ? floats(known(0)) : integers(known(0))
    case "Identity": try known(0)
    case "Range": try range(&budget)
    case "Expand": try expand(&budget)
    case "Reshape": try reshape()
    case "Flatten": try flatten()
    case "Transpose": try transpose(&budget)
    case "Where": try selection(&budget)
    case "ReduceProd": try product()
    case "Neg", "Abs", "Floor", "Ceil", "Sqrt", "Reciprocal", "Not": try unary(&budget)
    default: try binary(&budget)
    }
  }

  private func known(_ index: Int) throws -> Known {
    guard inputs.indices.contains(index), let input = inputs[index] else {
      throw step.failure("lacks its input \(index + 1)")
    }
    return input
  }

  private func isGiven(_ index: Int) -> Bool {
    inputs.indices.contains(index) && inputs[index] != nil
  }

  private func ints(_ index: Int) throws -> [Int] {
    guard let integers = try known(index).integers else {
      throw step.failure("its input \(index + 1) must be integers")
    }
    return integers
  }

  private func axis(_ axis: Int, of rank: Int) throws -> Int {
    guard (-rank..<rank).contains(axis) else { throw step.failure("has no axis \(axis)") }
    return axis < 0 ? axis + rank : axis
  }

  // MARK: Making tensors

  private func constant() throws -> Known {
    if let tensor = try step.tensor("value") { return try stored.decode(tensor) }
    if let value = try step.int("value_int") { return Known([], .integers([value])) }
    if let values = try step.ints("value_ints") { return Known(values) }
    if let value = try step.float("value_float") { return Known([], .floats([value])) }
    if let values = try step.floats("value_floats") {
      return Known([values.count], .floats(values))
    }
    throw step.failure("has no value that is read")
  }

  private func constantOfShape(_ budget: inout ElementBudget) throws -> Known {
    let shape = try ints(0)
    let value = try step.tensor("value").map(stored.decode) ?? Known([1], .floats([0]))
    guard value.count == 1 else { throw step.failure("its value is not one number") }
    return value.picking([Int](repeating: 0, count: try take(shape, &budget)), shape)
  }

  private func range(_ budget: inout ElementBudget) throws -> Known {
    func scalar(_ index: Int) throws -> Double {
      let input = try known(index)
      guard input.count == 1 else { throw step.failure("takes three numbers") }
      return input.integers.map { Double($0[0]) } ?? Double(input.floats[0])
    }
    let (from, to, by) = (try scalar(0), try scalar(1), try scalar(2))
    let steps = ((to - from) / by).rounded(.up)
    guard steps.isFinite, steps < 1e15 else { throw step.failure("does not end") }
    let count = try take([max(0, Int(steps))], &budget)
    let values = (0..<count).map { from + Double($0) * by }
    guard try known(0).integers != nil else {
      return Known([count], .floats(values.map { Float($0) }))
    }
    return Known([count], .integers(try values.map(integer)))
  }

  private func take(_ shape: [Int], _ budget: inout ElementBudget) throws -> Int {
    guard shape.count <= 16 else { throw step.failure("makes a tensor of \(shape.count) axes") }
    do {
      return try budget.take(shape)
    } catch let error as ExchangeError {
      throw step.failure(error.description)
    }
  }

  // MARK: Moving elements

  private func shape() throws -> Known {
    let shape = try known(0).shape
    return Known(Array(shape[try step.shapeRange(rank: shape.count)]))
  }

  private func gather(_ budget: inout ElementBudget) throws -> Known {
    let input = try known(0)
    let axis = try axis(try step.int("axis") ?? 0, of: input.shape.count)
    let size = input.shape[axis]
    let indices = try ints(1).map { index in
      guard (-size..<size).contains(index) else {
        throw step.failure("index \(index) is out of range")
      }
      return index < 0 ? index + size : index
    }
    let shape = input.shape[..<axis] + (try known(1).shape) + input.shape[(axis + 1)...]
    _ = try take(Array(shape), &budget)
    let steps = strides(of: input.shape)
    let before = places(in: Array(input.shape[..<axis]), steps: Array(steps[..<axis]))
    let after = places(in: Array(input.shape[(axis + 1)...]), steps: Array(steps[(axis + 1)...]))
    return input.picking(
      before.flatMap { before in
        indices.flatMap { index in after.map { before + index * steps[axis] + $0 } }
      }, Array(shape))
  }

  private func slice(_ budget: inout ElementBudget) throws -> Known {
    let input = try known(0)
    let (from, to) = (try ints(1), try ints(2))
    let axes = isGiven(3) ? try ints(3) : Array(from.indices)
    let by = isGiven(4) ? try ints(4) : from.map { _ in 1 }
    guard from.count == to.count, axes.count == from.count, by.count == from.count else {
      throw step.failure("its ranges do not fit each other")
    }
    var (shape, steps, start) = (input.shape, strides(of: input.shape), 0)
    for (place, given) in axes.enumerated() {
      let axis = try axis(given, of: shape.count)
      let size = input.shape[axis]
      let range = try step.range(from[place], to[place], by: by[place], of: size)
      shape[axis] = range.count
      start += (range.count == 0 ? 0 : range.first) * steps[axis]
      if range.count > 1 { steps[axis] *= range.by }
    }
    _ = try take(shape, &budget)
    return input.picking(places(in: shape, steps: steps, from: start), shape)
  }

  private func concat(_ budget: inout ElementBudget) throws -> Known {
    let parts = try inputs.indices.map(known)
    guard let first = parts.first else { throw step.failure("has no inputs") }
    let axis = try axis(try step.int("axis") ?? 0, of: first.shape.count)
    var shape = first.shape
    shape[axis] = try parts.reduce(0) { sum, part in
      guard part.shape.count == shape.count,
        shape.indices.allSatisfy({ $0 == axis || part.shape[$0] == shape[$0] })
      else { throw step.failure("\(shape) and \(part.shape) do not fit each other") }
      return sum + part.shape[axis]
    }
    _ = try take(shape, &budget)
    let blocks = elementCount(Array(shape[..<axis])) ?? 0
    func joined<Number>(_ values: [[Number]]) -> [Number] {
      (0..<blocks).flatMap { block in
        values.flatMap { values in
          let length = values.count / blocks
          return values[block * length..<(block + 1) * length]
        }
      }
    }
    let integers = parts.compactMap(\.integers)
    guard integers.count == parts.count else {
      return Known(shape, .floats(joined(parts.map(\.floats))))
    }
    let names = parts.map { $0.sizesOf ?? [String?](repeating: nil, count: $0.count) }
    return Known(shape, .integers(joined(integers)), sizesOf: joined(names))
  }

  private func unsqueeze() throws -> Known {
    let input = try known(0)
    let axes = try ints(1)
    return input.reshaped(try step.unsqueezed(input.shape, axes))
  }

  private func squeeze() throws -> Known {
    let input = try known(0)
    return input.reshaped(try step.squeezed(input.shape, isGiven(1) ? try ints(1) : nil))
  }

  private func reshape() throws -> Known {
    let input = try known(0)
    var shape = try ints(1)
    if try step.int("allowzero") ?? 0 == 0 {
      for axis in shape.indices where shape[axis] == 0 {
        guard input.shape.indices.contains(axis) else {
          throw step.failure("copies no axis \(axis)")
        }
        shape[axis] = input.shape[axis]
      }
    }
    if let left = shape.firstIndex(of: -1) {
      shape[left] = 1
      guard let rest = elementCount(shape), rest > 0 else {
        throw step.failure("cannot bring \(input.shape) to it")
      }
      shape[left] = input.count / rest
    }
    guard shape.count <= 16, elementCount(shape) == input.count else {
      throw step.failure("cannot bring \(input.shape) to \(shape)")
    }
    return input.reshaped(shape)
  }

  private func flatten() throws -> Known {
    let input = try known(0)
    let rank = input.shape.count
    let axis = try step.int("axis") ?? 1
    guard (-rank...rank).contains(axis) else { throw step.failure("has no axis \(axis)") }
    let place = axis < 0 ? axis + rank : axis
    return input.reshaped([
      elementCount(Array(input.shape[..<place])) ?? 0,
      elementCount(Array(input.shape[place...])) ?? 0,
    ])
  }

  private func transpose(_ budget: inout ElementBudget) throws -> Known {
    let input = try known(0)
    let axes = try step.ints("perm") ?? input.shape.indices.reversed()
    guard axes.sorted() == Array(input.shape.indices) else {
      throw step.failure("\(axes) is no order of the axes")
    }
    _ = try take(input.shape, &budget)
    let (steps, shape) = (strides(of: input.shape), axes.map { input.shape[$0] })
    var result = input.picking(places(in: shape, steps: axes.map { steps[$0] }), shape)
    if axes == [1, 0] {
      result.origin = input.origin
      result.origin?.isTransposed.toggle()
    }
    return result
  }

  private func expand(_ budget: inout ElementBudget) throws -> Known {
    let input = try known(0)
    let shape = try broadcast(input.shape, try ints(1))
    _ = try take(shape, &budget)
    return input.picking(broadcastPlaces(of: input.shape, in: shape), shape)
  }

  // MARK: Arithmetic

  private func cast() throws -> Known {
    let input = try known(0)
    switch try step.int("to") {
    case 1, 10, 11, 16: return floats(input)
    case 2, 3, 5, 6, 7, 12, 13: return try integers(input)
    case 9: return Known(input.shape, .integers(input.floats.map { $0 == 0 ? 0 : 1 }))
    default: throw step.failure("casts to a type that is not read")
    }
  }

  private func floats(_ input: Known) -> Known {
    guard input.integers != nil else { return input }
    return Known(input.shape, .floats(input.floats))
  }

  private func integers(_ input: Known) throws -> Known {
    guard input.integers == nil else { return input }
    return Known(input.shape, .integers(try input.floats.map { try integer(Double($0)) }))
  }

  private func integer(_ value: Double) throws -> Int {
    guard value.isFinite, value.magnitude < 0x1p62 else {
      throw step.failure("\(value) is no integer")
    }
    return Int(value)
  }

  private func broadcast(_ one: [Int], _ other: [Int]) throws -> [Int] {
    let rank = max(one.count, other.count)
    func padded(_ shape: [Int]) -> [Int] { [Int](repeating: 1, count: rank - shape.count) + shape }
    return try zip(padded(one), padded(other)).map { a, b in
      guard a == b || a == 1 || b == 1 else {
        throw step.failure("\(one) and \(other) do not fit each other")
      }
      return a == 1 ? b : a
    }
  }

  /// For each element of a shape: its place in a tensor whose axes of size 1 are repeated.
  private func broadcastPlaces(of input: [Int], in shape: [Int]) -> [Int] {
    let steps = zip(input, strides(of: input)).map { $0 == 1 ? 0 : $1 }
    return places(
      in: shape, steps: [Int](repeating: 0, count: shape.count - input.count) + steps)
  }

  private func repeated(_ input: Known, _ shape: [Int]) -> Known {
    input.shape == shape ? input : input.picking(broadcastPlaces(of: input.shape, in: shape), shape)
  }

  private func selection(_ budget: inout ElementBudget) throws -> Known {
    let (condition, yes, no) = (try known(0), try known(1), try known(2))
    let shape = try broadcast(try broadcast(condition.shape, yes.shape), no.shape)
    _ = try take(shape, &budget)
    let choices = repeated(condition, shape).floats
    let (one, other) = (repeated(yes, shape), repeated(no, shape))
    if let one = one.integers, let other = other.integers {
      return Known(shape, .integers(choices.indices.map { choices[$0] != 0 ? one[$0] : other[$0] }))
    }
    let (ones, others) = (one.floats, other.floats)
    return Known(shape, .floats(choices.indices.map { choices[$0] != 0 ? ones[$0] : others[$0] }))
  }

  private func product() throws -> Known {
    let input = try known(0)
    guard !step.has("axes"), !isGiven(1), try step.int("keepdims") == 0, let values = input.integers
    else { throw step.failure("is folded over all integers only") }
    return Known(
      [], .integers([try values.reduce(1) { try checked($0.multipliedReportingOverflow(by: $1)) }]))
  }

  private func unary(_ budget: inout ElementBudget) throws -> Known {
    let input = try known(0)
    _ = try take(input.shape, &budget)
    if let values = input.integers {
      return Known(
        input.shape,
        .integers(
          try values.map { value in
            switch step.operation {
            case "Neg": try checked((0).subtractingReportingOverflow(value))
            case "Abs": value < 0 ? try checked((0).subtractingReportingOverflow(value)) : value
            case "Not": value == 0 ? 1 : 0
            default: throw step.failure("does not take integers")
            }
          }))
    }
    return Known(
      input.shape,
      .floats(
        try input.floats.map { value in
          switch step.operation {
          case "Neg": -value
          case "Abs": value.magnitude
          case "Floor": value.rounded(.down)
          case "Ceil": value.rounded(.up)
          case "Sqrt": value.squareRoot()
          case "Reciprocal": 1 / value
          default: throw step.failure("does not take fractions")
          }
        }))
  }

  private func checked(_ result: (partialValue: Int, overflow: Bool)) throws -> Int {
    guard !result.overflow else { throw step.failure("overflows") }
    return result.partialValue
  }

  private func binary(_ budget: inout ElementBudget) throws -> Known {
    let (one, other) = (try known(0), try known(1))
    let shape = try broadcast(one.shape, other.shape)
    _ = try take(shape, &budget)
    let (left, right) = (repeated(one, shape), repeated(other, shape))
    if let left = left.integers, let right = right.integers {
      return Known(shape, .integers(try zip(left, right).map(integerResult)))
    }
    let values = try zip(left.floats, right.floats).map(floatResult)
    let isComparison = ["Equal", "Greater", "Less", "GreaterOrEqual", "LessOrEqual"].contains(
      step.operation)
    return Known(shape, isComparison ? .integers(values.map { Int($0) }) : .floats(values))
  }

  private func integerResult(_ a: Int, _ b: Int) throws -> Int {
    switch step.operation {
    case "Add": return try checked(a.addingReportingOverflow(b))
    case "Sub": return try checked(a.subtractingReportingOverflow(b))
    case "Mul": return try checked(a.multipliedReportingOverflow(by: b))
    case "Div":
      guard b != 0 else { throw step.failure("divides by zero") }
      return try checked(a.dividedReportingOverflow(by: b))
    case "Mod":
      guard b != 0 else { throw step.failure("divides by zero") }
      let remainder = try checked(a.remainderReportingOverflow(dividingBy: b))
      return remainder != 0 && (remainder < 0) != (b < 0) ? remainder + b : remainder
    case "Pow": return try integer(pow(Double(a), Double(b)))
    case "Min": return min(a, b)
    case "Max": return max(a, b)
    case "Equal": return a == b ? 1 : 0
    case "Greater": return a > b ? 1 : 0
    case "Less": return a < b ? 1 : 0
    case "GreaterOrEqual": return a >= b ? 1 : 0
    case "LessOrEqual": return a <= b ? 1 : 0
    case "And": return a != 0 && b != 0 ? 1 : 0
    case "Or": return a != 0 || b != 0 ? 1 : 0
    default: throw step.failure("does not take integers")
    }
  }

  private func floatResult(_ a: Float, _ b: Float) throws -> Float {
    switch step.operation {
    case "Add": a + b
    case "Sub": a - b
    case "Mul": a * b
    case "Div": a / b
    case "Pow": pow(a, b)
    case "Min": min(a, b)
    case "Max": max(a, b)
    case "Equal": a == b ? 1 : 0
    case "Greater": a > b ? 1 : 0
    case "Less": a < b ? 1 : 0
    case "GreaterOrEqual": a >= b ? 1 : 0
    case "LessOrEqual": a <= b ? 1 : 0
    default: throw step.failure("does not take fractions")
    }
  }
}

extension Step {
  /// The part of a shape that Shape tells.
  func shapeRange(rank: Int) throws -> Range<Int> {
    func place(_ index: Int) -> Int { min(max(index < 0 ? index + rank : index, 0), rank) }
    let from = place(max(try int("start") ?? 0, -rank))
    let to = place(min(max(try int("end") ?? rank, -rank), rank))
    return from..<max(from, to)
  }

  /// The places that a range takes of an axis: the first, how many, and the step.
  func range(_ from: Int, _ to: Int, by: Int, of size: Int) throws -> (
    first: Int, count: Int, by: Int
  ) {
    guard by != 0, by.magnitude <= 1 << 32 else { throw failure("steps by \(by)") }
    func place(_ index: Int, _ least: Int, _ most: Int) -> Int {
      let counted = index < 0 ? max(index, -size - 1) + size : index
      return min(max(counted, least), most)
    }
    if by > 0 {
      let (first, end) = (place(from, 0, size), place(to, 0, size))
      return (first, end > first ? (end - first - 1) / by + 1 : 0, by)
    }
    let (first, end) = (place(from, -1, size - 1), place(to, -1, size - 1))
    return (first, first > end ? (first - end - 1) / -by + 1 : 0, by)
  }

  func unsqueezed(_ shape: [Int], _ axes: [Int]) throws -> [Int] {
    let rank = shape.count + axes.count
    let places = Set(try axes.map { try place($0, of: rank) })
    guard places.count == axes.count, rank <= 16 else { throw failure("adds axes \(axes)") }
    var rest = shape[...]
    return (0..<rank).map { places.contains($0) ? 1 : rest.removeFirst() }
  }

  /// - Parameter axes: nil for all of size 1.
  func squeezed(_ shape: [Int], _ axes: [Int]?) throws -> [Int] {
    guard let axes else { return shape.filter { $0 != 1 } }
    let places = Set(try axes.map { try place($0, of: shape.count) })
    guard places.allSatisfy({ shape[$0] == 1 }) else {
      throw failure("takes the axes \(axes) from \(shape)")
    }
    return shape.enumerated().filter { !places.contains($0.offset) }.map(\.element)
  }

  /// An axis, counted from the end where it is negative.
  func place(_ axis: Int, of rank: Int) throws -> Int {
    guard (-rank..<rank).contains(axis) else { throw failure("has no axis \(axis) of \(rank)") }
    return axis < 0 ? axis + rank : axis
  }
}
