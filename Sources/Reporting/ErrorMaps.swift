// Where a prediction is wrong, and by how much.

import Artifacts
import Foundation

package enum ErrorMap {
  /// The largest angle between normals that is told apart, in degrees.
  static let largestAngle: Float = 60

  /// Pixel by pixel, H×W: 1 for a wrong class, the angle between normals in degrees, or the absolute
  /// difference; NaN without ground truth.
  ///
  /// - Parameters:
  ///   - prediction: H×W×channels.
  ///   - target: H×W×channels.
  package static func errors(
    of prediction: ArraySlice<Float>, _ target: ArraySlice<Float>, kind: DatasetTask.Kind
  ) -> [Float] {
    let (p, t) = (prediction.startIndex, target.startIndex)
    switch kind {
    case .segmentation:
      return zip(prediction, target).map { $1.isNaN ? .nan : $0 == $1 ? 0 : 1 }
    case .regression:
      return zip(prediction, target).map { abs($0 - $1) }
    case .normals:
      return (0..<min(prediction.count, target.count) / 3).map { pixel in
        var (dot, a, b): (Float, Float, Float) = (0, 0, 0)
        for axis in 0..<3 {
          let (x, y) = (prediction[p + 3 * pixel + axis], target[t + 3 * pixel + axis])
          dot += x * y
          a += x * x
          b += y * y
        }
        // A target of length 0 is none.
        let cosine = dot / (a * b).squareRoot()
        return cosine.isNaN ? .nan : acos(min(max(cosine, -1), 1)) * 180 / .pi
      }
    }
  }

  /// Where the colours of error maps end: for numbers at their 95th percentile, rounded up, so that
  /// a few wild pixels do not darken all others.
  package static func largest(_ maps: [[Float]], kind: DatasetTask.Kind) -> Float {
    switch kind {
    case .segmentation: return 1
    case .normals: return largestAngle
    case .regression:
      let known = maps.joined().filter(\.isFinite).sorted()
      guard let last = known.last, last > 0 else { return 1 }
      let percentile = known[min(known.count - 1, known.count * 95 / 100)]
      return roundedUp(percentile > 0 ? percentile : last)
    }
  }

  /// To the next 1, 2 or 5 times a power of ten.
  package static func roundedUp(_ value: Float) -> Float {
    let power = pow(10, floor(log10(value)))
    return (([1, 2, 5].first { Float($0) * power >= value * 0.999 }).map(Float.init) ?? 10) * power
  }
}
