// Pictures as PNG files in memory.

import CPNG
import Foundation

/// An 8-bit RGBA picture.
package struct Picture {
  package let width: Int
  package let height: Int
  /// H×W×4.
  package let pixels: [UInt8]

  package init(width: Int, height: Int, pixels: [UInt8]) {
    (self.width, self.height, self.pixels) = (width, height, pixels)
  }

  /// As a URI that a page can hold; nil when libpng refuses.
  package var dataURI: String? {
    png.map { "data:image/png;base64," + $0.base64EncodedString() }
  }

  /// The bytes of a PNG file; nil when libpng refuses.
  package var png: Data? {
    var image = png_image()
    image.version = png_uint_32(PNG_IMAGE_VERSION)
    image.width = png_uint_32(width)
    image.height = png_uint_32(height)
    image.format = cpng_format_rgba
    defer { png_image_free(&image) }
    var size: png_alloc_size_t = 0
    guard png_image_write_to_memory(&image, nil, &size, 0, pixels, 0, nil) != 0 else { return nil }
    var data = Data(count: size)
    let written = data.withUnsafeMutableBytes { buffer in
      png_image_write_to_memory(&image, buffer.baseAddress, &size, 0, pixels, 0, nil)
    }
    return written != 0 ? data.prefix(size) : nil
  }
}
