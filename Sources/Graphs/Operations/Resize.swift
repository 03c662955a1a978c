// Bringing maps to another size.

public struct Resize: Equatable, Sendable {
  public enum Mode: String, Codable, Sendable, CaseIterable { case nearest, bilinear }

  /// Which places of the input the output's pixels look at.
  public enum Coordinates: String, Codable, Sendable, CaseIterable {
    /// i · in / out, rounded down (nearest only).
    case asymmetric
    /// Pixel centres at half integers (bilinear only).
    case halfPixel = "half_pixel"
    /// The corners' centres lie on each other (bilinear only).
    case alignCorners = "align_corners"
  }

  public enum Target: Equatable, Sendable {
    case size(Extent)
    case factor(height: Double, width: Double)
    /// The size of the second input.
    case likeSecondInput
  }

  public var mode: Mode
  public var coordinates: Coordinates
  public var target: Target

  public init(_ mode: Mode, _ coordinates: Coordinates, to target: Target) {
    self.mode = mode
    self.coordinates = coordinates
    self.target = target
  }
}

extension Resize: OperationSettings {
  public var inputCounts: ClosedRange<Int> { target == .likeSecondInput ? 2...2 : 1...1 }

  public func validate(_ node: Graph.Node) throws {
    guard (mode == .nearest) == (coordinates == .asymmetric) else {
      throw GraphError(node, "\(mode.rawValue) does not go with \(coordinates.rawValue)")
    }
    let isPossible =
      switch target {
      case .size(let size): [size.height, size.width].allSatisfy((1...1 << 16).contains)
      case .factor(let height, let width): [height, width].allSatisfy { $0 > 0 && $0 < 65536 }
      case .likeSecondInput: true
      }
    if !isPossible { throw GraphError(node, "the size is out of range") }
  }

  public func shape(of inputs: [Shape]) throws -> Shape {
    let input = try inputs[0].map()
    switch target {
    case .size(let size): return [inputs[0][0], size.height, size.width]
    case .factor(let height, let width):
      let size = [Double(input.height) * height, Double(input.width) * width]
      guard size.allSatisfy({ $0 >= 1 && $0 < 16_777_216 }) else {
        throw ShapeError("brings \(inputs[0]) to a size out of range")
      }
      return [inputs[0][0], Int(size[0]), Int(size[1])]
    case .likeSecondInput:
      let size = try inputs[1].map()
      return [inputs[0][0], size.height, size.width]
    }
  }
}

extension Resize: Codable {
  private enum CodingKeys: CodingKey { case mode, coordinates, size, factor }

  public init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: CodingKeys.self)
    mode = try values.decode(Mode.self, forKey: .mode)
    coordinates = try values.decode(Coordinates.self, forKey: .coordinates)
    if let size = try values.decodeIfPresent(Extent.self, forKey: .size) {
      target = .size(size)
    } else if let factor = try values.decodeIfPresent([Double].self, forKey: .factor) {
      guard factor.count == 2 else { throw GraphError("a factor is [rows', columns']") }
      target = .factor(height: factor[0], width: factor[1])
    } else {
      target = .likeSecondInput
    }
  }

  public func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: CodingKeys.self)
    try values.encode(mode, forKey: .mode)
    try values.encode(coordinates, forKey: .coordinates)
    switch target {
    case .size(let size): try values.encode(size, forKey: .size)
    case .factor(let height, let width): try values.encode([height, width], forKey: .factor)
    case .likeSecondInput: break
    }
  }
}
