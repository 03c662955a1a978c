// How images, targets and predictions become pictures: the field's conventions.

import Artifacts

/// How one task's maps are coloured.
package enum Colouring {
  case classes(Palette)
  case normals
  case scalar(ValueRange)

  var channels: Int {
    if case .normals = self { 3 } else { 1 }
  }

  /// The colour of one pixel's values; nil where there is nothing to show.
  func colour(_ values: ArraySlice<Float>) -> Colour? {
    guard values.allSatisfy(\.isFinite), let first = values.first else { return nil }
    switch self {
    case .classes(let palette): return palette[Int(exactly: first.rounded()) ?? -1]
    case .scalar(let range): return ColourMap.viridis.colour(at: range.place(first))
    case .normals:
      let start = values.startIndex
      return .ofNormal(first, values[start + 1], values[start + 2])
    }
  }
}

/// The size of a map, and of the picture that shows it: every so many pixels where a map is wider
/// than a page shows.
package struct PictureSize: Equatable, Sendable {
  package let width: Int
  package let height: Int

  package init(width: Int, height: Int) { (self.width, self.height) = (width, height) }

  /// Pixels of the widest picture.
  package static let widest = 320

  private var step: Int { max(1, (width + Self.widest - 1) / Self.widest) }
  package var shownWidth: Int { (width + step - 1) / step }
  package var shownHeight: Int { (height + step - 1) / step }

  /// The map's pixels that are shown, row by row.
  var shown: [Int] {
    stride(from: 0, to: height, by: step).flatMap { row in
      stride(from: row * width, to: (row + 1) * width, by: step)
    }
  }
}

extension Picture {
  /// - Parameter colour: of a pixel of the map, by its place; transparent where nil.
  init(_ size: PictureSize, colour: (_ pixel: Int) -> Colour?) {
    self.init(
      width: size.shownWidth, height: size.shownHeight,
      pixels: size.shown.flatMap { pixel -> [UInt8] in
        colour(pixel).map { [$0.red, $0.green, $0.blue, 255] } ?? [0, 0, 0, 0]
      })
  }

  /// An RGB image, H×W×3.
  init(image: ArraySlice<UInt8>, _ size: PictureSize) {
    let start = image.startIndex
    self.init(size) {
      Colour(image[start + 3 * $0], image[start + 3 * $0 + 1], image[start + 3 * $0 + 2])
    }
  }

  /// A target or prediction, H×W×channels; transparent where it is not finite.
  package init(map values: ArraySlice<Float>, _ colouring: Colouring, _ size: PictureSize) {
    let (start, channels) = (values.startIndex, colouring.channels)
    self.init(size) {
      colouring.colour(values[start + channels * $0..<start + channels * ($0 + 1)])
    }
  }

  /// How wrong each pixel is, H×W; transparent where it is not known.
  package init(errors: [Float], largest: Float, _ size: PictureSize) {
    self.init(size) {
      errors[$0].isFinite ? ColourMap.inferno.colour(at: errors[$0] / largest) : nil
    }
  }
}
