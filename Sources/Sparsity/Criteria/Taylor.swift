// The criterion `taylor`, for trained networks.

import Torch

extension Criterion {
  /// First-order Taylor expansion: (Σ |∂L/∂w|) · w² (after Molchanov et al. 2019).
  public static let taylor = Criterion(
    "taylor",
    .gradients(
      add: { gradient, _, sum in try sum.add(gradient.abs()) },
      finish: { sum, weight in try sum * (weight * weight) }))
}
