// Surface materials and their procedural patterns.
import Glibc

enum Pattern: UInt8 {
  case plain, mottled, wood, planks, tiles, checker, stripes, bricks, weave, border, canvas
  /// The bright nothing behind a window pane.
  case sky
}

/// How a surface looks. `scale` is the number of pattern repeats per metre.
struct Material {
  var pattern: Pattern
  var first: Vector
  var second: Vector
  var scale: Float = 1
  var specular: Float = 0
  /// The highlight's exponent is two to the power of this.
  var gloss = 4
  var emission: Float = 0
  /// Shifts solid noise, so that no two materials share a pattern.
  var shift: Float = 0

  /// The diffuse colour at a local point of a solid with half extents `half`.
  func color(_ p: Vector, normal: Vector, half: Vector) -> Vector {
    switch pattern {
    case .plain, .sky:
      return first
    case .mottled:
      return mix(first, second, solidNoise(p * scale + shift))
    case .wood:
      return wood(p, half)
    case .weave:
      let (u, v) = planar(p, normal)
      let thread = sin(u * scale * 6.2832) * sin(v * scale * 6.2832)
      return mix(first, second, 0.5 + 0.35 * thread + 0.3 * (solidNoise(p * 9 + shift) - 0.5))
    case .stripes:
      let (u, _) = planar(p, normal)
      return isOdd(u * scale) ? second : first
    case .checker:
      let (u, v) = planar(p, normal)
      return isOdd(u * scale) != isOdd(v * scale) ? second : first
    case .tiles:
      let (u, v) = planar(p, normal)
      return masonry(u * scale, v * scale, joint: 0.04)
    case .bricks:
      let (u, v) = planar(p, normal)
      let row = (v * scale * 3).rounded(.down)
      return masonry(u * scale + (isOdd(row) ? 0.5 : 0), v * scale * 3, joint: 0.07)
    case .planks:
      let (u, v) = planar(p, normal)
      let row = (u * scale).rounded(.down)
      let offset = latticeNoise(Int32(row), 7, 3) * 5
      let board = masonry(u * scale, v * scale * 0.12 + offset, joint: 0.03)
      let grain = solidNoise(Vector(u * 40, v * 3, offset * 9 + shift))
      return board * (0.8 + 0.4 * grain)
    case .border:
      // Nested rectangles, as on a carpet: the pattern depends on the distance to the rim.
      let rim = min(half.x - abs(p.x), half.z - abs(p.z))
      let band = isOdd(rim * scale)
      return mix(first, second, (band ? 0.85 : 0) + 0.15 * solidNoise(p * 25 + shift))
    case .canvas:
      return painting(p / half)
    }
  }

  /// Growth rings around an axis near the solid's longest side.
  private func wood(_ p: Vector, _ half: Vector) -> Vector {
    var q = p
    if half.y > half.x && half.y > half.z {
      q = Vector(p.y, p.x, p.z)
    } else if half.z > half.x {
      q = Vector(p.z, p.y, p.x)
    }
    let along = q.x * 0.7 + shift
    let wobble = solidNoise(Vector(along, q.y * 4 + shift, q.z * 4))
    let ring = sin((q.z + 0.6 * q.y + 0.35 * wobble) * scale * 6.2832 + shift)
    let fibre = solidNoise(Vector(q.x * 4, q.y * 60, q.z * 60))
    return mix(first, second, clamp(0.4 + 0.3 * ring + 0.4 * (fibre - 0.5), 0, 1))
  }

  /// Stones of slightly different shades with `second` as the joint between them.
  private func masonry(_ u: Float, _ v: Float, joint: Float) -> Vector {
    let column = u.rounded(.down)
    let row = v.rounded(.down)
    let inColumn = u - column
    let inRow = v - row
    if inColumn < joint || inRow < joint { return second }
    let shade = latticeNoise(Int32(column), Int32(row), Int32(shift * 100))
    return first * (0.78 + 0.36 * shade)
  }

  /// An abstract picture: a horizon, a disc and some soft waves.
  private func painting(_ q: Vector) -> Vector {
    let wave = sin(q.x * 3 * scale + shift) * cos(q.y * 2.3 * scale + shift * 1.7)
    let horizon = q.y < 0.3 * sin(q.x * 2 + shift * 3) - 0.2
    let ground = horizon ? second : first
    let x = q.x - 0.5 * sin(shift * 5)
    let y = q.y - 0.45
    let disc = x * x + y * y < 0.09
    if disc { return Vector(1, 1, 1) - ground.zxyOrder * 0.9 }
    return mix(ground, first.zxyOrder, 0.25 + 0.25 * wave)
  }
}

extension Vector {
  fileprivate var zxyOrder: Vector { Vector(z, x, y) }
}

/// The two coordinates along a face, chosen by the direction that the face looks in.
@inline(__always) private func planar(_ p: Vector, _ normal: Vector) -> (Float, Float) {
  let x = abs(normal.x)
  let y = abs(normal.y)
  let z = abs(normal.z)
  if y >= x && y >= z { return (p.x, p.z) }
  return x > z ? (p.z, p.y) : (p.x, p.y)
}

@inline(__always) private func isOdd(_ x: Float) -> Bool {
  Int32(x.rounded(.down)) & 1 != 0
}

/// A fixed pseudo-random number in 0...1 for every lattice point.
@inline(__always) private func latticeNoise(_ x: Int32, _ y: Int32, _ z: Int32) -> Float {
  var h = UInt32(bitPattern: x) &* 0x8DA6_B343
  h ^= UInt32(bitPattern: y) &* 0xD816_3841
  h ^= UInt32(bitPattern: z) &* 0xCB1A_B31F
  h = (h ^ (h >> 15)) &* 0x2C1B_3C6D
  h = (h ^ (h >> 12)) &* 0x297A_2D39
  return Float(h >> 8) * (1 / Float(1 << 24))
}

/// Value noise: lattice noise interpolated smoothly, 0...1.
private func solidNoise(_ p: Vector) -> Float {
  let base = p.rounded(.down)
  let f = p - base
  let s = f * f * (3 - 2 * f)
  let x = Int32(base.x)
  let y = Int32(base.y)
  let z = Int32(base.z)
  func edge(_ y: Int32, _ z: Int32) -> Float {
    let a = latticeNoise(x, y, z)
    return a + (latticeNoise(x &+ 1, y, z) - a) * s.x
  }
  func face(_ z: Int32) -> Float {
    let a = edge(y, z)
    return a + (edge(y &+ 1, z) - a) * s.y
  }
  let a = face(z)
  return a + (face(z &+ 1) - a) * s.z
}

/// A linear colour from hue, saturation and brightness, each 0...1.
func color(hue: Float, saturation: Float, brightness: Float) -> Vector {
  let h = (hue - hue.rounded(.down)) * 6
  let rgb = Vector(abs(h - 3) - 1, 2 - abs(h - 2), 2 - abs(h - 4))
  let pure = Vector(clamp(rgb.x, 0, 1), clamp(rgb.y, 0, 1), clamp(rgb.z, 0, 1))
  return (mix(Vector(1, 1, 1), pure, saturation)) * brightness
}
