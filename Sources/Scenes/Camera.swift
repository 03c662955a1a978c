// The camera, and where it is put so that it has something to see.
import Glibc

/// Where something noteworthy stands.
struct Landmark {
  var piece: SceneClass
  var center: Vector
}

/// A pinhole camera with an orthonormal frame.
struct Camera {
  var position: Vector
  var right: Vector
  var up: Vector
  var forward: Vector
  /// Half the image's height at unit distance.
  var tangent: Float

  init(position: Vector, yaw: Float, pitch: Float, roll: Float, tangent: Float) {
    self.position = position
    self.tangent = tangent
    forward = Vector(sin(yaw) * cos(pitch), sin(pitch), -cos(yaw) * cos(pitch))
    let level = normalize(cross(forward, Vector(0, 1, 0)))
    let upright = cross(level, forward)
    right = level * cos(roll) + upright * sin(roll)
    up = upright * cos(roll) - level * sin(roll)
  }

  /// Of a few random views with free sight the one that shows the most kinds of things.
  static func chosen(
    in room: Vector, landmarks: [Landmark], taken: [(low: Vector, high: Vector)],
    random: inout RandomSource
  ) -> Camera {
    var best = view(in: room, &random)
    var bestScore = -Float.infinity
    var found = 0
    for _ in 0..<40 where found < 4 {
      let camera = view(in: room, &random)
      guard camera.isFree(of: taken) else { continue }
      found += 1
      let score = camera.score(landmarks)
      if score > bestScore { (best, bestScore) = (camera, score) }
    }
    return best
  }

  private static func view(in room: Vector, _ random: inout RandomSource) -> Camera {
    let margin: Float = 0.3
    let position = Vector(
      random.uniform(margin, room.x - margin), random.uniform(1.1, 1.85),
      random.uniform(margin, room.z - margin))
    let target = Vector(
      room.x * random.uniform(0.25, 0.75), random.uniform(0.6, 1.5),
      room.z * random.uniform(0.25, 0.75))
    let away = target - position
    let distance = max(0.5, (away.x * away.x + away.z * away.z).squareRoot())
    return Camera(
      position: position, yaw: atan2(away.x, -away.z),
      pitch: clamp(atan2(away.y, distance), -0.4, 0.1),
      roll: random.chance(0.3) ? random.uniform(-0.05, 0.05) : 0,
      tangent: tan(random.uniform(0.42, 0.62)))
  }

  /// Whether the camera stands neither inside nor right in front of something.
  private func isFree(of taken: [(low: Vector, high: Vector)]) -> Bool {
    let ahead = position + forward * 0.7
    return taken.allSatisfy { low, high in
      ![(position, 0.3), (ahead, 0.15)].contains { (point: Vector, margin: Float) in
        point.x > low.x - margin && point.x < high.x + margin && point.y > low.y - margin
          && point.y < high.y + margin && point.z > low.z - margin && point.z < high.z + margin
      }
    }
  }

  /// Counts the kinds of things in view; windows count more, and close obstacles against it.
  private func score(_ landmarks: [Landmark]) -> Float {
    var seen = Set<SceneClass>()
    var score: Float = 0
    for landmark in landmarks {
      let away = landmark.center - position
      let depth = dot(away, forward)
      let x = abs(dot(away, right))
      let y = abs(dot(away, up))
      if depth > 0 && dot(away, away) < 1 { score -= 2 }
      guard depth > 0.9 && x < depth * tangent * 1.2 && y < depth * tangent else { continue }
      if seen.insert(landmark.piece).inserted { score += landmark.piece == .window ? 1.6 : 1 }
    }
    return score
  }
}
