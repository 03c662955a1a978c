// Lists of the solids that can lie in a given direction from the camera or from a light.

/// A pinhole at `origin` that looks along `forward`, its image divided into cells.
struct Pinhole {
  var origin: Vector
  var right: Vector
  var up: Vector
  var forward: Vector
  /// Half the image's extent at unit distance.
  var tangentX: Float = 1
  var tangentY: Float = 1
  var columns: Int
  var rows: Int
}

/// For every cell of some pinhole images, the solids that the cell may show.
///
/// The camera gets one image, a light six on the faces of a cube: the light buffer of Haines and
/// Greenberg, "The light buffer: a shadow-testing accelerator", 1986.
struct Candidates {
  /// The entries of cell c are `entries[starts[c]..<starts[c + 1]]`.
  private(set) var starts: [Int32] = [0]
  private(set) var entries: [UInt16] = []

  static let faceCells = 32

  private struct Cover {
    var primitive: UInt16
    var columns: ClosedRange<Int>
    var rows: ClosedRange<Int>
  }

  /// Adds the cells of one image and returns the index of the first of them.
  mutating func add(_ view: Pinhole, _ primitives: [Primitive], shadowsOnly: Bool) -> Int {
    let base = starts.count - 1
    var counts = [Int32](repeating: 0, count: view.columns * view.rows)
    var covers: [Cover] = []
    for (index, primitive) in primitives.enumerated() {
      if shadowsOnly && !primitive.castsShadow { continue }
      guard var cover = Self.cover(of: primitive, in: view) else { continue }
      cover.primitive = UInt16(index)
      covers.append(cover)
      for row in cover.rows {
        for column in cover.columns { counts[row * view.columns + column] += 1 }
      }
    }
    for count in counts { starts.append(starts[starts.count - 1] + count) }
    var next = Array(starts[base...])
    let total = Int(starts[starts.count - 1])
    entries.append(contentsOf: repeatElement(0, count: total - entries.count))
    for cover in covers {
      for row in cover.rows {
        for column in cover.columns {
          let cell = row * view.columns + column
          entries[Int(next[cell])] = cover.primitive
          next[cell] += 1
        }
      }
    }
    return base
  }

  /// Adds the six cube faces around a light and returns the index of the first cell.
  mutating func addCube(around origin: Vector, _ primitives: [Primitive]) -> Int {
    let base = starts.count - 1
    let axes = [Vector(1, 0, 0), Vector(0, 1, 0), Vector(0, 0, 1)]
    for axis in 0..<3 {
      for sign in [Float(1), -1] {
        let view = Pinhole(
          origin: origin, right: axes[(axis + 1) % 3], up: axes[(axis + 2) % 3],
          forward: axes[axis] * sign, columns: Self.faceCells, rows: Self.faceCells)
        _ = add(view, primitives, shadowsOnly: true)
      }
    }
    return base
  }

  /// The cell of a light's cube that a direction points to, counted from the cube's first cell.
  @inline(__always) static func cubeCell(_ v: Vector) -> Int {
    let x = abs(v.x)
    let y = abs(v.y)
    let z = abs(v.z)
    let face: Int
    let u: Float
    let w: Float
    if x >= y && x >= z {
      (face, u, w) = (v.x < 0 ? 1 : 0, v.y / x, v.z / x)
    } else if y >= z {
      (face, u, w) = (v.y < 0 ? 3 : 2, v.z / y, v.x / y)
    } else {
      (face, u, w) = (v.z < 0 ? 5 : 4, v.x / z, v.y / z)
    }
    let column = cell(u, count: faceCells)
    let row = cell(w, count: faceCells)
    return (face * faceCells + row) * faceCells + column
  }

  /// The cell in 0..<count of a coordinate in -1...1.
  @inline(__always) static func cell(_ u: Float, count: Int) -> Int {
    let position = (u + 1) * 0.5 * Float(count)
    return Int(clamp(position, 0, Float(count) - 0.5))
  }

  /// The rectangle of cells that contains the image of a solid's bounding box.
  private static func cover(of primitive: Primitive, in view: Pinhole) -> Cover? {
    let near: Float = 0.01
    func seen(_ v: Vector) -> Vector {
      Vector(dot(view.right, v), dot(view.up, v), dot(view.forward, v))
    }
    let frame = primitive.frame
    let center = seen(frame.origin - view.origin)
    let x = seen(frame.turnedToWorld(Vector(primitive.half.x, 0, 0)))
    let y = seen(Vector(0, primitive.half.y, 0))
    let z = seen(frame.turnedToWorld(Vector(0, 0, primitive.half.z)))
    let reach = abs(x.z) + abs(y.z) + abs(z.z)
    guard center.z + reach > near else { return nil }
    func corner(_ bits: Int) -> Vector {
      let a = bits & 1 == 0 ? center - x : center + x
      let b = bits & 2 == 0 ? a - y : a + y
      return bits & 4 == 0 ? b - z : b + z
    }

    var low = SIMD2<Float>(repeating: .infinity)
    var high = SIMD2<Float>(repeating: -.infinity)
    func include(_ p: Vector) {
      let u = p.x / p.z
      let v = p.y / p.z
      low = SIMD2(min(low.x, u), min(low.y, v))
      high = SIMD2(max(high.x, u), max(high.y, v))
    }
    for bits in 0..<8 {
      let p = corner(bits)
      if p.z >= near { include(p) }
      guard center.z - reach < near else { continue }
      // The box reaches behind the pinhole: add where its edges pass through the near plane.
      for axis in 0..<3 where bits & (1 << axis) == 0 {
        let q = corner(bits | (1 << axis))
        if (p.z < near) != (q.z < near) {
          var crossing = p + (q - p) * ((near - p.z) / (q.z - p.z))
          crossing.z = near
          include(crossing)
        }
      }
    }
    low /= SIMD2(view.tangentX, view.tangentY)
    high /= SIMD2(view.tangentX, view.tangentY)
    guard low.x <= 1 && low.y <= 1 && high.x >= -1 && high.y >= -1 else { return nil }
    // Rounding must not lose the last sliver of a solid.
    let slack: Float = 1e-4
    let columns = view.columns
    let rows = view.rows
    return Cover(
      primitive: 0,
      columns: cell(low.x - slack, count: columns)...cell(high.x + slack, count: columns),
      rows: cell(low.y - slack, count: rows)...cell(high.y + slack, count: rows))
  }
}
