// What a scene is built of: materials, and each piece of furniture put together from solids.

import Glibc

/// Builds pieces in a local frame: y is up from the floor, z the direction the piece faces, and a
/// piece's size is its width (x), height (y) and depth (z).
struct SceneBuilder {
  var random: RandomSource
  private(set) var primitives: [Primitive] = []
  private(set) var materials: [Material] = []
  private var frame = Frame()
  private var label = SceneClass.wall.rawValue

  init(random: RandomSource) {
    self.random = random
  }

  // MARK: Materials

  mutating func add(_ material: Material) -> UInt16 {
    materials.append(material)
    materials[materials.count - 1].shift = random.uniform(0, 9)
    return UInt16(materials.count - 1)
  }

  mutating func anyColor(saturation: Float, brightness: Float) -> Vector {
    color(
      hue: random.unit(), saturation: saturation * random.uniform(0.5, 1),
      brightness: brightness * random.uniform(0.6, 1))
  }

  mutating func wood() -> UInt16 {
    let hue = random.uniform(0.04, 0.09)
    let brightness = random.uniform(0.12, 0.6)
    let light = color(hue: hue, saturation: random.uniform(0.4, 0.75), brightness: brightness)
    return add(
      Material(
        pattern: .wood, first: light, second: light * random.uniform(0.45, 0.75),
        scale: random.uniform(5, 14), specular: random.uniform(0.05, 0.25), gloss: 5))
  }

  mutating func paint(saturation: Float = 0.8, brightness: Float = 0.8) -> UInt16 {
    let first = anyColor(saturation: saturation, brightness: brightness)
    return add(Material(pattern: .plain, first: first, second: first, specular: 0.15, gloss: 5))
  }

  mutating func metal() -> UInt16 {
    let grey = random.uniform(0.08, 0.5)
    let first = Vector(grey, grey, grey * 1.05)
    return add(Material(pattern: .plain, first: first, second: first, specular: 0.6, gloss: 6))
  }

  mutating func woodOrPaint() -> UInt16 {
    random.chance(0.65) ? wood() : paint(saturation: 0.5)
  }

  mutating func fabric() -> UInt16 {
    let first = anyColor(saturation: 0.8, brightness: 0.6)
    let pattern = random.pick(Pattern.weave, .mottled, .stripes, .checker)
    let second =
      pattern == .stripes || pattern == .checker
      ? anyColor(saturation: 0.5, brightness: 0.8) : first * 0.6
    let scale = pattern == .mottled ? random.uniform(10, 40) : random.uniform(6, 16)
    return add(
      Material(pattern: pattern, first: first, second: second, scale: scale, specular: 0))
  }

  // MARK: Solids

  /// The following solids belong to a piece of this class that stands at this place.
  mutating func begin(_ piece: SceneClass, at place: Frame) {
    label = piece.rawValue
    frame = place
  }

  private mutating func add(
    _ shape: Shape, at foot: Vector, size: Vector, _ material: UInt16, yaw: Float
  ) {
    var place = frame
    place.origin += frame.turnedToWorld(foot + Vector(0, size.y / 2, 0))
    if yaw != 0 {
      let (c, s) = (cos(yaw), sin(yaw))
      place.cosine = frame.cosine * c - frame.sine * s
      place.sine = frame.sine * c + frame.cosine * s
    }
    // Daylight shines past window frames: they must not darken the wall around them.
    let castsShadow = label != SceneClass.window.rawValue
    primitives.append(
      Primitive(
        shape: shape, label: label, material: material, castsShadow: castsShadow, frame: place,
        half: size / 2))
  }

  /// All solids are placed by the middle of the underside of their bounding box.
  mutating func box(at foot: Vector, size: Vector, _ material: UInt16, yaw: Float = 0) {
    add(.box, at: foot, size: size, material, yaw: yaw)
  }

  mutating func ellipsoid(at foot: Vector, size: Vector, _ material: UInt16, yaw: Float = 0) {
    add(.ellipsoid, at: foot, size: size, material, yaw: yaw)
  }

  mutating func frustum(
    at foot: Vector, bottom: Float, top: Float, height: Float, _ material: UInt16
  ) {
    let width = 2 * max(bottom, top)
    add(.frustum, at: foot, size: Vector(width, height, width), material, yaw: 0)
    primitives[primitives.count - 1].middleRadius = (bottom + top) / 2
    primitives[primitives.count - 1].taper = (top - bottom) / height
  }

  /// A pane of glass, behind which there is nothing.
  private mutating func pane(at foot: Vector, size: Vector, _ material: UInt16) {
    box(at: foot, size: size, material)
    primitives[primitives.count - 1].label = RenderedScene.noClass
  }

  private mutating func fourLegs(_ size: Vector, inset: Float, thickness: Float, _ of: UInt16) {
    let isRound = random.chance(0.4)
    for x in [-1, 1] as [Float] {
      for z in [-1, 1] as [Float] {
        let foot = Vector(x * (size.x / 2 - inset), 0, z * (size.z / 2 - inset))
        if isRound {
          frustum(at: foot, bottom: thickness * 0.35, top: thickness * 0.6, height: size.y, of)
        } else {
          box(at: foot, size: Vector(thickness, size.y, thickness), of)
        }
      }
    }
  }

  // MARK: Furniture

  mutating func table(_ size: Vector) {
    let top = woodOrPaint()
    let legs = random.chance(0.5) ? top : metal()
    let thickness = random.uniform(0.03, 0.06)
    let under = size.y - thickness
    if abs(size.x - size.z) < 0.02 {
      let radius = size.x / 2
      frustum(at: Vector(0, under, 0), bottom: radius, top: radius, height: thickness, top)
      frustum(at: Vector(0, 0.03, 0), bottom: 0.06, top: 0.05, height: under - 0.03, legs)
      frustum(at: Vector(), bottom: radius * 0.5, top: radius * 0.45, height: 0.03, legs)
      return
    }
    box(at: Vector(0, under, 0), size: Vector(size.x, thickness, size.z), top)
    let feet = Vector(size.x, under, size.z)
    fourLegs(feet, inset: 0.06, thickness: random.uniform(0.05, 0.08), legs)
    if random.chance(0.5) {
      let apron = Vector(size.x - 0.16, 0.07, size.z - 0.16)
      box(at: Vector(0, under - 0.07, 0), size: apron, legs)
    }
  }

  mutating func chair(_ size: Vector, frame wood: UInt16, seat fabric: UInt16) {
    let seat = size.y * 0.5
    let legs = Vector(size.x, seat - 0.05, size.z)
    fourLegs(legs, inset: 0.03, thickness: 0.045, wood)
    box(at: Vector(0, seat - 0.05, 0), size: Vector(size.x, 0.06, size.z), fabric)
    let back = 0.02 - size.z / 2
    for side in [-1, 1] as [Float] {
      let post = Vector(side * (size.x / 2 - 0.025), seat, back)
      box(at: post, size: Vector(0.04, size.y - seat, 0.04), wood)
    }
    let upper = size.y - seat
    if random.chance(0.5) {
      let panel = Vector(size.x - 0.06, upper * 0.65, 0.03)
      box(at: Vector(0, seat + upper * 0.35, back), size: panel, fabric)
    } else {
      for level in [0.3, 0.58, 0.86] as [Float] {
        let slat = Vector(size.x - 0.06, upper * 0.14, 0.025)
        box(at: Vector(0, seat + upper * level, back), size: slat, wood)
      }
    }
  }

  mutating func sofa(_ size: Vector) {
    let cloth = fabric()
    let arm = random.uniform(0.12, 0.2)
    let armHeight = size.y * random.uniform(0.65, 0.8)
    let inner = size.x - 2 * arm
    box(at: Vector(0, 0.06, 0), size: Vector(size.x - 0.02, 0.22, size.z - 0.02), cloth)
    box(at: Vector(0, 0.06, 0.11 - size.z / 2), size: Vector(inner, size.y - 0.06, 0.22), cloth)
    for side in [-1, 1] as [Float] {
      let foot = Vector(side * (size.x - arm) / 2, 0, 0)
      box(at: foot, size: Vector(arm, armHeight, size.z), cloth)
    }
    let seats = max(1, Int(inner / 0.6))
    let width = inner / Float(seats)
    for seat in 0..<seats {
      let x = (Float(seat) + 0.5) * width - inner / 2
      box(at: Vector(x, 0.28, 0.1), size: Vector(width - 0.015, 0.15, size.z - 0.22), cloth)
    }
    let pillow = fabric()
    for side in [-1, 1] as [Float] where random.chance(0.6) {
      let foot = Vector(side * (inner / 2 - 0.22), 0.42, -size.z / 2 + 0.3)
      ellipsoid(at: foot, size: Vector(0.4, 0.36, 0.18), pillow, yaw: -side * 0.3)
    }
  }

  mutating func bed(_ size: Vector) {
    let frame = woodOrPaint()
    let linen = add(
      Material(
        pattern: .mottled, first: Vector(0.85, 0.85, 0.82), second: Vector(0.7, 0.72, 0.75),
        scale: 6, specular: 0))
    let cover = fabric()
    box(at: Vector(0, 0.08, 0.02), size: Vector(size.x, 0.2, size.z - 0.04), frame)
    box(at: Vector(0, 0, 0.025 - size.z / 2), size: Vector(size.x, size.y, 0.05), frame)
    box(at: Vector(0, 0.28, 0), size: Vector(size.x - 0.06, 0.18, size.z - 0.1), linen)
    let spread = size.z * random.uniform(0.55, 0.7)
    let foot = Vector(0, 0.3, (size.z - spread) / 2 - 0.02)
    box(at: foot, size: Vector(size.x - 0.01, 0.19, spread), cover)
    for side in size.x > 1.2 ? [-0.25, 0.25] : [0] as [Float] {
      let head = Vector(side * size.x, 0.43, 0.3 - size.z / 2)
      ellipsoid(at: head, size: Vector(min(0.62, size.x * 0.6), 0.17, 0.42), linen)
    }
  }

  /// A bookcase; its books are pieces of a class of their own.
  mutating func shelf(_ size: Vector) {
    let wood = woodOrPaint()
    let place = frame
    let board: Float = 0.025
    for side in [-1, 1] as [Float] {
      let foot = Vector(side * (size.x - board) / 2, 0, 0)
      box(at: foot, size: Vector(board, size.y, size.z), wood)
    }
    box(at: Vector(0, 0, 0.008 - size.z / 2), size: Vector(size.x, size.y, 0.016), wood)
    let levels = max(1, Int(size.y / random.uniform(0.3, 0.42)))
    let rise = (size.y - board) / Float(levels)
    let bindings = (0..<6).map { _ in paint(saturation: 1, brightness: 0.7) }
    for level in 0...levels {
      let y = Float(level) * rise
      begin(.shelf, at: place)
      box(at: Vector(0, y, 0), size: Vector(size.x - 2 * board, board, size.z), wood)
      guard level < levels, random.chance(0.85) else { continue }
      begin(.books, at: place)
      bookRow(
        from: -size.x / 2 + board + 0.01, width: size.x - 2 * board - 0.02, y: y + board,
        space: rise - board, depth: size.z, bindings)
    }
  }

  private mutating func bookRow(
    from start: Float, width: Float, y: Float, space: Float, depth: Float, _ bindings: [UInt16]
  ) {
    let end = start + width * random.uniform(0.5, 1)
    var x = start
    while true {
      let thickness = random.uniform(0.03, 0.075)
      guard x + thickness < end else { return }
      let size = Vector(
        thickness - 0.003, space * random.uniform(0.6, 0.92), depth * random.uniform(0.6, 0.8))
      let foot = Vector(x + thickness / 2, y, (depth - size.z) / 2 - random.uniform(0.01, 0.04))
      box(at: foot, size: size, bindings[random.integer(0...bindings.count - 1)])
      x += thickness
      if random.chance(0.06) { x += 0.1 }
    }
  }

  mutating func pile(_ space: Vector) {
    var y: Float = 0
    for _ in 0..<random.integer(1...4) {
      let size = Vector(random.uniform(0.16, 0.26), random.uniform(0.025, 0.06), 0.19)
      box(at: Vector(0, y, 0), size: size, paint(saturation: 1), yaw: random.uniform(-0.5, 0.5))
      y += size.y
    }
  }

  mutating func cabinet(_ size: Vector) {
    let body = woodOrPaint()
    let front = random.chance(0.6) ? body : woodOrPaint()
    let knob = metal()
    box(at: Vector(0, 0, -0.02), size: Vector(size.x - 0.04, 0.06, size.z - 0.06), body)
    box(at: Vector(0, 0.06, 0), size: Vector(size.x, size.y - 0.06, size.z), body)
    let columns = max(1, Int(size.x / 0.5))
    let rows = size.y > 1.2 ? 1 : random.integer(1...3)
    let width = size.x / Float(columns)
    let height = (size.y - 0.08) / Float(rows)
    for column in 0..<columns {
      for row in 0..<rows {
        let x = (Float(column) + 0.5) * width - size.x / 2
        let y = 0.07 + Float(row) * height
        let panel = Vector(width - 0.03, height - 0.03, 0.02)
        box(at: Vector(x, y + 0.015, size.z / 2 + 0.01), size: panel, front)
        let side: Float = column.isMultiple(of: 2) ? 0.38 : -0.38
        let grip = Vector(rows == 1 ? x + side * width : x, y + height * 0.5, size.z / 2 + 0.035)
        ellipsoid(at: grip, size: Vector(0.045, 0.045, 0.045), knob)
      }
    }
  }

  // MARK: Small things

  /// A standing lamp of any height; returns where its bulb burns, in world coordinates.
  mutating func lamp(_ size: Vector) -> Vector {
    let stand = random.chance(0.5) ? metal() : paint()
    let radius = size.x / 2
    let shade = min(0.34, size.y * 0.4)
    frustum(at: Vector(), bottom: radius * 0.7, top: radius * 0.6, height: 0.03, stand)
    let pole = max(0.012, size.y * 0.012)
    frustum(at: Vector(0, 0.03, 0), bottom: pole, top: pole, height: size.y - shade - 0.03, stand)
    let bottom = Vector(0, size.y - shade, 0)
    glowingShade(at: bottom, bottom: radius, top: radius * 0.65, height: shade)
    return frame.origin + Vector(0, size.y - shade / 2, 0)
  }

  /// A lamp that hangs down by `drop`; the frame's origin is at the ceiling.
  mutating func pendant(drop: Float, radius: Float) -> Vector {
    let cord = metal()
    let height = radius * random.uniform(0.7, 1.2)
    frustum(at: Vector(0, height - drop, 0), bottom: 0.01, top: 0.01, height: drop - height, cord)
    if random.chance(0.4) {
      let glass = glow()
      ellipsoid(
        at: Vector(0, -drop, 0), size: Vector(2 * radius, height + 0.02, 2 * radius), glass)
      primitives[primitives.count - 1].castsShadow = false
    } else {
      glowingShade(at: Vector(0, -drop, 0), bottom: radius, top: radius * 0.4, height: height)
    }
    return frame.origin + Vector(0, -drop, 0)
  }

  private mutating func glow() -> UInt16 {
    let first = color(hue: random.uniform(0.06, 0.16), saturation: 0.35, brightness: 0.9)
    return add(
      Material(
        pattern: .plain, first: first, second: first, emission: random.uniform(0.9, 2)))
  }

  private mutating func glowingShade(at foot: Vector, bottom: Float, top: Float, height: Float) {
    let cloth = glow()
    frustum(at: foot, bottom: bottom, top: top, height: height, cloth)
    primitives[primitives.count - 1].castsShadow = false
  }

  mutating func plant(_ size: Vector) {
    let clay = add(
      Material(
        pattern: .mottled, first: anyColor(saturation: 0.6, brightness: 0.6),
        second: Vector(0.3, 0.2, 0.15), scale: 20))
    let leaf = color(
      hue: random.uniform(0.22, 0.38), saturation: 0.8, brightness: random.uniform(0.18, 0.45))
    let leaves = add(
      Material(
        pattern: .mottled, first: leaf, second: leaf * 0.3, scale: random.uniform(14, 30)))
    let pot = size.y * 0.28
    let wide = size.x * 0.32
    let crown = size.y - pot
    frustum(at: Vector(), bottom: wide * 0.7, top: wide, height: pot, clay)
    if random.chance(0.5) {
      let tiers = random.integer(1...3)
      for tier in 0..<tiers {
        let low = Float(tier) / Float(tiers)
        let foot = Vector(0, pot + crown * (0.05 + 0.9 * low), 0)
        let height = min(crown * 1.5 / Float(tiers + 1), size.y - foot.y)
        let radius = size.x * 0.5 * (1 - 0.55 * low)
        frustum(at: foot, bottom: radius, top: 0.003, height: height, leaves)
      }
    } else {
      frustum(at: Vector(0, pot, 0), bottom: 0.03, top: 0.02, height: crown * 0.4, clay)
      for bush in 0..<6 {
        let turn = Float(bush) * 2.4 + random.unit()
        let reach = size.x * 0.24
        let foot = Vector(
          cos(turn) * reach, pot + crown * random.uniform(0.12, 0.5), sin(turn) * reach)
        let wide = size.x * random.uniform(0.35, 0.5)
        ellipsoid(at: foot, size: Vector(wide, crown * random.uniform(0.3, 0.5), wide), leaves)
      }
    }
  }

  mutating func ball(_ size: Vector) {
    let first = anyColor(saturation: 1, brightness: 0.9)
    let second = anyColor(saturation: 0.6, brightness: 0.9)
    let skin = add(
      Material(
        pattern: random.pick(Pattern.plain, .checker, .stripes, .mottled), first: first,
        second: second, scale: random.uniform(1.5, 3) / size.x, specular: 0.4, gloss: 6))
    ellipsoid(at: Vector(), size: size, skin, yaw: random.uniform(0, 3))
  }

  mutating func vase(_ size: Vector) {
    let first = anyColor(saturation: 0.9, brightness: 0.8)
    let glaze = add(
      Material(
        pattern: random.pick(Pattern.plain, .mottled), first: first, second: first * 0.4,
        scale: 12, specular: 0.5, gloss: 6))
    let radius = size.x / 2
    let waist = random.uniform(0.35, 0.6)
    let neck = radius * random.uniform(0.3, 0.5)
    let belly = size.y * waist
    let shoulder = size.y * (0.85 - waist)
    frustum(at: Vector(), bottom: radius * 0.55, top: radius, height: belly, glaze)
    frustum(at: Vector(0, belly, 0), bottom: radius, top: neck, height: shoulder, glaze)
    let lip = Vector(0, belly + shoulder, 0)
    frustum(at: lip, bottom: neck, top: neck * 1.4, height: size.y - lip.y, glaze)
  }

  mutating func rug(_ size: Vector) {
    let isRound = abs(size.x - size.z) < 0.02
    let pattern =
      isRound ? Pattern.mottled : random.pick(Pattern.border, .border, .stripes, .checker)
    let pile = add(
      Material(
        pattern: pattern, first: anyColor(saturation: 0.9, brightness: 0.5),
        second: anyColor(saturation: 0.6, brightness: 0.8), scale: random.uniform(3, 9),
        specular: 0))
    if isRound {
      frustum(
        at: Vector(), bottom: size.x / 2, top: size.x / 2 - 0.005, height: size.y, pile)
    } else {
      box(at: Vector(), size: size, pile)
    }
  }

  // MARK: On the walls

  mutating func door(_ size: Vector) {
    let leaf = woodOrPaint()
    let trim = woodOrPaint()
    let handle = metal()
    let jamb: Float = 0.08
    for side in [-1, 1] as [Float] {
      let foot = Vector(side * (size.x - jamb) / 2, 0, 0)
      box(at: foot, size: Vector(jamb, size.y - jamb, size.z), trim)
    }
    box(at: Vector(0, size.y - jamb, 0), size: Vector(size.x, jamb, size.z), trim)
    let height = size.y - jamb
    let face = size.z * 0.5
    let middle = Vector(0, 0, -size.z / 2 + face / 2)
    box(at: middle, size: Vector(size.x - 2 * jamb, height, face), leaf)
    if random.chance(0.6) {
      for (low, high) in [(0.08, 0.42), (0.5, 0.92)] as [(Float, Float)] {
        let foot = Vector(0, height * low, middle.z + face / 2 + 0.006)
        let panel = Vector(size.x - 0.4, height * (high - low), 0.012)
        box(at: foot, size: panel, leaf)
      }
    }
    let grip = Vector(size.x * 0.36, 1.02, face - size.z / 2 + 0.04)
    ellipsoid(at: grip, size: Vector(0.12, 0.04, 0.06), handle)
  }

  mutating func picture(_ size: Vector) {
    let rim = woodOrPaint()
    let canvas = add(
      Material(
        pattern: random.pick(Pattern.canvas, .canvas, .canvas, .mottled),
        first: anyColor(saturation: 1, brightness: 0.9),
        second: anyColor(saturation: 1, brightness: 0.6), scale: random.uniform(1, 3)))
    let width = random.uniform(0.02, 0.05)
    let inner = Vector(size.x - 2 * width, size.y - 2 * width, size.z)
    box(at: Vector(), size: Vector(size.x, size.y, size.z * 0.8), rim)
    box(at: Vector(0, width, 0), size: inner, canvas)
  }

  mutating func window(_ size: Vector) {
    let trim = random.chance(0.7) ? paint(saturation: 0.15, brightness: 0.9) : wood()
    let sky = color(
      hue: random.uniform(0.54, 0.62), saturation: random.uniform(0.3, 0.7), brightness: 1)
    let glass = add(
      Material(
        pattern: .sky, first: sky, second: Vector(1, 1, 1), specular: 0,
        emission: random.uniform(1.1, 2)))
    let bar: Float = 0.06
    pane(
      at: Vector(0, bar, 0.01 - size.z / 2),
      size: Vector(size.x - 2 * bar, size.y - 2 * bar, 0.02), glass)
    for side in [-1, 1] as [Float] {
      let foot = Vector(side * (size.x - bar) / 2, bar, 0)
      box(at: foot, size: Vector(bar, size.y - 2 * bar, size.z), trim)
    }
    box(at: Vector(0, size.y - bar, 0), size: Vector(size.x, bar, size.z), trim)
    box(at: Vector(0, 0, 0.05), size: Vector(size.x + 0.06, bar, size.z + 0.1), trim)
    let thin = size.z * 0.7
    let back = (thin - size.z) / 2
    let mullions = Int(size.x / random.uniform(0.5, 0.9))
    for mullion in 0..<mullions {
      let x = size.x * (Float(mullion + 1) / Float(mullions + 1) - 0.5)
      box(at: Vector(x, bar, back), size: Vector(0.04, size.y - 2 * bar, thin), trim)
    }
    if random.chance(0.5) {
      let foot = Vector(0, size.y * random.uniform(0.5, 0.7), back)
      box(at: foot, size: Vector(size.x - 2 * bar, 0.04, thin - 0.004), trim)
    }
  }

  /// A slab that belongs to the building: a skirting board, a beam or a pillar.
  mutating func slab(_ part: SceneClass, center: Vector, size: Vector, _ material: UInt16) {
    begin(part, at: Frame(origin: center - Vector(0, size.y / 2, 0)))
    box(at: Vector(), size: size, material)
  }
}
