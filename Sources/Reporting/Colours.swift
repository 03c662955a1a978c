// Colours, and the scales that turn numbers into them.

package struct Colour: Equatable, Sendable {
  package let red: UInt8
  package let green: UInt8
  package let blue: UInt8

  package init(_ red: UInt8, _ green: UInt8, _ blue: UInt8) {
    (self.red, self.green, self.blue) = (red, green, blue)
  }

  /// #rrggbb.
  package var css: String {
    "#"
      + [red, green, blue].map { channel in
        let digits = String(channel, radix: 16)
        return digits.count == 1 ? "0" + digits : digits
      }.joined()
  }

  /// The colour of a class of an unknown data set: hues a golden angle apart, in three strengths, so
  /// that neighbours in the list look different.
  package static func ofClass(_ index: Int) -> Colour {
    let hue = Double(index) * 137.507_764
    let (saturation, value) = [(0.75, 0.95), (0.45, 0.80), (0.85, 0.60)][index % 3]
    return Colour(hue: hue, saturation: saturation, value: value)
  }

  private init(hue: Double, saturation: Double, value: Double) {
    func channel(_ n: Double) -> UInt8 {
      let k = (n + hue / 60).truncatingRemainder(dividingBy: 6)
      return UInt8(255 * (value - value * saturation * max(0, min(k, 4 - k, 1))))
    }
    self.init(channel(5), channel(3), channel(1))
  }

  /// A unit vector as (n + 1) / 2.
  package static func ofNormal(_ x: Float, _ y: Float, _ z: Float) -> Colour {
    func channel(_ value: Float) -> UInt8 { UInt8(min(max((value + 1) / 2, 0), 1) * 255) }
    return Colour(channel(x), channel(y), channel(z))
  }
}

/// A perceptual colour map, from ten equal pieces.
package struct ColourMap: Sendable {
  let anchors: [Colour]

  /// The colour of a place in 0...1; places outside take the nearest end's.
  package func colour(at place: Float) -> Colour {
    let position = (place.isNaN ? 0 : min(max(place, 0), 1)) * Float(anchors.count - 1)
    let low = min(Int(position), anchors.count - 2)
    let weight = position - Float(low)
    let (a, b) = (anchors[low], anchors[low + 1])
    func mix(_ a: UInt8, _ b: UInt8) -> UInt8 { UInt8(Float(a) * (1 - weight) + Float(b) * weight) }
    return Colour(mix(a.red, b.red), mix(a.green, b.green), mix(a.blue, b.blue))
  }

  /// As a background, from left to right.
  var cssGradient: String {
    "linear-gradient(to right, \(anchors.map(\.css).joined(separator: ", ")))"
  }

  /// Viridis (Smith & van der Walt 2015), for targets and predictions.
  package static let viridis = ColourMap(anchors: [
    Colour(68, 1, 84), Colour(72, 36, 117), Colour(65, 68, 135), Colour(53, 95, 141),
    Colour(42, 120, 142), Colour(33, 145, 140), Colour(34, 168, 132), Colour(68, 191, 112),
    Colour(122, 209, 81), Colour(189, 223, 38), Colour(253, 231, 37),
  ])

  /// Inferno (the same), for errors: black is right.
  package static let inferno = ColourMap(anchors: [
    Colour(0, 0, 4), Colour(22, 11, 57), Colour(66, 10, 104), Colour(106, 23, 110),
    Colour(147, 38, 103), Colour(188, 55, 84), Colour(221, 81, 58), Colour(243, 120, 25),
    Colour(252, 165, 10), Colour(246, 215, 70), Colour(252, 255, 164),
  ])
}

/// Values between which a scalar map is coloured.
package struct ValueRange: Equatable, Sendable {
  package let low: Float
  package let high: Float

  package init(low: Float, high: Float) { (self.low, self.high) = (low, high) }

  /// Of the values that are finite; 0...1 where there are none.
  package init(of values: ArraySlice<Float>) {
    let known = values.lazy.filter(\.isFinite)
    low = known.min() ?? 0
    high = known.max() ?? 1
  }

  package func place(_ value: Float) -> Float {
    // Wide enough for any two numbers of Float's.
    let (value, low, high) = (Double(value), Double(low), Double(high))
    return high > low ? Float((value - low) / (high - low)) : 0
  }
}
