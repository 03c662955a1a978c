// How targets and predictions become pictures: the field's conventions.

import Artifacts

struct Colour: Equatable {
  let red: UInt8
  let green: UInt8
  let blue: UInt8

  init(_ red: UInt8, _ green: UInt8, _ blue: UInt8) {
    (self.red, self.green, self.blue) = (red, green, blue)
  }

  /// #rrggbb.
  var css: String {
    "#"
      + [red, green, blue].map { channel in
        let digits = String(channel, radix: 16)
        return digits.count == 1 ? "0" + digits : digits
      }.joined()
  }

  /// The colour of a class: hues a golden angle apart, in three strengths, so that neighbours in
  /// the list look different.
  static func ofClass(_ index: Int) -> Colour {
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
  static func ofNormal(_ x: Float, _ y: Float, _ z: Float) -> Colour {
    func channel(_ value: Float) -> UInt8 { UInt8(min(max((value + 1) / 2, 0), 1) * 255) }
    return Colour(channel(x), channel(y), channel(z))
  }

  /// Viridis (Smith & van der Walt 2015) at a place in 0...1, from ten equal pieces.
  static func viridis(_ place: Float) -> Colour {
    let position = min(max(place, 0), 1) * Float(viridisAnchors.count - 1)
    let low = min(Int(position), viridisAnchors.count - 2)
    let weight = position - Float(low)
    let (a, b) = (viridisAnchors[low], viridisAnchors[low + 1])
    func mix(_ a: UInt8, _ b: UInt8) -> UInt8 { UInt8(Float(a) * (1 - weight) + Float(b) * weight) }
    return Colour(mix(a.red, b.red), mix(a.green, b.green), mix(a.blue, b.blue))
  }

  static let viridisAnchors = [
    Colour(68, 1, 84), Colour(72, 36, 117), Colour(65, 68, 135), Colour(53, 95, 141),
    Colour(42, 120, 142), Colour(33, 145, 140), Colour(34, 168, 132), Colour(68, 191, 112),
    Colour(122, 209, 81), Colour(189, 223, 38), Colour(253, 231, 37),
  ]
}

/// Values between which a scalar map is coloured.
struct ValueRange {
  let low: Float
  let high: Float

  /// Of the values that are not NaN; 0...1 where there are none.
  init(of values: ArraySlice<Float>) {
    let known = values.filter { !$0.isNaN }
    low = known.min() ?? 0
    high = known.max() ?? 1
  }

  func place(_ value: Float) -> Float { high > low ? (value - low) / (high - low) : 0 }
}

extension Picture {
  /// An RGB image, H×W×3.
  init(image: ArraySlice<UInt8>, width: Int, height: Int) {
    let start = image.startIndex
    self.init(
      width: width, height: height,
      colours: (0..<width * height).map {
        Colour(image[start + 3 * $0], image[start + 3 * $0 + 1], image[start + 3 * $0 + 2])
      })
  }

  /// A target or prediction, H×W×channels; transparent where it is NaN.
  init(
    map values: ArraySlice<Float>, kind: DatasetTask.Kind, range: ValueRange, width: Int,
    height: Int
  ) {
    let start = values.startIndex
    self.init(
      width: width, height: height,
      colours: (0..<width * height).map { pixel in
        switch kind {
        case .normals:
          let index = start + 3 * pixel
          guard !values[index].isNaN else { return nil }
          return .ofNormal(values[index], values[index + 1], values[index + 2])
        case .segmentation:
          let value = values[start + pixel]
          return value.isNaN ? nil : .ofClass(Int(value))
        case .regression:
          let value = values[start + pixel]
          return value.isNaN ? nil : .viridis(range.place(value))
        }
      })
  }

  private init(width: Int, height: Int, colours: [Colour?]) {
    self.init(
      width: width, height: height,
      pixels: colours.flatMap { colour -> [UInt8] in
        colour.map { [$0.red, $0.green, $0.blue, 255] } ?? [0, 0, 0, 0]
      })
  }
}
