// The criterion `magnitude`, for trained networks.

import Torch

extension Criterion {
  /// |w| (Han et al. 2015).
  public static let magnitude = Criterion("magnitude", .weights { try $0.abs() })
}
