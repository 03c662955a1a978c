// One rendered picture together with its ground truth.

/// A picture of an indoor scene and the exact ground truth of every task.
///
/// All maps are row-major, `height` × `width`, with the top row first. Ground truth is taken at
/// pixel centres. Window panes look out on nothing: there `classes` is `noClass`, `normals` and
/// `depth` are zero. The maps derived from the image alone are valid everywhere.
public struct RenderedScene: Sendable {
  /// The entry of `classes` where there is no ground truth.
  public static let noClass: UInt8 = 255

  /// Columns in pixels.
  public let width: Int
  /// Rows in pixels.
  public let height: Int
  /// Focal length in pixels, the same in both directions; the optical axis meets the image at
  /// (width / 2, height / 2), measured from the outer corner of the top left pixel.
  public let focalLength: Float
  /// H×W×3 RGB, 0...255.
  public let image: [UInt8]
  /// H×W raw values of `SceneClass`, or `noClass`.
  public let classes: [UInt8]
  /// H×W×3 unit vectors in camera coordinates: x right, y up, z towards the camera.
  public let normals: [Float]
  /// H×W metres along the optical axis, above 0 and below 13; 0 where there is none.
  public let depth: [Float]
  /// H×W interest-point response, 0...1.
  public let keypoint: [Float]
  /// H×W image edge response, 0...1.
  public let edge: [Float]
}
