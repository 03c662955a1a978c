// What a scene consists of and where things stand.
import Glibc

struct Light {
  var position: Vector
  /// Radiant intensity in arbitrary units.
  var color: Vector
}

/// A box-shaped room, from the origin to `size`, and everything in it.
struct Room {
  var size: Vector
  /// Materials of the walls at low x, high x, the floor, the ceiling and the walls at low z, high z.
  var surfaces: InlineArray<6, UInt16>
  var primitives: [Primitive]
  var materials: [Material]
  var lights: [Light]
  var ambient: Vector
  var camera: Camera
}

extension Room {
  /// Furnishes a room; all choices come from `random`.
  static func furnished(_ random: RandomSource) -> Room {
    var composer = Composer(random)
    return composer.compose()
  }
}

/// An upright box of space that is already taken.
private struct Volume {
  var low: Vector
  var high: Vector

  func overlaps(_ other: Volume, margin: Float) -> Bool {
    low.x < other.high.x + margin && other.low.x < high.x + margin
      && low.y < other.high.y && other.low.y < high.y
      && low.z < other.high.z + margin && other.low.z < high.z + margin
  }
}

private struct Composer {
  var builder: SceneBuilder
  let size: Vector
  var taken: [Volume] = []
  var landmarks: [Landmark] = []
  var bulbs: [Vector] = []
  /// Places just inside the windows, from where daylight comes.
  var skylights: [Vector] = []

  init(_ source: RandomSource) {
    var random = source
    size = Vector(random.uniform(3, 6.2), random.uniform(2.4, 3.2), random.uniform(3.4, 7.2))
    builder = SceneBuilder(random: random)
  }

  mutating func compose() -> Room {
    let surfaces = finishSurfaces()
    openWindows()
    hangDoors()
    furnishWalls()
    furnishMiddle()
    scatterOnFloor()
    hangPictures()
    hangLamps()
    let camera = Camera.chosen(
      in: size, landmarks: landmarks, taken: taken.map { ($0.low, $0.high) },
      random: &builder.random)
    return Room(
      size: size, surfaces: surfaces, primitives: builder.primitives,
      materials: builder.materials, lights: lights(),
      ambient: Vector(1, 1, 1) * builder.random.uniform(0.22, 0.36), camera: camera)
  }

  // MARK: Finding places

  private func isFree(_ volume: Volume, margin: Float) -> Bool {
    !taken.contains { $0.overlaps(volume, margin: margin) }
  }

  /// Takes a place for something of this size with its back to a wall, if one is found.
  mutating func placeAtWall(
    _ piece: SceneClass, _ extent: Vector, above bottom: Float = 0, clearance: Float = 0.05
  ) -> Frame? {
    for _ in 0..<14 {
      let wall = builder.random.integer(0...3)
      let span = wall.isMultiple(of: 2) ? size.x : size.z
      let position = builder.random.uniform(0.06, 0.94) * span
      let reach = extent.x / 2 + 0.06
      guard position > reach && position < span - reach else { continue }
      let hangs = bottom > 0 || piece == .door
      let out = extent.z / 2 + (hangs ? 0 : 0.02)
      var frame = Frame()
      switch wall {
      case 0: (frame.origin, frame.cosine, frame.sine) = (Vector(position, bottom, out), 1, 0)
      case 1:
        (frame.origin, frame.cosine, frame.sine) = (Vector(out, bottom, position), 0, 1)
      case 2:
        let origin = Vector(position, bottom, size.z - out)
        (frame.origin, frame.cosine, frame.sine) = (origin, -1, 0)
      default:
        let origin = Vector(size.x - out, bottom, position)
        (frame.origin, frame.cosine, frame.sine) = (origin, 0, -1)
      }
      if take(frame, extent, clearance: clearance, margin: 0.04) {
        landmarks.append(Landmark(piece: piece, center: center(frame, extent)))
        return frame
      }
    }
    return nil
  }

  /// Takes a place away from the walls for something turned by `yaw`, if one is found.
  mutating func placeFreely(
    _ piece: SceneClass, _ extent: Vector, yaw: Float, margin: Float = 0.08
  ) -> Frame? {
    let frame = Frame(cosine: cos(yaw), sine: sin(yaw))
    let x = (abs(frame.cosine) * extent.x + abs(frame.sine) * extent.z) / 2 + 0.06
    let z = (abs(frame.sine) * extent.x + abs(frame.cosine) * extent.z) / 2 + 0.06
    guard 2 * x < size.x && 2 * z < size.z else { return nil }
    for _ in 0..<14 {
      var tried = frame
      tried.origin = Vector(
        builder.random.uniform(x, size.x - x), 0, builder.random.uniform(z, size.z - z))
      if take(tried, extent, clearance: 0, margin: margin) {
        landmarks.append(Landmark(piece: piece, center: center(tried, extent)))
        return tried
      }
    }
    return nil
  }

  private func center(_ frame: Frame, _ extent: Vector) -> Vector {
    frame.origin + Vector(0, extent.y / 2, 0)
  }

  /// Takes the space of a piece and of the clearance in front of it, unless some is taken.
  private mutating func take(
    _ frame: Frame, _ extent: Vector, clearance: Float, margin: Float
  ) -> Bool {
    let middle = frame.origin + frame.turnedToWorld(Vector(0, 0, clearance / 2))
    let depth = extent.z + clearance
    let x = (abs(frame.cosine) * extent.x + abs(frame.sine) * depth) / 2
    let z = (abs(frame.sine) * extent.x + abs(frame.cosine) * depth) / 2
    let volume = Volume(
      low: middle - Vector(x, 0, z), high: middle + Vector(x, extent.y, z))
    guard isFree(volume, margin: margin) else { return false }
    taken.append(volume)
    return true
  }

  // MARK: The building

  private mutating func finishSurfaces() -> InlineArray<6, UInt16> {
    let floor = floorMaterial()
    let wall = wallMaterial()
    let accent = builder.random.chance(0.4) ? wallMaterial() : wall
    let white = Vector(1, 1, 1) * builder.random.uniform(0.65, 0.85)
    let ceiling = builder.add(
      Material(pattern: .mottled, first: white, second: white * 0.92, scale: 3, specular: 0))
    skirt(builder.woodOrPaint())
    if builder.random.chance(0.2) { layBeams() }
    if builder.random.chance(0.2) { raisePillar(wall) }
    return [wall, wall, floor, ceiling, accent, wall]
  }

  private mutating func floorMaterial() -> UInt16 {
    let warm = color(
      hue: builder.random.uniform(0.05, 0.11), saturation: builder.random.uniform(0.35, 0.7),
      brightness: builder.random.uniform(0.2, 0.6))
    let grey = builder.anyColor(saturation: 0.25, brightness: 0.7)
    let planks = Material(
      pattern: .planks, first: warm, second: warm * 0.4, scale: builder.random.uniform(5, 9),
      specular: 0.15, gloss: 5)
    let tiles = Material(
      pattern: .tiles, first: grey, second: grey * builder.random.uniform(0.4, 0.7),
      scale: builder.random.uniform(1.6, 4), specular: 0.25, gloss: 6)
    let checker = Material(
      pattern: .checker, first: grey, second: grey * 0.45,
      scale: builder.random.uniform(1.5, 3), specular: 0.25, gloss: 6)
    let carpet = Material(
      pattern: .mottled, first: grey, second: grey * 0.75, scale: 30, specular: 0)
    return builder.add(builder.random.pick(planks, planks, tiles, checker, carpet))
  }

  private mutating func wallMaterial() -> UInt16 {
    let isColored = builder.random.chance(0.5)
    let first = builder.anyColor(saturation: isColored ? 0.5 : 0.12, brightness: 0.85)
    let paint = Material(
      pattern: .mottled, first: first, second: first * 0.93, scale: 5, specular: 0)
    let stripes = Material(
      pattern: .stripes, first: first, second: first * 0.82,
      scale: builder.random.uniform(3, 8), specular: 0)
    let bricks = Material(
      pattern: .bricks,
      first: color(
        hue: builder.random.uniform(0.01, 0.07), saturation: builder.random.uniform(0.1, 0.7),
        brightness: builder.random.uniform(0.4, 0.7)),
      second: Vector(0.5, 0.48, 0.45), scale: builder.random.uniform(3, 4), specular: 0)
    let tiles = Material(
      pattern: .tiles, first: first, second: first * 0.7,
      scale: builder.random.uniform(3, 6), specular: 0.3, gloss: 6)
    return builder.add(
      builder.random.pick(paint, paint, paint, paint, stripes, bricks, tiles))
  }

  private mutating func skirt(_ material: UInt16) {
    let height = builder.random.uniform(0.06, 0.13)
    for end in [0, 1] as [Float] {
      let alongX = Vector(size.x / 2, height / 2, end * size.z)
      builder.slab(.wall, center: alongX, size: Vector(size.x, height, 0.03), material)
      let alongZ = Vector(end * size.x, height / 2, size.z / 2)
      builder.slab(.wall, center: alongZ, size: Vector(0.03, height, size.z), material)
    }
  }

  private mutating func layBeams() {
    let wood = builder.wood()
    let count = Int(size.z / 1.2)
    for beam in 0..<count {
      let z = size.z * (Float(beam) + 0.5) / Float(count)
      let center = Vector(size.x / 2, size.y - 0.06, z)
      builder.slab(.ceiling, center: center, size: Vector(size.x, 0.12, 0.14), wood)
    }
  }

  private mutating func raisePillar(_ material: UInt16) {
    let width = builder.random.uniform(0.25, 0.45)
    let extent = Vector(width, size.y, width)
    guard let frame = placeFreely(.wall, extent, yaw: 0, margin: 0) else { return }
    let center = frame.origin + Vector(0, size.y / 2, 0)
    builder.slab(.wall, center: center, size: extent, material)
  }

  private mutating func openWindows() {
    let share = builder.random.unit()
    for _ in 0..<(share < 0.08 ? 0 : share < 0.35 ? 1 : share < 0.75 ? 2 : 3) {
      let sill = builder.random.uniform(0.6, 1.05)
      let extent = Vector(
        builder.random.uniform(0.9, 2.3),
        min(builder.random.uniform(1, 1.7), size.y - sill - 0.15), 0.08)
      guard let frame = placeAtWall(.window, extent, above: sill, clearance: 0.12) else {
        continue
      }
      builder.begin(.window, at: frame)
      builder.window(extent)
      let inside = frame.turnedToWorld(Vector(0, 0, 0.35))
      skylights.append(frame.origin + inside + Vector(0, extent.y * 0.6, 0))
    }
  }

  private mutating func hangDoors() {
    for _ in 0..<builder.random.pick(0, 1, 1, 2) {
      let extent = Vector(builder.random.uniform(0.85, 1.1), 2.08, 0.08)
      guard let frame = placeAtWall(.door, extent, clearance: 0.7) else { continue }
      builder.begin(.door, at: frame)
      builder.door(extent)
    }
  }

  private mutating func hangPictures() {
    for _ in 0..<builder.random.integer(1...3) {
      let extent = Vector(
        builder.random.uniform(0.4, 1.3), builder.random.uniform(0.4, 0.9), 0.03)
      let bottom = 1.6 - extent.y / 2 + builder.random.uniform(-0.1, 0.25)
      guard let frame = placeAtWall(.picture, extent, above: bottom) else { continue }
      builder.begin(.picture, at: frame)
      builder.picture(extent)
    }
  }

  // MARK: Furniture

  private mutating func furnishWalls() {
    var wishes: [SceneClass] = [.shelf, .sofa, .bed, .cabinet, .shelf, .cabinet, .sofa]
    builder.random.shuffle(&wishes)
    let count = min(wishes.count, Int(size.x * size.z / 10) + builder.random.integer(1...2))
    for piece in wishes.prefix(count) {
      switch piece {
      case .shelf: placeShelf()
      case .sofa: placeSofa()
      case .bed: placeBed()
      default: placeCabinet()
      }
    }
  }

  private mutating func placeShelf() {
    let extent = Vector(
      builder.random.uniform(0.6, 1.5), builder.random.pick(0.9, 1.3, 1.8, 2.1),
      builder.random.uniform(0.24, 0.34))
    guard let frame = placeAtWall(.shelf, extent, clearance: 0.3) else { return }
    builder.begin(.shelf, at: frame)
    builder.shelf(extent)
    if extent.y < 1.4 { decorate(frame, extent) }
  }

  private mutating func placeSofa() {
    let extent = Vector(
      builder.random.pick(0.9, 1.6, 2.1), builder.random.uniform(0.7, 0.9),
      builder.random.uniform(0.8, 0.95))
    guard let frame = placeAtWall(.sofa, extent, clearance: 0.3) else { return }
    builder.begin(.sofa, at: frame)
    builder.sofa(extent)
  }

  private mutating func placeBed() {
    let extent = Vector(
      builder.random.pick(0.95, 1.4, 1.65), builder.random.uniform(0.75, 1.1), 2.05)
    guard let frame = placeAtWall(.bed, extent, clearance: 0.2) else { return }
    builder.begin(.bed, at: frame)
    builder.bed(extent)
  }

  private mutating func placeCabinet() {
    let extent = Vector(
      builder.random.uniform(0.5, 1.6), builder.random.pick(0.6, 0.8, 1, 1.9),
      builder.random.uniform(0.38, 0.55))
    guard let frame = placeAtWall(.cabinet, extent, clearance: 0.3) else { return }
    builder.begin(.cabinet, at: frame)
    builder.cabinet(extent)
    if extent.y < 1.4 { decorate(frame, extent) }
  }

  private mutating func furnishMiddle() {
    let groups = size.x * size.z > 30 ? 2 : 1
    for group in 0..<groups where builder.random.chance(0.85) {
      let isLow = group == 1 || builder.random.chance(0.25)
      let isRound = builder.random.chance(0.3)
      let width = builder.random.uniform(0.8, isRound ? 1.2 : 1.8)
      let extent = Vector(
        width, isLow ? builder.random.uniform(0.38, 0.48) : builder.random.uniform(0.7, 0.78),
        isRound ? width : min(width - 0.03, builder.random.uniform(0.6, 0.95)))
      let yaw = Float(builder.random.integer(0...1)) * 1.5708
      let turned = yaw + (builder.random.chance(0.3) ? builder.random.uniform(-0.6, 0.6) : 0)
      let around = Vector(isLow ? 0.3 : 1, 0, isLow ? 0.3 : 1)
      let place = placeFreely(.table, extent + around, yaw: turned)
      guard let frame = place ?? placeFreely(.table, extent, yaw: turned) else { continue }
      if builder.random.chance(0.45) { layRug(frame, extent + Vector(0.9, 0, 0.9)) }
      builder.begin(.table, at: frame)
      builder.table(extent)
      decorate(frame, extent)
      if !isLow && place != nil { seat(around: frame, extent) }
    }
  }

  /// Chairs on the long sides of a table, and sometimes at its heads.
  private mutating func seat(around table: Frame, _ extent: Vector) {
    let wood = builder.woodOrPaint()
    let fabric = builder.random.chance(0.5) ? wood : builder.fabric()
    let chair = Vector(0.43, builder.random.uniform(0.82, 1), 0.43)
    let perSide = extent.x > 1.25 ? 2 : 1
    for side in 0..<4 {
      let isLong = side.isMultiple(of: 2)
      let count = isLong ? perSide : 1
      for place in 0..<count where builder.random.chance(isLong ? 0.85 : 0.5) {
        let turn = Float(side) * 1.5708
        let out = (isLong ? extent.z : extent.x) / 2 + builder.random.uniform(0.02, 0.2)
        let along = (Float(place) + 0.5 - Float(count) / 2) * extent.x * 0.5
        let local = Vector(
          sin(turn) * out + cos(turn) * along, 0, cos(turn) * out - sin(turn) * along)
        var frame = table
        frame.origin += table.turnedToWorld(local)
        // The chair faces the table.
        let yaw = turn + 3.1416 + builder.random.uniform(-0.25, 0.25)
        let (c, s) = (cos(yaw), sin(yaw))
        frame.cosine = table.cosine * c - table.sine * s
        frame.sine = table.sine * c + table.cosine * s
        landmarks.append(Landmark(piece: .chair, center: center(frame, chair)))
        builder.begin(.chair, at: frame)
        builder.chair(chair, frame: wood, seat: fabric)
      }
    }
  }

  private mutating func layRug(_ frame: Frame, _ extent: Vector) {
    builder.begin(.rug, at: frame)
    builder.rug(Vector(extent.x, 0.014, extent.z))
    landmarks.append(Landmark(piece: .rug, center: frame.origin))
  }

  /// Small things side by side on top of a piece of furniture.
  private mutating func decorate(_ frame: Frame, _ extent: Vector) {
    let slots = max(1, Int(extent.x / 0.4))
    let width = extent.x / Float(slots)
    for slot in 0..<slots where builder.random.chance(0.3) {
      var place = frame
      let x = (Float(slot) + 0.5) * width - extent.x / 2
      let z = builder.random.uniform(-0.15, 0.15) * extent.z
      place.origin += frame.turnedToWorld(Vector(x, extent.y, z))
      let space = Vector(min(width, 0.4) - 0.06, 0.4, 0.3)
      let height = builder.random.uniform(0.2, 0.45)
      let piece = builder.random.pick(
        SceneClass.vase, .vase, .books, .plant, .plant, .lamp, .ball)
      builder.begin(piece, at: place)
      landmarks.append(Landmark(piece: piece, center: place.origin))
      switch piece {
      case .vase:
        builder.vase(Vector(min(space.x, height * builder.random.uniform(0.4, 0.8)), height, 0))
      case .books: builder.pile(space)
      case .plant: builder.plant(Vector(min(space.x, height * 0.8), height * 1.2, 0))
      case .lamp: bulbs.append(builder.lamp(Vector(min(space.x, 0.3), height + 0.12, 0)))
      default:
        let diameter = builder.random.uniform(0.1, 0.2)
        builder.ball(Vector(diameter, diameter, diameter))
      }
    }
  }

  private mutating func scatterOnFloor() {
    if builder.random.chance(0.35) {
      let width = builder.random.uniform(1, 2.2)
      let isRound = builder.random.chance(0.3)
      let extent = Vector(width, 0.012, isRound ? width : width * builder.random.uniform(0.5, 0.8))
      let yaw = builder.random.uniform(-0.4, 0.4)
      if let frame = placeFreely(.rug, extent, yaw: yaw) {
        taken.removeLast()
        builder.begin(.rug, at: frame)
        builder.rug(extent)
      }
    }
    for _ in 0..<builder.random.pick(0, 1) {
      let height = builder.random.uniform(0.7, 1.9)
      let width = height * builder.random.uniform(0.35, 0.55)
      let extent = Vector(width, height, width)
      if let frame = placeFreely(.plant, extent, yaw: 0, margin: 0.02) {
        builder.begin(.plant, at: frame)
        builder.plant(extent)
      }
    }
    for _ in 0..<builder.random.pick(0, 1) {
      let extent = Vector(
        builder.random.uniform(0.35, 0.5), builder.random.uniform(1.3, 1.75), 0.45)
      if let frame = placeFreely(.lamp, extent, yaw: 0) {
        builder.begin(.lamp, at: frame)
        bulbs.append(builder.lamp(extent))
      }
    }
    for _ in 0..<builder.random.pick(0, 0, 1, 2) {
      let diameter = builder.random.uniform(0.25, 0.65)
      let extent = Vector(diameter, diameter, diameter)
      if let frame = placeFreely(.ball, extent, yaw: 0, margin: 0.03) {
        builder.begin(.ball, at: frame)
        builder.ball(extent)
      }
    }
    for _ in 0..<builder.random.pick(0, 0, 1) {
      let height = builder.random.uniform(0.6, 1.2)
      let width = height * builder.random.uniform(0.35, 0.6)
      let extent = Vector(width, height, width)
      if let frame = placeFreely(.vase, extent, yaw: 0, margin: 0.03) {
        builder.begin(.vase, at: frame)
        builder.vase(extent)
      }
    }
    for _ in 0..<builder.random.pick(0, 0, 1, 2) {
      let extent = Vector(0.45, builder.random.uniform(0.85, 1), 0.45)
      let yaw = builder.random.uniform(0, 6.28)
      if let frame = placeFreely(.chair, extent, yaw: yaw) {
        let wood = builder.woodOrPaint()
        let seat = builder.random.chance(0.5) ? wood : builder.fabric()
        builder.begin(.chair, at: frame)
        builder.chair(extent, frame: wood, seat: seat)
      }
    }
  }

  // MARK: Light

  private mutating func hangLamps() {
    let lamps = size.z > 5 ? 2 : 1
    for lamp in 0..<lamps {
      let z = size.z * (Float(lamp) + builder.random.uniform(0.35, 0.65)) / Float(lamps)
      let place = Vector(size.x * builder.random.uniform(0.35, 0.65), size.y, z)
      builder.begin(.lamp, at: Frame(origin: place))
      let drop = builder.random.uniform(0.35, 0.8)
      let bulb = builder.pendant(drop: drop, radius: builder.random.uniform(0.15, 0.28))
      bulbs.insert(bulb, at: 0)
      landmarks.append(Landmark(piece: .lamp, center: bulb))
    }
  }

  /// Two or three point lights that together light the room evenly well, whatever its size.
  private mutating func lights() -> [Light] {
    var positions = bulbs.prefix(skylights.isEmpty ? 3 : 2).map { ($0, false) }
    if let skylight = skylights.first { positions.append((skylight, true)) }
    let power = 0.2 * (size.x * size.z + (size.x + size.z) * size.y) / Float(positions.count)
    return positions.map { position, isDaylight in
      let hue = isDaylight ? builder.random.uniform(0.55, 0.62) : 0.1
      let tint = color(hue: hue, saturation: builder.random.uniform(0, 0.2), brightness: 1)
      return Light(
        position: position, color: tint * power * builder.random.uniform(0.7, 1.3))
    }
  }
}
