// PNG files as they are stored: class maps, 16-bit depths and pictures alike.

import Artifacts
import CPNG
import Foundation

/// A decoded PNG without interpretation: no gamma, no palette.
package struct PNGFile {
  let path: String
  package let height: Int
  package let width: Int
  /// 1 grey, 3 RGB; alpha is dropped.
  let channels: Int
  /// 8 or 16.
  let bitDepth: Int
  private let pixels: Pixels

  /// What libpng read: H×W×channels of one or two bytes, alpha among them.
  private final class Pixels {
    let bytes: UnsafeMutablePointer<UInt8>
    let channels: Int

    init(_ bytes: UnsafeMutablePointer<UInt8>, channels: Int) {
      self.bytes = bytes
      self.channels = channels
    }

    deinit { free(bytes) }
  }

  /// - Throws: ``InputError`` naming the file, when it is missing, truncated, damaged, or has a
  ///   palette (whose indices other tools would have translated).
  package init(_ path: String) throws {
    let bytes = try InputFile(path).readAll()
    var image = cpng_image()
    let isRead = bytes.withUnsafeBytes {
      cpng_read($0.bindMemory(to: UInt8.self).baseAddress, $0.count, &image)
    }
    guard isRead != 0 else {
      let text = withUnsafeBytes(of: image.error) { bytes in
        String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
      }
      throw InputError(file: path, reason: "not a good PNG: \(text)")
    }
    guard image.is_palette == 0, let stored = image.samples else {
      throw InputError(
        file: path, reason: "is a palette PNG; grey or RGB is expected")
    }
    pixels = Pixels(stored, channels: Int(image.channels))
    self.path = path
    height = Int(image.height)
    width = Int(image.width)
    channels = pixels.channels >= 3 ? 3 : 1
    bitDepth = Int(image.bit_depth)
  }

  /// The samples of some pixels, rows×columns×channels.
  ///
  /// - Parameters:
  ///   - rows: in 0..<height.
  ///   - columns: in 0..<width.
  func values(rows: [Int], columns: [Int]) -> [Float] {
    let count = rows.count * columns.count * channels
    return [Float](unsafeUninitializedCapacity: count) { values, initialized in
      func copy<T: FixedWidthInteger>(_ stored: UnsafePointer<T>) {
        for row in rows {
          for column in columns {
            let pixel = stored + (row * width + column) * pixels.channels
            for channel in 0..<channels {
              values[initialized] = Float(pixel[channel])
              initialized += 1
            }
          }
        }
      }
      if bitDepth == 16 {
        let samples = height * width * pixels.channels
        pixels.bytes.withMemoryRebound(to: UInt16.self, capacity: samples) { copy($0) }
      } else {
        copy(UnsafePointer(pixels.bytes))
      }
    }
  }

  /// The samples of a picture of 8 bits, rows×columns×3; grey ones three times.
  ///
  /// - Throws: ``InputError`` for one of 16 bits.
  package func rgb() throws -> [UInt8] {
    guard bitDepth == 8 else {
      throw InputError(file: path, reason: "is a PNG of \(bitDepth) bits; 8 are expected")
    }
    return (0..<height * width).flatMap { pixel in
      let stored = pixels.bytes + pixel * pixels.channels
      return channels == 3 ? [stored[0], stored[1], stored[2]] : [stored[0], stored[0], stored[0]]
    }
  }

  /// Throws unless the picture is of the kind that a layout has.
  func expect(channels expected: Int, bitDepth expectedDepth: Int) throws {
    guard channels == expected, bitDepth == expectedDepth else {
      func kind(_ channels: Int, _ depth: Int) -> String {
        "\(depth)-bit \(channels == 1 ? "grey" : "RGB")"
      }
      throw InputError(
        file: path,
        reason: "expected a PNG of \(kind(expected, expectedDepth)), found "
          + kind(channels, bitDepth))
    }
  }
}
