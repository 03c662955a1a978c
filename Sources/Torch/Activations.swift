// What stands between layers, element by element, and softmax.

import CTorch

extension Tensor {
  /// max(x, 0).
  public func rectified() throws -> Tensor { try returning { ct_relu(&$0, raw) } }

  /// min(max(x, low), high), with gradient only strictly between the bounds; 0 and 6 make ReLU6. A
  /// bound can be infinite.
  public func clamped(_ low: Double, _ high: Double) throws -> Tensor {
    try returning { ct_clamp(&$0, raw, low, high) }
  }

  /// x where it is positive, else `slope` · x.
  public func leakyRectified(_ slope: Double) throws -> Tensor {
    try returning { ct_leaky_relu(&$0, raw, slope) }
  }

  /// x · sigmoid(x).
  public func silu() throws -> Tensor { try returning { ct_silu(&$0, raw) } }

  /// x · min(max(x + 3, 0), 6) / 6.
  public func hardSwish() throws -> Tensor { try returning { ct_hard_swish(&$0, raw) } }

  /// 1 / (1 + e⁻ˣ).
  public func sigmoid() throws -> Tensor { try returning { ct_sigmoid(&$0, raw) } }

  /// min(max(alpha · x + beta, 0), 1). PyTorch's own has alpha = 1/6 and beta = 1/2.
  public func hardSigmoid(alpha: Double, beta: Double) throws -> Tensor {
    try returning { ct_hard_sigmoid(&$0, raw, alpha, beta) }
  }

  public func tanh() throws -> Tensor { try returning { ct_tanh(&$0, raw) } }

  /// x · Φ(x) (Hendrycks & Gimpel 2016), with the normal distribution's Φ itself or approximated by
  /// a tanh.
  public func gelu(approximate: Bool) throws -> Tensor {
    try returning { ct_gelu(&$0, raw, approximate) }
  }

  /// eˣ over the sum of eˣ along `dimension`.
  public func softmax(along dimension: Int) throws -> Tensor {
    try returning { ct_softmax(&$0, raw, Int64(dimension)) }
  }
}
