// Vectors, and the solids that everything in a scene is made of.

typealias Vector = SIMD3<Float>

@inline(__always) func dot(_ a: Vector, _ b: Vector) -> Float {
  a.x * b.x + a.y * b.y + a.z * b.z
}

@inline(__always) func cross(_ a: Vector, _ b: Vector) -> Vector {
  Vector(a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x)
}

@inline(__always) func length(_ a: Vector) -> Float { dot(a, a).squareRoot() }

@inline(__always) func normalize(_ a: Vector) -> Vector { a * (1 / length(a)) }

@inline(__always) func mix(_ a: Vector, _ b: Vector, _ weight: Float) -> Vector {
  a + (b - a) * weight
}

@inline(__always) func magnitudes(_ a: Vector) -> Vector {
  unsafeBitCast(unsafeBitCast(a, to: SIMD3<UInt32>.self) & 0x7FFF_FFFF, to: Vector.self)
}

// Unlike `min` and `max` these are one instruction each; if `a` is NaN they give `b`.
@inline(__always) func smaller(_ a: Float, _ b: Float) -> Float { a < b ? a : b }

@inline(__always) func larger(_ a: Float, _ b: Float) -> Float { a > b ? a : b }

/// `x` limited to low...high; `low` if `x` is NaN.
@inline(__always) func clamp(_ x: Float, _ low: Float, _ high: Float) -> Float {
  x > low ? (x < high ? x : high) : low
}

/// A position and a turn about the vertical. A local +z points where a piece of furniture faces.
struct Frame {
  var origin = Vector()
  var cosine: Float = 1
  var sine: Float = 0

  @inline(__always) func turnedToWorld(_ v: Vector) -> Vector {
    v * Vector(cosine, 1, cosine) + Vector(v.z, v.y, v.x) * Vector(sine, 0, -sine)
  }

  @inline(__always) func turnedToLocal(_ v: Vector) -> Vector {
    v * Vector(cosine, 1, cosine) - Vector(v.z, v.y, v.x) * Vector(sine, 0, -sine)
  }
}

enum Shape: UInt8 {
  /// A box of the given half extents.
  case box
  /// The ellipsoid that touches all faces of that box.
  case ellipsoid
  /// An upright cone, truncated cone or cylinder with flat ends.
  case frustum
}

/// One solid. A plain value without references, so that the inner loops touch no counters.
struct Primitive {
  var shape: Shape
  /// `RenderedScene.noClass` marks a window pane.
  var label: UInt8
  var material: UInt16
  /// Lamp shades let the light out that burns inside them.
  var castsShadow = true
  var frame: Frame
  /// Half the extents of the local bounding box.
  var half: Vector
  /// A frustum's radius at height y above its centre is `middleRadius + taper * y`.
  var middleRadius: Float = 0
  var taper: Float = 0

  /// The distance, in multiples of `direction`, to the first hit beyond 0; infinite if none.
  @inline(__always) func intersect(_ origin: Vector, _ direction: Vector) -> Float {
    let o = frame.turnedToLocal(origin - frame.origin)
    let d = frame.turnedToLocal(direction)
    switch shape {
    case .box: return intersectBox(o, d)
    case .ellipsoid: return intersectEllipsoid(o / half, d / half)
    case .frustum: return intersectFrustum(o, d)
    }
  }

  @inline(__always) private func intersectBox(_ o: Vector, _ d: Vector) -> Float {
    let inverse = 1 / d
    let middle = -o * inverse
    let reach = half * magnitudes(inverse)
    let low = middle - reach
    let high = middle + reach
    let enter = larger(low.x, larger(low.y, low.z))
    let leave = smaller(high.x, smaller(high.y, high.z))
    return enter <= leave && enter > 0 ? enter : .infinity
  }

  @inline(__always) private func intersectEllipsoid(_ o: Vector, _ d: Vector) -> Float {
    let a = dot(d, d)
    let b = dot(o, d)
    let discriminant = b * b - a * (dot(o, o) - 1)
    guard discriminant >= 0 else { return .infinity }
    let t = (-b - discriminant.squareRoot()) / a
    return t > 0 ? t : .infinity
  }

  @inline(__always) private func intersectFrustum(_ o: Vector, _ d: Vector) -> Float {
    let radius = middleRadius + taper * o.y
    let slope = taper * d.y
    let a = d.x * d.x + d.z * d.z - slope * slope
    let b = o.x * d.x + o.z * d.z - slope * radius
    let c = o.x * o.x + o.z * o.z - radius * radius
    var nearest = Float.infinity
    let discriminant = b * b - a * c
    // A ray that misses the infinite double cone can still not hit the flat ends, which lie in it.
    guard discriminant >= 0 else { return nearest }
    let root = discriminant.squareRoot()
    func meetMantle(_ t: Float) {
      let y = o.y + t * d.y
      if t > 0 && t < nearest && abs(y) <= half.y && middleRadius + taper * y >= 0 { nearest = t }
    }
    func meetEnd(_ y: Float) {
      let t = (y - o.y) / d.y
      let x = o.x + t * d.x
      let z = o.z + t * d.z
      let end = middleRadius + taper * y
      if t > 0 && t < nearest && x * x + z * z <= end * end { nearest = t }
    }
    meetMantle((-b - root) / a)
    meetMantle((-b + root) / a)
    meetEnd(-half.y)
    meetEnd(half.y)
    return nearest
  }

  /// The outward unit normal, in local coordinates, at a local point of the surface.
  func localNormal(_ p: Vector) -> Vector {
    switch shape {
    case .box:
      let q = p / half
      let x = abs(q.x)
      let y = abs(q.y)
      let z = abs(q.z)
      if x > y && x > z { return Vector(q.x < 0 ? -1 : 1, 0, 0) }
      return y > z ? Vector(0, q.y < 0 ? -1 : 1, 0) : Vector(0, 0, q.z < 0 ? -1 : 1)
    case .ellipsoid:
      return normalize(p / (half * half))
    case .frustum:
      // On a flat end the point lies inside the mantle's circle, or exactly at the end's height.
      let radius = (p.x * p.x + p.z * p.z).squareRoot()
      let fromMantle = abs(radius - (middleRadius + taper * p.y))
      let fromEnd = half.y - abs(p.y)
      if fromEnd < fromMantle { return Vector(0, p.y < 0 ? -1 : 1, 0) }
      return normalize(Vector(p.x, -taper * radius, p.z))
    }
  }
}
