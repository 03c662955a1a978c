// Turns a scene's number into a picture and its ground truth.

/// Renders an endless sequence of random indoor scenes.
///
/// `render` is a pure function of size, seed and index, so any number of threads may share one
/// renderer, and every thread gets the same bytes.
public struct SceneRenderer: Sendable {
  /// Columns in pixels, at least 1.
  public let width: Int
  /// Rows in pixels, at least 1.
  public let height: Int
  /// Selects the sequence of scenes.
  public let seed: UInt64

  /// A renderer of pictures of `width` × `height` pixels; sizes below 1 count as 1.
  public init(width: Int, height: Int, seed: UInt64) {
    self.width = max(1, width)
    self.height = max(1, height)
    self.seed = seed
  }

  /// The scene with this index, any integer, with its picture and all ground truth.
  public func render(_ index: Int) -> RenderedScene {
    let room = Room.furnished(RandomSource(seed: seed, index: index))
    var canvas = Canvas(width: width, height: height, camera: room.camera)
    canvas.paint(room)
    let responses = Responses(
      luminance: luminance(ofRGB: canvas.image), width: width, height: height)
    return RenderedScene(
      width: width, height: height, focalLength: canvas.focalLength, image: canvas.image,
      classes: canvas.classes, normals: canvas.normals, depth: canvas.depth,
      keypoint: responses.keypoint, edge: responses.edge)
  }
}

/// The picture while it is being painted.
private struct Canvas {
  let width: Int
  let height: Int
  let camera: Camera
  let focalLength: Float
  var image: [UInt8]
  var classes: [UInt8]
  var normals: [Float]
  var depth: [Float]

  /// Candidate cells are squares of this many pixels.
  private static let cellSize = 4
  /// Neighbours whose colours, of 0...1, differ by more than this get extra samples: less is
  /// needed where one thing ends and another begins than within a texture.
  private static let contrastBetween: Float = 0.04
  private static let contrastWithin: Float = 0.12
  /// Extra samples within a pixel, relative to its centre, no two in a row or column.
  private static let offsets: InlineArray<3, SIMD2<Float>> = [
    SIMD2(0.1, -0.4), SIMD2(0.3, 0.3), SIMD2(-0.4, 0.1),
  ]

  init(width: Int, height: Int, camera: Camera) {
    self.width = width
    self.height = height
    self.camera = camera
    focalLength = Float(height) / (2 * camera.tangent)
    let pixels = width * height
    image = [UInt8](repeating: 0, count: 3 * pixels)
    classes = [UInt8](repeating: RenderedScene.noClass, count: pixels)
    normals = [Float](repeating: 0, count: 3 * pixels)
    depth = [Float](repeating: 0, count: pixels)
  }

  mutating func paint(_ room: Room) {
    var candidates = Candidates()
    _ = candidates.add(pinhole, room.primitives, shadowsOnly: false)
    let lightCells = room.lights.map { candidates.addCube(around: $0.position, room.primitives) }
    room.primitives.withUnsafeBufferPointer { primitives in
      room.materials.withUnsafeBufferPointer { materials in
        room.lights.withUnsafeBufferPointer { lights in
          lightCells.withUnsafeBufferPointer { lightCells in
            candidates.starts.withUnsafeBufferPointer { starts in
              candidates.entries.withUnsafeBufferPointer { entries in
                paint(
                  Tracer(
                    size: room.size, surfaces: room.surfaces, ambient: room.ambient,
                    primitives: primitives, materials: materials, lights: lights,
                    lightCells: lightCells, starts: starts, entries: entries))
              }
            }
          }
        }
      }
    }
  }

  private var columns: Int { (width + Self.cellSize - 1) / Self.cellSize }
  private var rows: Int { (height + Self.cellSize - 1) / Self.cellSize }

  /// The camera with a grid of whole cells, centred on the image and reaching up to half a cell
  /// beyond its borders.
  private var pinhole: Pinhole {
    Pinhole(
      origin: camera.position, right: camera.right, up: -camera.up, forward: camera.forward,
      tangentX: Float(columns * Self.cellSize) / (2 * focalLength),
      tangentY: Float(rows * Self.cellSize) / (2 * focalLength), columns: columns, rows: rows)
  }

  /// The direction through a point of the image; one unit along it is one metre of depth.
  private func direction(_ x: Float, _ y: Float) -> Vector {
    camera.forward + camera.right * ((x - Float(width) * 0.5) / focalLength)
      + camera.up * ((Float(height) * 0.5 - y) / focalLength)
  }

  private func cell(_ x: Float, _ y: Float) -> Int {
    let left = Float(columns * Self.cellSize - width) * 0.5
    let top = Float(rows * Self.cellSize - height) * 0.5
    let column = min(columns - 1, Int(x + left) / Self.cellSize)
    return min(rows - 1, Int(y + top) / Self.cellSize) * columns + column
  }

  private mutating func paint(_ tracer: Tracer) {
    var colors = [Vector](repeating: Vector(), count: width * height)
    var objects = [UInt16](repeating: 0, count: width * height)
    for row in 0..<height {
      for column in 0..<width {
        let pixel = row * width + column
        let x = Float(column) + 0.5
        let y = Float(row) + 0.5
        let ray = direction(x, y)
        let hit = tracer.nearest(camera.position, ray, cell: cell(x, y))
        let surface = tracer.surface(hit, camera.position, ray)
        colors[pixel] = Self.displayed(tracer.radiance(surface, along: ray))
        objects[pixel] = UInt16(hit.object)
        record(surface, depth: hit.distance, at: pixel)
      }
    }
    for row in 0..<height {
      for column in 0..<width {
        let pixel = row * width + column
        var color = colors[pixel]
        if isBusy(row, column, colors, objects) {
          color = (color + extraSamples(tracer, Float(column) + 0.5, Float(row) + 0.5)) / 4
        }
        let bytes = color * 255 + 0.5
        image[3 * pixel] = UInt8(bytes.x)
        image[3 * pixel + 1] = UInt8(bytes.y)
        image[3 * pixel + 2] = UInt8(bytes.z)
      }
    }
  }

  private mutating func record(_ surface: Surface, depth distance: Float, at pixel: Int) {
    guard surface.label != RenderedScene.noClass else { return }
    classes[pixel] = surface.label
    depth[pixel] = distance
    normals[3 * pixel] = dot(surface.normal, camera.right)
    normals[3 * pixel + 1] = dot(surface.normal, camera.up)
    normals[3 * pixel + 2] = -dot(surface.normal, camera.forward)
  }

  /// Whether a pixel differs so much from a neighbour that one sample cannot stand for it.
  private func isBusy(_ row: Int, _ column: Int, _ colors: [Vector], _ objects: [UInt16]) -> Bool {
    let pixel = row * width + column
    func differs(_ other: Int) -> Bool {
      let gap = magnitudes(colors[other] - colors[pixel])
      let isSame = objects[other] == objects[pixel]
      return larger(gap.x, larger(gap.y, gap.z))
        > (isSame ? Self.contrastWithin : Self.contrastBetween)
    }
    return (column > 0 && differs(pixel - 1)) || (column + 1 < width && differs(pixel + 1))
      || (row > 0 && differs(pixel - width)) || (row + 1 < height && differs(pixel + width))
  }

  private func extraSamples(_ tracer: Tracer, _ x: Float, _ y: Float) -> Vector {
    var sum = Vector()
    for sample in Self.offsets.indices {
      let offset = Self.offsets[sample]
      let ray = direction(x + offset.x, y + offset.y)
      let hit = tracer.nearest(
        camera.position, ray, cell: cell(x + offset.x, y + offset.y))
      let surface = tracer.surface(hit, camera.position, ray)
      sum += Self.displayed(tracer.radiance(surface, along: ray))
    }
    return sum
  }

  /// From linear light to 0...1 for display: Reinhard's tone curve with a white point, gamma 2.
  private static func displayed(_ light: Vector) -> Vector {
    let white: Float = 2.2
    let mapped = light * (1 + light / (white * white)) / (1 + light)
    return Vector(
      smaller(mapped.x, 1).squareRoot(), smaller(mapped.y, 1).squareRoot(),
      smaller(mapped.z, 1).squareRoot())
  }
}
