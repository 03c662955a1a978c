// Arithmetic on tensors, with libtorch's broadcasting.

import CTorch

extension Tensor {
  public static func + (a: Tensor, b: Tensor) throws -> Tensor {
    try returning { ct_add(&$0, a.raw, b.raw) }
  }

  public static func - (a: Tensor, b: Tensor) throws -> Tensor {
    try returning { ct_subtract(&$0, a.raw, b.raw) }
  }

  public static func * (a: Tensor, b: Tensor) throws -> Tensor {
    try returning { ct_multiply(&$0, a.raw, b.raw) }
  }

  public static func / (a: Tensor, b: Tensor) throws -> Tensor {
    try returning { ct_divide(&$0, a.raw, b.raw) }
  }

  public static func * (a: Tensor, factor: Double) throws -> Tensor {
    try returning { ct_scale(&$0, a.raw, factor) }
  }

  public static func + (a: Tensor, number: Double) throws -> Tensor {
    try returning { ct_add_number(&$0, a.raw, number) }
  }

  public func abs() throws -> Tensor { try returning { ct_abs(&$0, raw) } }

  public func sum() throws -> Tensor { try returning { ct_sum(&$0, raw) } }

  public func sum(over dimension: Int) throws -> Tensor {
    try returning { ct_sum_over(&$0, raw, Int64(dimension)) }
  }

  /// The mean over the given dimensions, or over all where the list is empty. Those that are kept
  /// have the length 1.
  public func mean(over dimensions: [Int], keepingDimensions: Bool = false) throws -> Tensor {
    try returning {
      ct_mean_over(
        &$0, raw, dimensions.map(Int64.init), Int32(dimensions.count), keepingDimensions)
    }
  }

  public func argmax(over dimension: Int) throws -> Tensor {
    try returning { ct_argmax(&$0, raw, Int64(dimension)) }
  }

  /// The number of elements whose magnitude is above a bound.
  public func count(ofMagnitudesAbove bound: Double) throws -> Int {
    var count: Int64 = 0
    try check(ct_count_above(&count, raw, bound))
    return Int(count)
  }

  /// Adds `factor` × `other` in place.
  public func add(_ other: Tensor, times factor: Double = 1) throws {
    try check(ct_add_in_place(raw, other.raw, factor))
  }

  /// Adds |`a` · `b`| in place, element by element.
  public func addAbsoluteProduct(_ a: Tensor, _ b: Tensor) throws {
    try check(ct_add_absolute_product(raw, a.raw, b.raw))
  }

  /// Zeroes in place what a mask (uint8, of this shape) has 0 for.
  public func keep(_ mask: Tensor) throws {
    try check(ct_mask_in_place(raw, mask.raw))
  }

  /// Overwrites the values in place, keeping memory format and device.
  public func assign(_ other: Tensor) throws { try check(ct_copy_in_place(raw, other.raw)) }
}
