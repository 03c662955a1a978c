// Windows: the padding of convolutions and pooling, pooling itself, and padding.

import Graphs

/// Where the windows of a convolution or pooling lie.
struct Window {
  struct Sides: Equatable {
    var top, left, bottom, right: Int
  }

  enum Padding {
    case each(Sides)
    /// As much as makes the output as large as the input over the stride, the odd pixel at the end or
    /// at the beginning.
    case same(oddAtEnd: Bool)
  }

  var kernel: Extent
  var stride: Extent
  var dilation: Extent
  var padding: Padding

  init(_ step: Step, kernel: Extent? = nil) throws {
    func pair(_ name: String) throws -> Extent? {
      guard let values = try step.ints(name) else { return nil }
      guard values.count == 2, values.allSatisfy({ (1...1 << 16).contains($0) }) else {
        throw step.failure("its \(name) are \(values)")
      }
      return Extent(values[0], values[1])
    }
    guard let kernel = try kernel ?? pair("kernel_shape"),
      [kernel.height, kernel.width].allSatisfy((1...1 << 24).contains)
    else { throw step.failure("has no kernel_shape") }
    self.kernel = kernel
    stride = try pair("strides") ?? Extent(1)
    dilation = try pair("dilations") ?? Extent(1)
    switch try step.string("auto_pad") ?? "NOTSET" {
    case "NOTSET":
      let sides = try step.ints("pads") ?? [0, 0, 0, 0]
      guard sides.count == 4, sides.allSatisfy({ (0...1 << 16).contains($0) }) else {
        throw step.failure("its pads are \(sides)")
      }
      padding = .each(Sides(top: sides[0], left: sides[1], bottom: sides[2], right: sides[3]))
    case "VALID": padding = .each(Sides(top: 0, left: 0, bottom: 0, right: 0))
    case "SAME_UPPER": padding = .same(oddAtEnd: true)
    case "SAME_LOWER": padding = .same(oddAtEnd: false)
    case let other: throw step.failure("its auto_pad is \(other)")
    }
  }

  /// The padding around a map of a size.
  func sides(for size: Extent) -> Sides {
    switch padding {
    case .each(let sides): return sides
    case .same(let oddAtEnd):
      func both(_ side: KeyPath<Extent, Int>) -> (Int, Int) {
        let (size, step) = (size[keyPath: side], stride[keyPath: side])
        let reach = (kernel[keyPath: side] - 1) * dilation[keyPath: side] + 1
        let all = max(0, ((size - 1) / step) * step + reach - size)
        return oddAtEnd ? (all / 2, all - all / 2) : (all - all / 2, all / 2)
      }
      let ((top, bottom), (left, right)) = (both(\.height), both(\.width))
      return Sides(top: top, left: left, bottom: bottom, right: right)
    }
  }
}

extension Importer {
  /// A window's input, behind a node that pads it where the sides differ, and the padding left to do.
  mutating func padded(_ input: Result, _ window: Window, _ call: Call, value: Double = 0) throws
    -> (
      Result, Extent
    )
  {
    let sides = zip(input.shapes, isAlive).filter(\.1).map { shape, _ in
      window.sides(for: Extent(shape[1], shape[2]))
    }
    guard sides.allSatisfy({ $0 == sides[0] }) else {
      throw call.failure("its padding depends on the image's size; export for one size")
    }
    let side = sides[0]
    if side.top == side.bottom, side.left == side.right {
      return (input, Extent(side.top, side.left))
    }
    let pad = Pad(
      top: side.top, bottom: side.bottom, left: side.left, right: side.right, value: value)
    return (try add(.pad(pad), [input], for: call.step, part: "pad"), Extent(0))
  }

  mutating func maxPool(_ call: Call) throws -> Result {
    let window = try Window(call.step)
    let (input, padding) = try padded(
      try call.map(0), window, call, value: -Double(Float.greatestFiniteMagnitude))
    return try add(
      .maxPool(
        MaxPool(
          kernel: window.kernel, stride: window.stride, padding: padding, dilation: window.dilation,
          ceilMode: try call.step.int("ceil_mode") ?? 0 != 0)), [input], for: call.step)
  }

  mutating func averagePool(_ call: Call) throws -> Result {
    let window = try Window(call.step)
    let countsPadding = try call.step.int("count_include_pad") ?? 0 != 0
    guard window.dilation == Extent(1) else { throw call.failure("is dilated") }
    let map = try call.map(0)
    let (input, padding) = try padded(map, window, call)
    guard countsPadding || input.name == map.name else {
      throw call.failure("its padding differs between the sides and is left out of the means")
    }
    return try add(
      .averagePool(
        AveragePool(
          kernel: window.kernel, stride: window.stride, padding: padding,
          ceilMode: try call.step.int("ceil_mode") ?? 0 != 0, countsPadding: countsPadding)),
      [input], for: call.step)
  }

  mutating func pad(_ call: Call) throws -> Result {
    let input = try call.map(0)
    let given = try call.integers(1)
    let axes =
      try call.isGiven(3) ? call.integers(3).map { try call.step.place($0, of: 4) } : [0, 1, 2, 3]
    guard given.count == 2 * axes.count, Set(axes).count == axes.count else {
      throw call.failure("its pads are \(given)")
    }
    var (before, after) = ([0, 0, 0, 0], [0, 0, 0, 0])
    for (place, axis) in axes.enumerated() {
      before[axis] = given[place]
      after[axis] = given[axes.count + place]
    }
    guard before[..<2] == [0, 0], after[..<2] == [0, 0] else {
      throw call.failure("pads channels; only rows and columns are padded")
    }
    let modes: [String: Pad.Mode] = [
      "constant": .constant, "reflect": .reflect, "edge": .replicate,
    ]
    guard let mode = modes[try call.step.string("mode") ?? "constant"] else {
      throw call.failure("its mode is none of \(modes.keys.sorted().joined(separator: ", "))")
    }
    if before + after == [Int](repeating: 0, count: 8) { return input }
    let value = call.isGiven(2) ? inDecimal(try call.scalar(2)) : 0
    guard value.isFinite else { throw call.failure("pads with \(value)") }
    return try add(
      .pad(
        Pad(
          top: before[2], bottom: after[2], left: before[3], right: after[3], mode: mode,
          value: value)),
      [input], for: call.step)
  }
}
