// Paths: whether the weights that masks keep still join a task's prediction to the image.

import Foundation

extension Graph {
  /// The tasks whose prediction the image no longer reaches, whatever it shows.
  ///
  /// A weighted operation's output channel is alive when a kept weight joins it to a living input
  /// channel; the other operations say which of theirs are. A task has a path when a channel of its
  /// prediction is alive.
  ///
  /// - Parameter masks: of the prunable weights by name, row-major, 1 = kept.
  /// - Throws: ``GraphError`` for a mask that is missing or too long or short.
  public func tasksWithoutPath(_ masks: [String: ArraySlice<UInt8>]) throws -> [String] {
    let size = input.size ?? Extent(224)
    let shapes = try shapes(for: size)
    let masks = MaskLookup(masks: masks)
    let image = (living: [true, true, true], shape: [3, size.height, size.width])
    var living: [[Bool]] = []
    for (index, node) in nodes.enumerated() {
      living.append(
        try node.operation.settings.living(
          sources[index].map { $0.map { living[$0] } ?? image.living },
          (sources[index].map { $0.map { shapes[$0] } ?? image.shape }, shapes[index]), masks))
    }
    return tasks.indices.compactMap { task in
      output(ofTask: task).map { living[$0].contains(true) } == true ? nil : tasks[task]
    }
  }
}

/// The masks of prunable weights, by name.
public struct MaskLookup {
  let masks: [String: ArraySlice<UInt8>]

  /// The results of `body` for every row of a weight's mask: the weights of one index of its first axis.
  func rows(
    of name: String, _ shape: [Int], _ body: (_ index: Int, _ row: MaskRow) throws -> Bool
  ) throws -> [Bool] {
    guard let mask = masks[name], mask.count == shape.reduce(1, *) else {
      throw GraphError("\(name): has no mask that fits it")
    }
    let length = mask.count / shape[0]
    return try mask.withUnsafeBytes { mask in
      try (0..<shape[0]).map { index in
        let row = mask[index * length..<(index + 1) * length]
        return try body(index, MaskRow(bytes: UnsafeRawBufferPointer(rebasing: row)))
      }
    }
  }
}

/// The masks of the weights of one output channel.
struct MaskRow {
  let bytes: UnsafeRawBufferPointer

  func keeps(_ range: Range<Int>) -> Bool {
    UnsafeRawBufferPointer(rebasing: bytes[range]).contains(1)
  }

  /// Whether a kept weight leads here from a living input channel.
  ///
  /// - Parameters:
  ///   - inputs: the living input channels.
  ///   - kernel: weights per input channel.
  func reaches(_ inputs: ArraySlice<Bool>, kernel: Int) -> Bool {
    guard let base = bytes.baseAddress else { return false }
    var start = 0
    // From kept weight to kept weight, past the rest of an input channel that is dead.
    while start < bytes.count, let found = memchr(base + start, 1, bytes.count - start) {
      let input = (UnsafeRawPointer(found) - base) / kernel
      if inputs[inputs.startIndex + input] { return true }
      start = (input + 1) * kernel
    }
    return false
  }
}
