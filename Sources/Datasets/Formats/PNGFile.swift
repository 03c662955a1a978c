// PNG files as they are stored: class maps, 16-bit depths and pictures alike.

import Artifacts
import CPNG
import Foundation

/// A decoded PNG without interpretation: no gamma, no palette.
struct PNGFile: Sendable {
  let path: String
  let height: Int
  let width: Int
  /// 1 grey, 3 RGB; alpha is dropped.
  let channels: Int
  /// 8 or 16.
  let bitDepth: Int
  /// H×W×channels.
  let samples: [UInt16]

  /// - Throws: ``ArtifactError`` naming the file, when it is missing, truncated, damaged, or has a
  ///   palette (whose indices other tools would have translated).
  init(_ path: String) throws {
    let bytes = try readFile(path)
    var image = cpng_image()
    let isRead = bytes.withUnsafeBytes {
      cpng_read($0.bindMemory(to: UInt8.self).baseAddress, $0.count, &image)
    }
    defer { free(image.samples) }
    guard isRead != 0 else {
      let text = withUnsafeBytes(of: image.error) { bytes in
        String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
      }
      throw ArtifactError(file: path, path: "", reason: "not a good PNG: \(text)")
    }
    guard image.is_palette == 0, let stored = image.samples else {
      throw ArtifactError(
        file: path, path: "", reason: "is a palette PNG; grey or RGB is expected")
    }
    let (height, width) = (Int(image.height), Int(image.width))
    let storedChannels = Int(image.channels)
    let channels = storedChannels >= 3 ? 3 : 1
    let isWide = image.bit_depth == 16
    self.path = path
    self.height = height
    self.width = width
    self.channels = channels
    bitDepth = Int(image.bit_depth)
    samples = [UInt16](unsafeUninitializedCapacity: height * width * channels) { out, count in
      func copy<T: FixedWidthInteger>(_ from: UnsafePointer<T>) {
        for pixel in 0..<height * width {
          for channel in 0..<channels {
            out[pixel * channels + channel] = UInt16(from[pixel * storedChannels + channel])
          }
        }
      }
      if isWide {
        stored.withMemoryRebound(to: UInt16.self, capacity: height * width * storedChannels) {
          copy($0)
        }
      } else {
        copy(UnsafePointer(stored))
      }
      count = height * width * channels
    }
  }

  /// Throws unless the picture is of the kind that a layout has.
  func expect(channels expected: Int, bitDepth expectedDepth: Int) throws {
    guard channels == expected, bitDepth == expectedDepth else {
      func kind(_ channels: Int, _ depth: Int) -> String {
        "\(depth)-bit \(channels == 1 ? "grey" : "RGB")"
      }
      throw ArtifactError(
        file: path, path: "",
        reason: "expected a PNG of \(kind(expected, expectedDepth)), found "
          + kind(channels, bitDepth))
    }
  }
}

/// The bytes of a file.
///
/// - Throws: ``ArtifactError`` naming the file.
func readFile(_ path: String) throws -> Data {
  guard FileManager.default.fileExists(atPath: path) else {
    throw ArtifactError(file: path, path: "", reason: "no such file")
  }
  do {
    return try Data(contentsOf: URL(fileURLWithPath: path))
  } catch {
    throw ArtifactError(file: path, path: "", reason: "cannot be read")
  }
}
