// The criterion `random`, a baseline.

import Torch

extension Criterion {
  /// Uniform in [0, 1), whatever the weights and the data.
  public static let random = Criterion(
    "random", .chance { try Tensor.uniform(0, 1, shape: $0, stream: $1) })
}
