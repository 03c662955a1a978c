// Surface normals computed from depth.

import Artifacts

/// A pinhole camera; in pixels, the first pixel being at (1, 1) as in MATLAB.
struct PinholeCamera: Sendable {
  let fx, fy, cx, cy: Float

  /// The colour camera of NYU-v2, from the data set's toolbox.
  static let nyu = PinholeCamera(
    fx: 518.85790117450188, fy: 519.46961112127485, cx: 325.58244941119034,
    cy: 253.73616633400465)

  /// The point that a pixel shows, in camera axes: x to the right, y up, z towards the camera.
  /// (AdaShare's pictures of normals have x to the right, y away from the camera, z up.)
  func point(row: Int, column: Int, depth: Float) -> SIMD3<Float> {
    SIMD3(
      (Float(column + 1) - cx) / fx * depth, -(Float(row + 1) - cy) / fy * depth, -depth)
  }

  /// Unit normals that point to the camera, by central differences of the points; none where the
  /// pixel or one of its four neighbours has no depth.
  ///
  /// - Parameter depth: of an image of this size, along the optical axis.
  func normals(_ depth: TargetMap, size: PixelSize) -> TargetMap {
    let (height, width) = (size.height, size.width)
    var target = TargetMap(
      values: [Float](repeating: 0, count: height * width * 3),
      valid: [Bool](repeating: false, count: height * width))
    func point(_ row: Int, _ column: Int) -> SIMD3<Float>? {
      let pixel = row * width + column
      guard depth.valid[pixel] else { return nil }
      return self.point(row: row, column: column, depth: depth.values[pixel])
    }
    guard height > 2, width > 2 else { return target }
    for row in 1..<height - 1 {
      for column in 1..<width - 1 {
        guard let centre = point(row, column),
          let left = point(row, column - 1), let right = point(row, column + 1),
          let above = point(row - 1, column), let below = point(row + 1, column)
        else { continue }
        let normal = cross(right - left, above - below)
        let length = (normal * normal).sum().squareRoot()
        guard length > 0, length.isFinite else { continue }
        // The camera is at the origin.
        let unit = (normal * centre).sum() > 0 ? -normal / length : normal / length
        let pixel = row * width + column
        target.valid[pixel] = true
        for axis in 0..<3 { target.values[pixel * 3 + axis] = unit[axis] }
      }
    }
    return target
  }
}

private func cross(_ a: SIMD3<Float>, _ b: SIMD3<Float>) -> SIMD3<Float> {
  SIMD3(a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x)
}
