// Follows rays through a room and shades what they meet.

/// What a ray met: a solid, or a side of the room if `object` is beyond the last solid.
struct Hit {
  var distance: Float
  var object: Int
}

/// A surface point with all that shading needs.
struct Surface {
  var position: Vector
  var normal: Vector
  var label: UInt8
  var material: UInt16
  var color: Vector
}

/// A view on a room's arrays without bounds checks or reference counts; it must not outlive them.
struct Tracer {
  let size: Vector
  let surfaces: InlineArray<6, UInt16>
  let ambient: Vector
  let primitives: UnsafeBufferPointer<Primitive>
  let materials: UnsafeBufferPointer<Material>
  let lights: UnsafeBufferPointer<Light>
  /// For each light the first cell of its cube of candidates.
  let lightCells: UnsafeBufferPointer<Int>
  let starts: UnsafeBufferPointer<Int32>
  let entries: UnsafeBufferPointer<UInt16>

  /// The nearest thing along a ray from inside the room, among the candidates of one cell.
  func nearest(_ origin: Vector, _ direction: Vector, cell: Int) -> Hit {
    var hit = exit(origin, direction)
    for entry in Int(starts[cell])..<Int(starts[cell + 1]) {
      let index = Int(entries[entry])
      let distance = primitives[index].intersect(origin, direction)
      if distance < hit.distance { hit = Hit(distance: distance, object: index) }
    }
    return hit
  }

  /// Where a ray from inside the room meets the room's sides.
  private func exit(_ origin: Vector, _ direction: Vector) -> Hit {
    // Positive numerators over magnitudes: a zero component gives infinity, never NaN.
    let x = (direction.x > 0 ? size.x - origin.x : origin.x) / abs(direction.x)
    let y = (direction.y > 0 ? size.y - origin.y : origin.y) / abs(direction.y)
    let z = (direction.z > 0 ? size.z - origin.z : origin.z) / abs(direction.z)
    let sides = primitives.count
    if x < y && x < z { return Hit(distance: x, object: sides + (direction.x > 0 ? 1 : 0)) }
    if y < z { return Hit(distance: y, object: sides + (direction.y > 0 ? 3 : 2)) }
    return Hit(distance: z, object: sides + (direction.z > 0 ? 5 : 4))
  }

  func surface(_ hit: Hit, _ origin: Vector, _ direction: Vector) -> Surface {
    let position = origin + direction * hit.distance
    guard hit.object < primitives.count else {
      return side(hit.object - primitives.count, at: position)
    }
    let primitive = primitives[hit.object]
    let local = primitive.frame.turnedToLocal(position - primitive.frame.origin)
    let normal = primitive.localNormal(local)
    let color = materials[Int(primitive.material)].color(
      local, normal: normal, half: primitive.half)
    return Surface(
      position: position, normal: primitive.frame.turnedToWorld(normal), label: primitive.label,
      material: primitive.material, color: color)
  }

  private func side(_ index: Int, at position: Vector) -> Surface {
    let inward: Float = index.isMultiple(of: 2) ? 1 : -1
    let normal: Vector
    let label: SceneClass
    switch index >> 1 {
    case 0: (normal, label) = (Vector(inward, 0, 0), .wall)
    case 1: (normal, label) = (Vector(0, inward, 0), inward > 0 ? .floor : .ceiling)
    default: (normal, label) = (Vector(0, 0, inward), .wall)
    }
    let material = surfaces[index]
    let color = materials[Int(material)].color(position, normal: normal, half: size)
    return Surface(
      position: position, normal: normal, label: label.rawValue, material: material, color: color)
  }

  /// The linear colour of a surface as seen along `direction`: Blinn-Phong with hard shadows.
  func radiance(_ surface: Surface, along direction: Vector) -> Vector {
    let material = materials[Int(surface.material)]
    if material.pattern == .sky { return sky(material, direction) }
    let view = normalize(-direction)
    let start = surface.position + surface.normal * 1e-3
    // Light that bounces around comes rather from above, and hardly into corners at the floor.
    var light = ambient * (0.8 + 0.2 * surface.normal.y) * openness(surface)
    var shine = Vector()
    for index in 0..<lights.count {
      let toLight = lights[index].position - start
      let squared = dot(toLight, toLight)
      let away = toLight * (1 / squared.squareRoot())
      let facing = dot(surface.normal, away)
      guard facing > 0 && isLit(start, from: index, toLight) else { continue }
      let arriving = lights[index].color * (1 / (0.5 + squared))
      light += arriving * facing
      guard material.specular > 0 else { continue }
      var highlight = larger(dot(surface.normal, normalize(away + view)), 0)
      for _ in 0..<material.gloss { highlight *= highlight }
      shine += arriving * (highlight * material.specular * 2)
    }
    return surface.color * (light + material.emission) + shine
  }

  /// Cheap ambient occlusion by the room alone: darker within a hand's breadth of its sides.
  private func openness(_ surface: Surface) -> Float {
    let p = surface.position
    let n = surface.normal
    // A side does not darken itself.
    let x = smaller(p.x, size.x - p.x) + abs(n.x)
    let y = smaller(p.y, size.y - p.y) + abs(n.y)
    let z = smaller(p.z, size.z - p.z) + abs(n.z)
    let gap = larger(0, smaller(x, smaller(y, z)))
    return 1 - 0.03 / (0.07 + gap)
  }

  private func isLit(_ start: Vector, from light: Int, _ toLight: Vector) -> Bool {
    let cell = lightCells[light] + Candidates.cubeCell(-toLight)
    for entry in Int(starts[cell])..<Int(starts[cell + 1])
    where primitives[Int(entries[entry])].intersect(start, toLight) < 1 {
      return false
    }
    return true
  }

  private func sky(_ material: Material, _ direction: Vector) -> Vector {
    let height = clamp(0.5 + 1.2 * normalize(direction).y, 0, 1)
    return mix(material.second, material.first, height) * material.emission
  }
}
