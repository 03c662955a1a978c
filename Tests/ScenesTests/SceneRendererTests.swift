// What every rendered scene must keep to, whatever stands in it.
import Scenes
import Testing

@Suite struct SceneRendererTests {
  private let renderer = SceneRenderer(width: 64, height: 48, seed: 7)

  @Test func mapsHaveTheirShapes() {
    for (width, height) in [(47, 33), (1, 1), (5, 90), (64, 48)] {
      let scene = SceneRenderer(width: width, height: height, seed: 3).render(5)
      let pixels = width * height
      #expect(scene.width == width && scene.height == height)
      #expect(scene.image.count == 3 * pixels)
      #expect(scene.classes.count == pixels)
      #expect(scene.normals.count == 3 * pixels)
      #expect(scene.depth.count == pixels)
      #expect(scene.keypoint.count == pixels)
      #expect(scene.edge.count == pixels)
    }
  }

  @Test func classesAreConsecutiveAndNamed() {
    let classes = SceneClass.allCases
    #expect(classes.map(\.rawValue) == (0..<UInt8(classes.count)).map { $0 })
    #expect(classes.count >= 13 && classes.count < Int(RenderedScene.noClass))
    #expect(Set(classes.map(\.name)).count == classes.count)
    #expect(SceneClass.floor.name == "floor")
  }

  @Test func equalNumbersGiveEqualBytesOnAnyThread() async {
    let renderer = renderer
    let expected = (0..<8).map { renderer.render($0) }
    await withTaskGroup(of: (Int, RenderedScene).self) { group in
      for task in 0..<32 {
        group.addTask { (task % 8, renderer.render(task % 8)) }
      }
      for await (index, scene) in group { expectEqual(scene, expected[index]) }
    }
    expectEqual(SceneRenderer(width: 64, height: 48, seed: 7).render(3), expected[3])
  }

  private func expectEqual(_ a: RenderedScene, _ b: RenderedScene) {
    #expect(a.image == b.image && a.classes == b.classes)
    #expect(a.normals == b.normals && a.depth == b.depth)
    #expect(a.keypoint == b.keypoint && a.edge == b.edge && a.focalLength == b.focalLength)
  }

  @Test func otherNumbersGiveOtherScenes() {
    let images = Set((-20..<20).map { renderer.render($0).image })
    #expect(images.count == 40)
    #expect(!images.contains(SceneRenderer(width: 64, height: 48, seed: 8).render(0).image))
  }

  @Test func valuesKeepToTheirRanges() {
    for index in 0..<30 {
      let scene = renderer.render(index)
      for pixel in scene.classes.indices {
        let normal = Self.normal(scene, pixel)
        let length = (normal * normal).sum().squareRoot()
        if scene.classes[pixel] == RenderedScene.noClass {
          #expect(scene.depth[pixel] == 0 && length == 0)
        } else {
          #expect(Int(scene.classes[pixel]) < SceneClass.allCases.count)
          #expect(scene.depth[pixel] > 0 && scene.depth[pixel] < 13)
          #expect(abs(length - 1) < 1e-4)
        }
      }
      #expect((scene.keypoint + scene.edge).allSatisfy { (0...1).contains($0) })
    }
  }

  @Test func visibleSurfacesFaceTheCamera() {
    for index in 0..<20 {
      let scene = renderer.render(index)
      for pixel in scene.classes.indices where scene.depth[pixel] > 0 {
        let point = Self.point(scene, pixel)
        #expect((point * Self.normal(scene, pixel)).sum() < 1e-2)
      }
    }
  }

  /// Neighbouring points of a flat face differ by a vector within the face.
  @Test func normalsAgreeWithDepth() {
    var flat = 0
    var bent = 0
    for index in 0..<20 {
      let scene = renderer.render(index)
      for pixel in scene.classes.indices.dropLast() where (pixel + 1) % scene.width != 0 {
        let label = scene.classes[pixel]
        guard [SceneClass.floor, .ceiling].map(\.rawValue).contains(label) else { continue }
        let normal = Self.normal(scene, pixel)
        guard scene.classes[pixel + 1] == label, Self.normal(scene, pixel + 1) == normal else {
          continue
        }
        let step = Self.point(scene, pixel + 1) - Self.point(scene, pixel)
        if abs((step * normal).sum()) < 1e-3 { flat += 1 } else { bent += 1 }
      }
    }
    // Beams below the ceiling are of its class and orientation, but at another height.
    #expect(flat > 5000 && bent < flat / 100)
  }

  @Test func scenesAreVaried() {
    let count = 100
    var pixels = [Int](repeating: 0, count: 256)
    var kinds = 0
    for index in 0..<count {
      let classes = renderer.render(index).classes
      for label in classes { pixels[Int(label)] += 1 }
      kinds += Set(classes).count
    }
    for label in SceneClass.allCases { #expect(pixels[Int(label.rawValue)] > 0, "\(label)") }
    let total = Double(count * renderer.width * renderer.height)
    let windows = Double(pixels[Int(RenderedScene.noClass)]) / total
    #expect((0.02...0.06).contains(windows))
    #expect((5...14).contains(kinds / count))
  }

  @Test func responsesAreSmoothAndContrasted() {
    let scene = SceneRenderer(width: 128, height: 96, seed: 1).render(2)
    for map in [scene.keypoint, scene.edge] {
      let mean = map.reduce(0, +) / Float(map.count)
      #expect((0.1...0.45).contains(mean))
      #expect((map.max() ?? 0) > 0.4 && (map.min() ?? 1) < 0.1)
      let steps = map.indices.dropLast().filter { ($0 + 1) % scene.width != 0 }
        .map { abs(map[$0 + 1] - map[$0]) }
      #expect((steps.max() ?? 1) < 0.2)
    }
  }

  private static func normal(_ scene: RenderedScene, _ pixel: Int) -> SIMD3<Float> {
    SIMD3(
      scene.normals[3 * pixel], scene.normals[3 * pixel + 1], scene.normals[3 * pixel + 2])
  }

  /// The surface point that a pixel shows, in camera coordinates.
  private static func point(_ scene: RenderedScene, _ pixel: Int) -> SIMD3<Float> {
    let column = Float(pixel % scene.width) + 0.5
    let row = Float(pixel / scene.width) + 0.5
    let x = (column - Float(scene.width) / 2) / scene.focalLength
    let y = (Float(scene.height) / 2 - row) / scene.focalLength
    return SIMD3(x, y, -1) * scene.depth[pixel]
  }
}
