// The criterion `static`, for networks before their training.

import Torch

extension Criterion {
  /// Connection sensitivity: Σ |w · ∂L/∂w| (SNIP, Lee et al. 2019).
  public static let `static` = Criterion(
    "static",
    .gradients(
      add: { gradient, weight, sum in try sum.addAbsoluteProduct(weight, gradient) },
      finish: { sum, _ in sum }))
}
