// Maps as foreign files have them, and how they become images and targets.

import Artifacts
import Formatting

/// Numbers per pixel out of one file.
struct PixelMap: Sendable {
  /// Where they came from, for messages.
  let file: String
  let size: PixelSize
  /// Before it was resized.
  let storedSize: PixelSize
  let channels: Int
  /// H×W×channels, as stored.
  let values: [Float]

  /// - Parameter values: H×W×channels.
  init(
    file: String, size: PixelSize, storedSize: PixelSize? = nil, channels: Int, values: [Float]
  ) {
    self.file = file
    self.size = size
    self.storedSize = storedSize ?? size
    self.channels = channels
    self.values = values
  }

  /// A PNG.
  ///
  /// - Parameter wanted: the size to bring it to by nearest neighbour, source index = ⌊i · in / out⌋;
  ///   nil leaves it as it is.
  /// - Throws: ``InputError`` naming the file, also when it is a PNG of another kind.
  init(png path: String, channels: Int, bitDepth: Int = 8, resizedTo wanted: PixelSize? = nil)
    throws
  {
    let png = try PNGFile(path)
    try png.expect(channels: channels, bitDepth: bitDepth)
    let stored = PixelSize(height: png.height, width: png.width)
    let size = wanted ?? stored
    let values = png.values(
      rows: (0..<size.height).map { $0 * stored.height / size.height },
      columns: (0..<size.width).map { $0 * stored.width / size.width })
    self.init(file: path, size: size, storedSize: stored, channels: channels, values: values)
  }

  /// An .npy file of H×W×channels or channels×H×W; of one channel, H×W too.
  ///
  /// - Throws: ``InputError`` naming the file, also when it has another shape.
  init(npy path: String, channels: Int) throws {
    let array = try NumpyFile(path)
    var shape = array.shape
    if shape.count == 2, channels == 1 { shape.append(1) }
    guard shape.count == 3, !shape.contains(0), shape[2] == channels || shape[0] == channels else {
      let expected =
        "H×W×\(channels) or \(channels)×H×W" + (channels == 1 ? " or H×W" : "")
      throw InputError(
        file: path,
        reason: "expected shape \(expected), found \(Format.shape(array.shape))")
    }
    if shape[2] == channels {
      self.init(
        file: path, size: PixelSize(height: shape[0], width: shape[1]), channels: channels,
        values: array.values)
    } else {
      self.init(
        file: path, size: PixelSize(height: shape[1], width: shape[2]),
        planes: array.values, channels: channels)
    }
  }

  /// - Parameter planes: channels×H×W.
  private init(file: String, size: PixelSize, planes: [Float], channels: Int) {
    let pixels = size.height * size.width
    self.init(
      file: file, size: size, channels: channels,
      values: (0..<pixels * channels).map { planes[$0 % channels * pixels + $0 / channels] })
  }

  /// A map as MATLAB stores it in HDF5, with the axes reversed.
  ///
  /// - Parameter columns: channels×W×H.
  init(file: String, size: PixelSize, columns: [Float], channels: Int) {
    let (height, width) = (size.height, size.width)
    self.init(
      file: file, size: size, channels: channels,
      values: (0..<height * width * channels).map { index in
        let (pixel, channel) = (index / channels, index % channels)
        return columns[(channel * width + pixel % width) * height + pixel / width]
      })
  }

  func failure(_ reason: String) -> InputError {
    InputError(file: file, reason: reason)
  }

  /// - Throws: ``InputError`` unless the map has this size.
  func expect(_ expected: PixelSize) throws -> PixelMap {
    guard size == expected else {
      throw failure(
        "expected \(expected.height)×\(expected.width) pixels, as the first image has, "
          + "found \(size.height)×\(size.width)")
    }
    return self
  }

  /// - Throws: ``InputError`` unless the map is as large as the image it belongs to.
  func expect(sizeOf image: PixelMap) throws -> PixelMap {
    guard storedSize == image.storedSize else {
      throw failure(
        "\(storedSize.height)×\(storedSize.width) pixels, but its image has "
          + "\(image.storedSize.height)×\(image.storedSize.width)")
    }
    return self
  }

  // MARK: What the numbers mean

  /// One value per pixel; nil where there is no ground truth.
  func target(_ value: (Float) -> Float?) -> TargetMap {
    let decoded = values.map(value)
    return TargetMap(values: decoded.map { $0 ?? 0 }, valid: decoded.map { $0 != nil })
  }

  /// An image with values in 0...255 once multiplied by `scale`; rounded, and cut to that range.
  ///
  /// - Throws: ``InputError`` for a value that is not finite.
  func image(scale: Float = 1) throws -> [UInt8] {
    if let value = values.first(where: { !$0.isFinite }) {
      throw failure("has the value \(value); an image cannot")
    }
    return values.map { UInt8(min(max($0 * scale, 0), 255) + 0.5) }
  }

  /// A class per pixel, 0..<count.
  ///
  /// - Parameter none: stands for no class.
  /// - Throws: ``InputError`` for any other value.
  func classes(_ count: Int, none: Float) throws -> TargetMap {
    let valid = values.map { $0 != none }
    for (pixel, value) in values.enumerated() where valid[pixel] {
      guard value >= 0, value < Float(count), value == value.rounded() else {
        let place = "row \(pixel / size.width), column \(pixel % size.width)"
        throw failure(
          "label \(Format.plain(Double(value))) at \(place) is neither in 0...\(count - 1) nor "
            + "\(Format.plain(Double(none))) for none")
      }
    }
    return TargetMap(values: zip(values, valid).map { $1 ? $0 : 0 }, valid: valid)
  }

  /// A quantity above 0 per pixel, such as a distance; what is not above 0 or not finite is none.
  func quantity() -> TargetMap {
    let valid = values.map { $0 > 0 && $0.isFinite }
    return TargetMap(values: zip(values, valid).map { $1 ? $0 : 0 }, valid: valid)
  }

  /// A direction per pixel from three values each.
  ///
  /// - Parameters:
  ///   - isMissing: whether a pixel with these values has none.
  ///   - component: makes a component of a stored value.
  func normals(
    isMissing: (ArraySlice<Float>) -> Bool, component: (Float) throws -> Float
  ) rethrows -> TargetMap {
    var target = TargetMap(
      values: [Float](repeating: 0, count: values.count),
      valid: [Bool](repeating: false, count: values.count / 3))
    for pixel in target.valid.indices {
      let range = pixel * 3..<pixel * 3 + 3
      if isMissing(values[range]) { continue }
      target.valid[pixel] = true
      for index in range { target.values[index] = try component(values[index]) }
    }
    return target
  }
}

extension Format {
  /// A whole number without a point, anything else as it is.
  static func plain(_ value: Double) -> String {
    Int(exactly: value).map(String.init) ?? "\(value)"
  }
}
