// How an image becomes a network's input.

/// An 8-bit RGB image becomes the network's input: channels in `order`, then (value − mean) × scale.
public struct ImageInput: Equatable, Sendable {
  public enum Order: String, Codable, Sendable, CaseIterable {
    case rgb = "RGB"
    case bgr = "BGR"
  }

  public var order: Order
  /// By channel, in `order`, in 8-bit units.
  public var mean: [Double]
  /// By channel, in `order`; per 8-bit unit.
  public var scale: [Double]
  /// A size that the network takes, where not every one does.
  public var size: Extent?

  public init(order: Order, mean: [Double], scale: [Double], size: Extent? = nil) {
    self.order = order
    self.mean = mean
    self.scale = scale
    self.size = size
  }

  /// The ImageNet means of the published DiSparse code, which does not scale.
  public static let published = ImageInput(
    order: .bgr, mean: [104.006_987_93, 116.668_767_62, 122.678_914_34], scale: [1, 1, 1])

  /// What torchvision's pretrained networks expect.
  public static let torchvision = ImageInput(
    order: .rgb, mean: [0.485, 0.456, 0.406].map { $0 * 255 },
    scale: [0.229, 0.224, 0.225].map { 1 / (255 * $0) })

  func validate() throws {
    guard mean.count == 3, scale.count == 3, (mean + scale).allSatisfy(\.isFinite) else {
      throw GraphError("input must have order BGR or RGB and 3 means")
    }
    if let size, !(1...1 << 16).contains(size.height) || !(1...1 << 16).contains(size.width) {
      throw GraphError("input has a size out of range")
    }
  }
}

extension ImageInput: Codable {
  enum CodingKeys: CodingKey { case order, mean, scale, size }

  public init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: CodingKeys.self)
    let word = try values.decode(String.self, forKey: .order)
    mean = try values.decode([Double].self, forKey: .mean)
    if let all = try? values.decode(Double.self, forKey: .scale) {
      scale = [all, all, all]
    } else {
      scale = try values.decode([Double].self, forKey: .scale)
    }
    guard let order = Order(rawValue: word) else {
      throw GraphError("input must have order BGR or RGB and 3 means")
    }
    self.order = order
    size = try values.decodeIfPresent(Extent.self, forKey: .size)
    try validate()
  }

  /// One number where all channels are scaled alike.
  public func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: CodingKeys.self)
    try values.encode(order, forKey: .order)
    try values.encode(mean, forKey: .mean)
    if let all = scale.first, scale.allSatisfy({ $0 == all }) {
      try values.encode(all, forKey: .scale)
    } else {
      try values.encode(scale, forKey: .scale)
    }
    try values.encodeIfPresent(size, forKey: .size)
  }
}
