// How images, targets and predictions become pictures of a page's size.

import Tasks
import Torch

/// The size of a map, and of the picture that shows it: every so many pixels where a map is wider
/// than a page shows.
package struct PictureSize: Equatable, Sendable {
  package let width: Int
  package let height: Int

  /// Every so many pixels are shown, each way.
  private let step: Int

  package init(width: Int, height: Int) {
    (self.width, self.height) = (width, height)
    step = max(1, (width + Self.widest - 1) / Self.widest)
  }

  /// Of a picture that shows every pixel.
  init(wholeOfWidth width: Int, height: Int) {
    (self.width, self.height) = (width, height)
    step = 1
  }

  /// Pixels of the widest picture.
  package static let widest = 320

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

  /// A target or decoded prediction, H×W×targetChannels; transparent where it is not finite.
  ///
  /// - Parameter range: of the image's target.
  package init(
    map values: ArraySlice<Float>, of task: any TaskKind, in range: ValueRange, _ size: PictureSize
  ) {
    let (start, channels) = (values.startIndex, task.targetChannels)
    self.init(size) { pixel in
      let first = start + channels * pixel
      let values = values[first..<first + channels]
      return values.allSatisfy(\.isFinite) ? task.colour(of: values, in: range) : nil
    }
  }

  /// How wrong each pixel is, H×W; transparent where it is not known.
  package init(errors: [Float], largest: Float, _ size: PictureSize) {
    self.init(size) {
      errors[$0].isFinite ? ColourMap.inferno.colour(at: errors[$0] / largest) : nil
    }
  }
}

extension Colour {
  /// #rrggbb.
  var css: String {
    "#"
      + [red, green, blue].map { channel in
        let digits = String(channel, radix: 16)
        return digits.count == 1 ? "0" + digits : digits
      }.joined()
  }
}

extension ColourMap {
  /// As a background, from left to right.
  var cssGradient: String {
    "linear-gradient(to right, \(anchors.map(\.css).joined(separator: ", ")))"
  }
}

extension Picture {
  /// A network's prediction for one image, channels×h×w, at the image's size.
  package init(
    prediction values: [Float], shape: [Int], of task: any TaskKind, height: Int, width: Int
  ) throws {
    let decoded = try task.decoded(
      Tensor(values, shape: [1] + shape).resizedNearest(height: height, width: width))
    self.init(
      map: decoded[...], of: task, in: ValueRange(of: decoded[...]),
      PictureSize(wholeOfWidth: width, height: height))
  }
}
