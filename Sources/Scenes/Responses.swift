// Edge and interest-point maps of an image's luminance.
import Glibc

/// Luminance, 0...1, by the weights of ITU-R BT.601.
func luminance(ofRGB bytes: [UInt8]) -> [Float] {
  (0..<bytes.count / 3).map { pixel in
    let red = Float(bytes[3 * pixel])
    let green = Float(bytes[3 * pixel + 1])
    let blue = Float(bytes[3 * pixel + 2])
    return (0.299 * red + 0.587 * green + 0.114 * blue) / 255
  }
}

/// Smooth response maps, both 0...1 and height × width.
///
/// The edge response is the gradient magnitude of the Gaussian-smoothed image (Canny, "A
/// computational approach to edge detection", 1986). The keypoint response is the square root of
/// the smaller eigenvalue of the gradients' second-moment matrix in a Gaussian window (Shi and
/// Tomasi, "Good features to track", 1994). Gradients are multiplied by the smoothing scale, which
/// grows with the image, so that responses do not depend on the resolution. The final smoothing
/// has σ = height / 40; x / (x + c) compresses the range.
struct Responses {
  let keypoint: [Float]
  let edge: [Float]

  private static let edgeMiddle: Float = 0.06
  private static let keypointMiddle: Float = 0.025

  init(luminance: [Float], width: Int, height: Int) {
    let fine = max(0.6, Float(height) / 80)
    let blur = GaussianBlur(sigma: fine, width: width, height: height)
    let smooth = blur(luminance.map { SIMD4($0, 0, 0, 0) }).map { $0.x }

    // The gradient's second moments xx, xy, yy and its magnitude.
    var moments = [SIMD4<Float>](repeating: SIMD4(), count: width * height)
    for row in 0..<height {
      let above = max(row - 1, 0) * width
      let below = min(row + 1, height - 1) * width
      for column in 0..<width {
        let left = row * width + max(column - 1, 0)
        let right = row * width + min(column + 1, width - 1)
        let x = (smooth[right] - smooth[left]) * 0.5 * fine
        let y = (smooth[below + column] - smooth[above + column]) * 0.5 * fine
        let (xx, yy) = (x * x, y * y)
        moments[row * width + column] = SIMD4(xx, x * y, yy, (xx + yy).squareRoot())
      }
    }
    let window = GaussianBlur(sigma: Float(height) / 40, width: width, height: height)
    moments = window(moments)

    edge = moments.map { $0.w / ($0.w + Self.edgeMiddle) }
    keypoint = moments.map { moment in
      let mean = (moment.x + moment.z) * 0.5
      let gap = (moment.x - moment.z) * 0.5
      let smaller = mean - (gap * gap + moment.y * moment.y).squareRoot()
      let response = max(0, smaller).squareRoot()
      return response / (response + Self.keypointMiddle)
    }
  }
}

/// Separable Gaussian smoothing, of four maps at once, that repeats the border.
private struct GaussianBlur {
  let width: Int
  let height: Int
  private let weights: [Float]

  init(sigma: Float, width: Int, height: Int) {
    self.width = width
    self.height = height
    let radius = Int((2.5 * sigma).rounded(.up))
    let raw = (-radius...radius).map { offset in
      let x = Float(offset) / sigma
      return exp(-0.5 * x * x)
    }
    let sum = raw.reduce(0, +)
    weights = raw.map { $0 / sum }
  }

  func callAsFunction(_ maps: [SIMD4<Float>]) -> [SIMD4<Float>] {
    // Each pass smooths along the rows and transposes, so two of them do both directions.
    smoothedAndTransposed(
      smoothedAndTransposed(maps, width: width, height: height), width: height, height: width)
  }

  private func smoothedAndTransposed(
    _ maps: [SIMD4<Float>], width: Int, height: Int
  ) -> [SIMD4<Float>] {
    let radius = weights.count / 2
    var padded = [SIMD4<Float>](repeating: SIMD4(), count: width + 2 * radius)
    var result = [SIMD4<Float>](repeating: SIMD4(), count: width * height)
    for row in 0..<height {
      for column in padded.indices {
        padded[column] = maps[row * width + min(max(column - radius, 0), width - 1)]
      }
      padded.withUnsafeBufferPointer { padded in
        weights.withUnsafeBufferPointer { weights in
          for column in 0..<width {
            var sum = SIMD4<Float>()
            for tap in 0..<weights.count { sum += padded[column &+ tap] * weights[tap] }
            result[column * height + row] = sum
          }
        }
      }
    }
    return result
  }
}
