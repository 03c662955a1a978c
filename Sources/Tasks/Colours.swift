// Colours, and the scales that turn numbers into them: what the kinds of task draw with.

public struct Colour: Equatable, Sendable {
  public let red: UInt8
  public let green: UInt8
  public let blue: UInt8

  public init(_ red: UInt8, _ green: UInt8, _ blue: UInt8) {
    (self.red, self.green, self.blue) = (red, green, blue)
  }
}

/// A perceptual colour map, from ten equal pieces.
public struct ColourMap: Sendable {
  /// Evenly spaced, from 0 to 1.
  public let anchors: [Colour]

  /// The colour of a place in 0...1; places outside take the nearest end's.
  public func colour(at place: Float) -> Colour {
    let position = (place.isNaN ? 0 : min(max(place, 0), 1)) * Float(anchors.count - 1)
    let low = min(Int(position), anchors.count - 2)
    let weight = position - Float(low)
    let (a, b) = (anchors[low], anchors[low + 1])
    func mix(_ a: UInt8, _ b: UInt8) -> UInt8 { UInt8(Float(a) * (1 - weight) + Float(b) * weight) }
    return Colour(mix(a.red, b.red), mix(a.green, b.green), mix(a.blue, b.blue))
  }

  /// Viridis (Smith & van der Walt 2015), for targets and predictions.
  public static let viridis = ColourMap(anchors: [
    Colour(68, 1, 84), Colour(72, 36, 117), Colour(65, 68, 135), Colour(53, 95, 141),
    Colour(42, 120, 142), Colour(33, 145, 140), Colour(34, 168, 132), Colour(68, 191, 112),
    Colour(122, 209, 81), Colour(189, 223, 38), Colour(253, 231, 37),
  ])

  /// Inferno (the same), for errors: black is right.
  public static let inferno = ColourMap(anchors: [
    Colour(0, 0, 4), Colour(22, 11, 57), Colour(66, 10, 104), Colour(106, 23, 110),
    Colour(147, 38, 103), Colour(188, 55, 84), Colour(221, 81, 58), Colour(243, 120, 25),
    Colour(252, 165, 10), Colour(246, 215, 70), Colour(252, 255, 164),
  ])
}

/// Values between which a scalar map is coloured.
public struct ValueRange: Equatable, Sendable {
  public let low: Float
  public let high: Float

  public init(low: Float, high: Float) { (self.low, self.high) = (low, high) }

  /// Of the values that are finite; 0...1 where there are none.
  public init(of values: ArraySlice<Float>) {
    let known = values.lazy.filter(\.isFinite)
    low = known.min() ?? 0
    high = known.max() ?? 1
  }

  public func place(_ value: Float) -> Float {
    // In Double the difference of any two Floats is finite.
    let (value, low, high) = (Double(value), Double(low), Double(high))
    return high > low ? Float((value - low) / (high - low)) : 0
  }
}

/// What the colours of a picture mean.
public struct ColourScale: Sendable {
  /// What is coloured, such as "error".
  public let name: String
  public let map: ColourMap
  /// What its ends stand for.
  public let low: String
  public let high: String

  init(_ name: String, _ map: ColourMap, low: String, high: String) {
    self.name = name
    self.map = map
    self.low = low
    self.high = high
  }
}
