// Differentiation, its scopes, and bfloat16.

import TestSupport
import Testing
import Torch

@Suite struct AutogradTests {
  @Test func gradientsAreTheDerivatives() throws {
    let (w, x) = try randomTensor([3, 4], seed: 1)
    let (v, y) = try randomTensor([3, 4], seed: 2)
    try w.requireGradient()
    try v.requireGradient()
    let gradients = try (w * w * v).sum().gradients(of: [v, w])
    #expect(gradients.count == 2)
    #expect(try largestDifference(gradients[0]?.array() ?? [], x.map { $0 * $0 }) < 1e-6)
    let expected = zip(x, y).map { 2 * $0 * $1 }
    #expect(try largestDifference(gradients[1]?.array() ?? [], expected) < 1e-6)
  }

  @Test func anInputThatIsNotUsedHasNoGradient() throws {
    let used = try Tensor.full(2, shape: [2])
    let unused = try Tensor.full(3, shape: [2])
    try used.requireGradient()
    try unused.requireGradient()
    let gradients = try used.sum().gradients(of: [unused, used])
    #expect(gradients[0] == nil)
    #expect(try gradients[1]?.array(of: Float.self) == [1, 1])
  }

  @Test func aRetainedGraphServesSeveralBackwardPasses() throws {
    let w = try Tensor.full(3, shape: [2])
    try w.requireGradient()
    let shared = try w * w
    let first = try shared.sum().gradients(of: [w], retainGraph: true)
    let second = try (shared * 10).sum().gradients(of: [w])
    #expect(try first[0]?.array(of: Float.self) == [6, 6])
    #expect(try second[0]?.array(of: Float.self) == [60, 60])
    let third = try shared.sum()
    #expect(expectTorchError { _ = try third.gradients(of: [w]) }.contains("second time"))
  }

  @Test func aDetachedTensorIsAConstant() throws {
    let w = try Tensor.full(3, shape: [1])
    try w.requireGradient()
    let gradient = try (w * w.detached()).sum().gradients(of: [w])
    #expect(try gradient[0]?.item() == 3)
  }

  @Test func gradientsOfManyValuesAreAnError() throws {
    let w = try Tensor.full(3, shape: [2])
    try w.requireGradient()
    let product = try w * w
    #expect(expectTorchError { _ = try product.gradients(of: [w]) }.contains("scalar"))
  }

  @Test func withoutGradientsRecordsNothing() throws {
    let w = try Tensor.full(3, shape: [2])
    try w.requireGradient()
    let silent = try withoutGradients { try (w * w).sum() }
    _ = expectTorchError { _ = try silent.gradients(of: [w]) }
    try withoutGradients { try w.add(w) }
    #expect(try w.array(of: Float.self) == [6, 6])
    #expect(try (w * w).sum().gradients(of: [w])[0]?.array(of: Float.self) == [12, 12])
  }

  @Test func scopesEndAlsoWhenTheyThrow() throws {
    struct Stop: Error {}
    let w = try Tensor.full(3, shape: [2])
    try w.requireGradient()
    #expect(throws: Stop.self) {
      try withoutGradients { try withoutGradients { throw Stop() } }
    }
    #expect(try (w * w).sum().gradients(of: [w])[0] != nil)
    #expect(throws: Stop.self) { try withPrecision(.bfloat16, on: .cpu) { throw Stop() } }
    let image = try Tensor.full(1, shape: [1, 1, 2, 2])
    #expect(try image.convolved(image).dtype == .float32)
  }
}

@Suite struct PrecisionTests {
  private func loss(_ image: Tensor, _ weight: Tensor) throws -> (Tensor, output: Tensor) {
    let output = try image.convolved(weight, padding: 1).rectified()
    return (try output.to(.float32).sum() * (1 / Double(output.count)), output)
  }

  @Test func bfloat16IsCloseToFloat32() throws {
    let (image, _) = try randomTensor([2, 8, 16, 16], seed: 1)
    let (weight, _) = try randomTensor([8, 8, 3, 3], seed: 2)
    try weight.requireGradient()
    let (exactLoss, exact) = try loss(image, weight)
    let (roughLoss, rough) = try withPrecision(.bfloat16, on: .cpu) { try loss(image, weight) }
    #expect(exact.dtype == .float32 && rough.dtype == .bfloat16)
    let (a, b): ([Float], [Float]) = (try exact.array(), try rough.to(.float32).array())
    #expect(largestDifference(a, b) < 0.02 * Double(a.max() ?? 0))
    #expect(a != b)

    let exactGradient = try #require(try exactLoss.gradients(of: [weight])[0])
    let roughGradient = try #require(try roughLoss.gradients(of: [weight])[0])
    #expect(roughGradient.dtype == .float32)
    let (c, d): ([Float], [Float]) = (try exactGradient.array(), try roughGradient.array())
    #expect(largestDifference(c, d) < 0.05 * Double(c.map { abs($0) }.max() ?? 0))
  }

  @Test func scopesNestAndBringBackWhatWas() throws {
    let image = try Tensor.full(1, shape: [1, 1, 2, 2])
    var found: [DType] = []
    func look() throws { found.append(try image.convolved(image).dtype) }
    func inside(_ precision: Precision, _ body: () throws -> Void) throws {
      try withPrecision(precision, on: .cpu) {
        try look()
        try body()
        try look()
      }
    }
    try inside(.bfloat16) {
      try inside(.bfloat16) {}
      try look()
      try inside(.float32) { try inside(.bfloat16) {} }
    }
    try look()
    #expect(
      found == [
        .bfloat16, .bfloat16, .bfloat16, .bfloat16, .float32, .bfloat16, .bfloat16, .float32,
        .bfloat16, .float32,
      ])
  }

  @Test func float32ChangesNothing() throws {
    let (image, _) = try randomTensor([1, 2, 4, 4], seed: 1)
    let (weight, _) = try randomTensor([2, 2, 3, 3], seed: 2)
    let inside = try withPrecision(.float32, on: .cpu) { try image.convolved(weight) }
    #expect(try inside.array(of: Float.self) == image.convolved(weight).array())
  }
}
