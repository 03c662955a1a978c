// Pictures of targets and predictions, and of where they differ.

import Artifacts
import Foundation
import Reporting
import Testing

@Suite struct PictureTests {
  @Test("Pixels without ground truth are transparent, so that the page's hatching shows")
  func transparent() {
    let size = PictureSize(width: 2, height: 1)
    func alphas(_ values: [Float], _ colouring: Colouring) -> [UInt8] {
      let pixels = Picture(map: values[...], colouring, size).pixels
      return [pixels[3], pixels[7]]
    }
    let palette = Palette(classes: 2, names: nil)
    #expect(alphas([.nan, 1], .classes(palette)) == [0, 255])
    #expect(alphas([2, .nan], .scalar(ValueRange(low: 0, high: 4))) == [255, 0])
    #expect(alphas([.nan, .nan, .nan, 0, 0, 1], .normals) == [0, 255])
    let errors = Picture(errors: [0, .nan], largest: 1, size).pixels
    #expect(errors[3] == 255 && errors[7] == 0)
  }

  @Test("Values that are no class, or not finite, are no crash")
  func strangeValues() {
    let size = PictureSize(width: 4, height: 1)
    let values: [Float] = [.infinity, -.infinity, 1e30, -7]
    for colouring in [
      Colouring.classes(Palette(classes: 2, names: nil)), .scalar(ValueRange(of: values[...])),
    ] {
      #expect(Picture(map: values[...], colouring, size).pixels.count == 16)
    }
  }

  @Test("Maps wider than a page shows are thinned out, with their shape kept")
  func thinned() throws {
    let size = PictureSize(width: 640, height: 480)
    #expect((size.shownWidth, size.shownHeight) == (320, 240))
    let odd = PictureSize(width: 1025, height: 3)
    #expect(odd.shownWidth <= PictureSize.widest && odd.shownHeight == 1)
    let map = [Float](repeating: 1, count: 640 * 480)
    let picture = Picture(map: map[...], .scalar(ValueRange(of: map[...])), size)
    #expect(picture.pixels.count == 4 * 320 * 240)
    let uri = try #require(picture.dataURI)
    let data = try #require(Data(base64Encoded: String(uri.drop { $0 != "," }.dropFirst())))
    #expect(data.starts(with: [0x89, 0x50, 0x4E, 0x47]))
  }

  @Test("Errors: wrong classes, angles between normals, differences; none without ground truth")
  func errors() {
    func errors(_ prediction: [Float], _ target: [Float], _ kind: DatasetTask.Kind) -> [Float] {
      ErrorMap.errors(of: prediction[...], target[...], kind: kind)
    }
    let classes = errors([1, 2, 0], [1, 0, .nan], .segmentation)
    #expect(classes[0] == 0 && classes[1] == 1 && classes[2].isNaN)
    let numbers = errors([1, 5, 0], [2, 3, .nan], .regression)
    #expect(numbers[0] == 1 && numbers[1] == 2 && numbers[2].isNaN)
    let angles = errors([0, 0, 1, 1, 0, 0, 0, 0, 1], [0, 0, 2, 0, 1, 0, 0, 0, 0], .normals)
    #expect(angles[0] == 0 && abs(angles[1] - 90) < 1e-4 && angles[2].isNaN)
  }

  @Test("The scale of errors ends at a round number that most pixels stay below")
  func errorScale() {
    for (value, rounded) in [(0.7, 1.0), (1.2, 2), (2, 2), (34, 50), (0.06, 0.1)] {
      #expect(abs(Double(ErrorMap.roundedUp(Float(value))) - rounded) < 1e-6)
    }
    let errors = [Float](repeating: 0.3, count: 99) + [1000]
    #expect(abs(ErrorMap.largest([errors, [.nan]], kind: .regression) - 0.5) < 1e-6)
    #expect(ErrorMap.largest([[0, 0]], kind: .regression) == 1)
    #expect(ErrorMap.largest([], kind: .regression) == 1)
    #expect(ErrorMap.largest([], kind: .normals) == 60)
  }
}
