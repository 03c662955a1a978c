// Tensors: values in and out, whatever their type, shape and memory format.

import Testing
import Torch

@Suite struct TensorTests {
  @Test func everyElementTypeComesBack() throws {
    #expect(
      try Tensor([-1.5, 0, .pi] as [Float], shape: [3]).array(of: Float.self) == [-1.5, 0, .pi])
    #expect(try Tensor([-1.5, .pi] as [Double], shape: [2]).array(of: Double.self) == [-1.5, .pi])
    #expect(try Tensor([0, 7, 255] as [UInt8], shape: [3]).array(of: UInt8.self) == [0, 7, 255])
    #expect(
      try Tensor([.min, -1, .max] as [Int64], shape: [3]).array(of: Int64.self) == [.min, -1, .max])
  }

  @Test func shapesAreKept() throws {
    for shape in [[], [1], [4, 3], [0, 5], [2, 3, 4, 5]] {
      let tensor = try Tensor.full(2.5, shape: shape)
      #expect(tensor.shape == shape)
      #expect(tensor.count == shape.reduce(1, *))
      #expect(tensor.dtype == .float32 && tensor.device == .cpu)
      #expect(try tensor.array() == [Float](repeating: 2.5, count: tensor.count))
    }
  }

  @Test func aCopyOfTheValuesIsTaken() throws {
    var values: [Float] = [1, 2]
    let tensor = try Tensor(values, shape: [2])
    values[0] = 9
    #expect(try tensor.array(of: Float.self) == [1, 2])
  }

  @Test func channelsLastChangesTheLayoutAndNotTheValues() throws {
    let (tensor, values) = try randomTensor([2, 3, 4, 5])
    let last = try tensor.channelsLast()
    #expect(last.shape == tensor.shape)
    #expect(try last.array() == values)
    #expect(try last.channelsLast().array() == values)
    #expect(try last.reshaped([6, 20]).array() == values)
  }

  @Test func permutingReordersTheValues() throws {
    let shape = [2, 3, 4]
    let (tensor, values) = try randomTensor(shape)
    let order = [2, 0, 1]
    let permuted = try tensor.permuted(order)
    #expect(permuted.shape == [4, 2, 3])
    let expected = indices(of: permuted.shape).map { index -> Float in
      var original = [0, 0, 0]
      for (place, dimension) in order.enumerated() { original[dimension] = index[place] }
      return values[offset(original, in: shape)]
    }
    #expect(try permuted.array() == expected)
    #expect(try permuted.permuted([1, 2, 0]).array() == values)
  }

  @Test func imagesTurnIntoChannelsFirstAndBack() throws {
    let (images, values) = try randomTensor([2, 4, 5, 3])
    let first = try images.permuted([0, 3, 1, 2]).channelsLast()
    #expect(first.shape == [2, 3, 4, 5])
    #expect(try first.permuted([0, 2, 3, 1]).array() == values)
  }

  @Test func selectingPicksRepeatsAndReorders() throws {
    let tensor = try Tensor((0..<6).map(Float.init), shape: [2, 3])
    let picked = try tensor.selecting([2, 0, 0, 1], along: 1)
    #expect(picked.shape == [2, 4])
    #expect(try picked.array(of: Float.self) == [2, 0, 0, 1, 5, 3, 3, 4])
    #expect(try tensor.selecting([], along: 0).shape == [0, 3])
  }

  @Test func itemReadsOneValueOfAnyType() throws {
    #expect(try Tensor([7] as [Int64], shape: [1, 1]).item() == 7)
    #expect(try Tensor.full(0.1, shape: [], dtype: .float64).item() == 0.1)
    #expect(try Tensor.full(1.5, shape: [], dtype: .bfloat16).item() == 1.5)
  }

  @Test func typesConvert() throws {
    let tensor = try Tensor([0, 1.75, 200] as [Float], shape: [3])
    #expect(try tensor.to(.uint8).array(of: UInt8.self) == [0, 1, 200])
    #expect(try tensor.to(.int64).array(of: Int64.self) == [0, 1, 200])
    #expect(try tensor.to(.bfloat16).dtype == .bfloat16)
    #expect(try tensor.to(.bfloat16).to(.float32).array(of: Float.self) == [0, 1.75, 200])
    #expect(try tensor.to(.bool).dtype == .bool)
    let bytes = try Tensor([3, 255] as [UInt8], shape: [2])
    #expect(try bytes.to(.float32).array(of: Float.self) == [3, 255])
  }

  @Test func zerosLikeHaveTheShapeAndType() throws {
    let zeros = try Tensor.zeros(like: Tensor([1, 2] as [Int64], shape: [2]))
    #expect(try zeros.array(of: Int64.self) == [0, 0])
  }

  @Test func memoryIsThatOfATensorThatLiesAlikeAndAlone() throws {
    let map = try Tensor.full(1, shape: [2, 3, 4, 5])
    let memory = try map.memory(like: map)
    try #require(memory)[0] = 7
    #expect(try map.array(of: Float.self)[0] == 7)
    #expect(try map.memory(like: map.channelsLast()) == nil)
    #expect(try map.memory(like: Tensor.full(1, shape: [2, 3, 5, 4])) == nil)
    #expect(try map.memory(like: map.reshaped([120])) == nil)
    // What a side of 1 is strided by tells nothing.
    let kernels = try Tensor.full(1, shape: [4, 3, 1, 1])
    #expect(try kernels.memory(like: kernels.channelsLast()) != nil)
  }

  @Test func whatDoesNotFitIsAnError() throws {
    #expect(
      expectTorchError { _ = try Tensor([1, 2, 3] as [Float], shape: [2, 2]) }
        == "3 values do not fill the shape [2, 2]")
    for shape in [[Int.max, 2], [-1, -3], [3, Int.min], [3, 1 << 62, 4]] {
      _ = expectTorchError { _ = try Tensor([1, 2, 3] as [Float], shape: shape) }
      _ = expectTorchError { _ = try Tensor.full(1, shape: shape) }
      _ = expectTorchError { _ = try Tensor.full(1, shape: [3]).reshaped(shape) }
      _ = expectTorchError { _ = try Tensor.full(1, shape: [3, 2]).permuted(shape) }
    }
    let tensor = try Tensor.full(1, shape: [2, 3])
    #expect(
      expectTorchError { _ = try tensor.array(of: Int64.self) } == "tensor is float32, not int64")
    #expect(expectTorchError { _ = try tensor.item() } == "item() of a tensor of shape [2, 3]")
    _ = expectTorchError { _ = try tensor.reshaped([4]) }
    _ = expectTorchError { _ = try tensor.permuted([0, 0]) }
    _ = expectTorchError { _ = try tensor.selecting([2], along: 0) }
    _ = expectTorchError { _ = try tensor.selecting([-1], along: 0) }
    _ = expectTorchError { _ = try tensor.channelsLast() }
  }
}
