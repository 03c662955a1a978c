// Pair: what a picture has once for its height and once for its width.

import CTorch

/// A size, stride, padding or dilation: (height, width). A literal stands for both.
public struct Pair: Hashable, Sendable, ExpressibleByIntegerLiteral {
  public var height: Int
  public var width: Int

  public init(_ both: Int) { self.init(both, both) }

  public init(_ height: Int, _ width: Int) {
    self.height = height
    self.width = width
  }

  public init(integerLiteral both: Int) { self.init(both) }

  var raw: CPair { CPair(height: Int64(height), width: Int64(width)) }
}
