// Pooling: against loops over the windows, and PyTorch's values where windows leave the picture.

import TestSupport
import Testing
import Torch

@Suite struct PoolingTests {
  struct Case: Sendable {
    var kernel = Pair(3)
    var stride = Pair(1)
    var padding = Pair(0)
    var dilation = Pair(1)
    var ceilMode = false
    var countsPadding = true
  }

  /// How many windows there are along a side of `n` pixels.
  private static func length(_ it: Case, _ n: Int, _ side: KeyPath<Pair, Int>) -> Int {
    let (stride, padding) = (it.stride[keyPath: side], it.padding[keyPath: side])
    let room = n + 2 * padding - it.dilation[keyPath: side] * (it.kernel[keyPath: side] - 1) - 1
    guard it.ceilMode else { return room / stride + 1 }
    let count = (room + stride - 1) / stride + 1
    return (count - 1) * stride < n + padding ? count : count - 1
  }

  /// The rows and columns of every window, those of padding among them.
  private static func pool(_ it: Case, _ x: Values, _ value: ([Int], [[Int]]) -> Double) -> Values {
    let (rows, columns) = (length(it, x.shape[2], \.height), length(it, x.shape[3], \.width))
    return Values([x.shape[0], x.shape[1], rows, columns]) { i in
      value(
        i,
        indices(of: [it.kernel.height, it.kernel.width]).map {
          [
            i[2] * it.stride.height - it.padding.height + $0[0] * it.dilation.height,
            i[3] * it.stride.width - it.padding.width + $0[1] * it.dilation.width,
          ]
        })
    }
  }

  static let cases = [
    Case(), Case(kernel: 2, stride: 2), Case(stride: 2, padding: 1),
    Case(stride: 2, padding: 1, ceilMode: true), Case(kernel: 2, stride: 2, ceilMode: true),
    Case(kernel: Pair(2, 3), stride: Pair(2, 1), padding: Pair(1, 0), ceilMode: true),
    Case(kernel: Pair(1, 3), stride: 3, padding: Pair(0, 1)),
  ]

  @Test(
    arguments: cases + [
      Case(kernel: 2, stride: 2, padding: 1, dilation: Pair(2, 3), ceilMode: true),
      Case(kernel: Pair(3, 2), dilation: 2),
    ])
  func theLargestElementOfEachWindowRemains(_ it: Case) throws {
    try expectAgreement([Values(random: [2, 3, 6, 7], seed: 1)]) {
      try $0[0].maxPooled(
        kernel: it.kernel, stride: it.stride, padding: it.padding, dilation: it.dilation,
        ceilMode: it.ceilMode)
    } with: { inputs in
      Self.pool(it, inputs[0]) { i, window in
        window.filter { (0..<6).contains($0[0]) && (0..<7).contains($0[1]) }
          .map { inputs[0][[i[0], i[1]] + $0] }.max() ?? -.infinity
      }
    }
  }

  @Test(
    arguments: cases
      + cases.map { it in
        var it = it
        it.countsPadding = false
        return it
      })
  func theMeanOfEachWindowRemains(_ it: Case) throws {
    try expectAgreement([Values(random: [2, 3, 6, 7], seed: 1)]) {
      try $0[0].averagePooled(
        kernel: it.kernel, stride: it.stride, padding: it.padding, ceilMode: it.ceilMode,
        countsPadding: it.countsPadding)
    } with: { inputs in
      // Beyond the padding, where ceil mode reaches, nothing is counted.
      let margin = it.countsPadding ? it.padding : 0
      return Self.pool(it, inputs[0]) { i, window in
        let counted = window.count {
          (-margin.height..<6 + margin.height).contains($0[0])
            && (-margin.width..<7 + margin.width).contains($0[1])
        }
        return window.reduce(0) { $0 + inputs[0][[i[0], i[1]] + $1] } / Double(counted)
      }
    }
  }

  @Test func poolingInCeilModeKeepsTheLastColumn() throws {
    let row = try Tensor([5, 1, 2, 9] as [Float], shape: [1, 1, 1, 4])
    let ceiled = try row.maxPooled(kernel: 3, stride: 2, padding: 1, ceilMode: true)
    #expect(ceiled.shape == [1, 1, 1, 3])
    #expect(try ceiled.array(of: Float.self) == [5, 9, 9])
    let floored = try row.maxPooled(kernel: 3, stride: 2, padding: 1, ceilMode: false)
    #expect(try floored.array(of: Float.self) == [5, 9])
  }

  @Test(arguments: [Pair(1), Pair(2, 3), Pair(6, 7), Pair(4, 9)])
  func adaptivePoolingCoversThePicture(_ size: Pair) throws {
    func part(_ i: Int, of k: Int, _ n: Int) -> Range<Int> { i * n / k..<((i + 1) * n + k - 1) / k }
    try expectAgreement([Values(random: [2, 3, 6, 7], seed: 1)]) {
      try $0[0].adaptiveAveragePooled(to: size)
    } with: { inputs in
      Values([2, 3, size.height, size.width]) { i in
        let values = part(i[2], of: size.height, 6).flatMap { row in
          part(i[3], of: size.width, 7).map { inputs[0][[i[0], i[1], row, $0]] }
        }
        return values.reduce(0, +) / Double(values.count)
      }
    }
  }

  @Test func globalMaximaAndMeansAreOnePixel() throws {
    let input = Values(random: [2, 3, 4, 5], seed: 1)
    func channel(_ x: Values, _ i: [Int]) -> [Double] {
      indices(of: [4, 5]).map { x[[i[0], i[1]] + $0] }
    }
    try expectAgreement([input]) {
      try $0[0].globalMaxPooled()
    } with: { inputs in
      Values([2, 3, 1, 1]) { channel(inputs[0], $0).max() ?? .nan }
    }
    for (dimensions, keeping) in [([2, 3], true), ([-1, -2], true), ([3, 2], false)] {
      try expectAgreement([input]) {
        try $0[0].mean(over: dimensions, keepingDimensions: keeping)
      } with: { inputs in
        Values(keeping ? [2, 3, 1, 1] : [2, 3]) { channel(inputs[0], $0).reduce(0, +) / 20 }
      }
    }
    try expectAgreement([input]) {
      try $0[0].mean(over: [1])
    } with: { inputs in
      Values([2, 4, 5]) { i in
        (0..<3).reduce(0) { $0 + inputs[0][[i[0], $1, i[1], i[2]]] / 3 }
      }
    }
    try expectAgreement([input]) {
      try $0[0].mean(over: [])
    } with: { inputs in
      Values([]) { _ in inputs[0].numbers.reduce(0, +) / 120 }
    }
  }

  @Test func oneOfEqualElementsGetsTheGradient() throws {
    let image = try Tensor.full(0, shape: [1, 1, 2, 2])
    try image.requireGradient()
    for pooled in [try image.globalMaxPooled(), try image.maxPooled(kernel: 2, stride: 2)] {
      let gradient = try pooled.sum().gradients(of: [image])[0]
      #expect(try gradient?.array(of: Float.self) == [1, 0, 0, 0])
    }
  }

  /// libtorch itself would write their gradients beside the picture.
  @Test func dilatedWindowsWithoutAPixelAreErrors() throws {
    let flat = try Tensor.full(1, shape: [2, 3, 1, 4])
    _ = expectTorchError {
      _ = try flat.maxPooled(kernel: Pair(2, 1), stride: 1, padding: Pair(1, 0), dilation: 2)
    }
    let narrow = try Tensor.full(1, shape: [2, 3, 4, 1])
    _ = expectTorchError {
      _ = try narrow.maxPooled(
        kernel: Pair(1, 2), stride: 2, padding: Pair(0, 1), dilation: 3, ceilMode: true)
    }
    let pooled = try flat.maxPooled(kernel: Pair(3, 1), stride: 1, padding: Pair(1, 0))
    #expect(pooled.shape == [2, 3, 1, 4])
  }

  @Test(arguments: strangeNumbers) func strangeSizesAreErrors(_ strange: Int) throws {
    let image = try Tensor.full(1, shape: [1, 2, 8, 8])
    for pair in [Pair(strange), Pair(1, strange), Pair(strange, 1)] {
      _ = expectTorchError { _ = try image.maxPooled(kernel: pair, stride: 1) }
      _ = expectTorchError { _ = try image.maxPooled(kernel: 2, stride: pair) }
      _ = expectTorchError { _ = try image.maxPooled(kernel: 2, stride: 1, dilation: pair) }
      _ = expectTorchError { _ = try image.averagePooled(kernel: pair, stride: 1) }
      _ = expectTorchError { _ = try image.averagePooled(kernel: 2, stride: pair) }
      if strange != 0 {
        _ = expectTorchError { _ = try image.maxPooled(kernel: 2, stride: 1, padding: pair) }
        _ = expectTorchError { _ = try image.averagePooled(kernel: 2, stride: 1, padding: pair) }
        _ = expectTorchError { _ = try image.adaptiveAveragePooled(to: pair) }
      }
    }
    let vector = try Tensor.full(1, shape: [3])
    _ = expectTorchError { _ = try vector.globalMaxPooled() }
    _ = expectTorchError { _ = try vector.adaptiveAveragePooled(to: 1) }
  }
}
