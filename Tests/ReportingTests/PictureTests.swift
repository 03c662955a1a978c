// Pictures of maps: their size, and where they are transparent.

import Foundation
import Reporting
import Tasks
import Testing

@Suite struct PictureTests {
  private let segmentation = Segmentation(TaskDescription(name: "seg", channels: 2))
  private let regression = Regression(TaskDescription(name: "depth", channels: 1))

  @Test("Pixels without ground truth are transparent, so that the page's hatching shows")
  func transparent() {
    let size = PictureSize(width: 2, height: 1)
    func alphas(_ values: [Float], _ task: any TaskKind) -> [UInt8] {
      let range = ValueRange(low: 0, high: 4)
      let pixels = Picture(map: values[...], of: task, in: range, size).pixels
      return [pixels[3], pixels[7]]
    }
    #expect(alphas([.nan, 1], segmentation) == [0, 255])
    #expect(alphas([2, .nan], regression) == [255, 0])
    let normals = Normals(TaskDescription(name: "sn", channels: 3))
    #expect(alphas([.nan, .nan, .nan, 0, 0, 1], normals) == [0, 255])
    let errors = Picture(errors: [0, .nan], largest: 1, size).pixels
    #expect(errors[3] == 255 && errors[7] == 0)
  }

  @Test("Values that are no class, or not finite, are no crash")
  func strangeValues() {
    let size = PictureSize(width: 4, height: 1)
    let values: [Float] = [.infinity, -.infinity, 1e30, -7]
    for task: any TaskKind in [segmentation, regression] {
      let picture = Picture(map: values[...], of: task, in: ValueRange(of: values[...]), size)
      #expect(picture.pixels.count == 16)
    }
  }

  @Test("Maps wider than a page shows are thinned out, with their shape kept")
  func thinned() throws {
    let size = PictureSize(width: 640, height: 480)
    #expect((size.shownWidth, size.shownHeight) == (320, 240))
    let odd = PictureSize(width: 1025, height: 3)
    #expect(odd.shownWidth <= PictureSize.widest && odd.shownHeight == 1)
    let map = [Float](repeating: 1, count: 640 * 480)
    let picture = Picture(
      map: map[...], of: regression, in: ValueRange(of: map[...]), size)
    #expect(picture.pixels.count == 4 * 320 * 240)
    let uri = try #require(picture.dataURI)
    let data = try #require(Data(base64Encoded: String(uri.drop { $0 != "," }.dropFirst())))
    #expect(data.starts(with: [0x89, 0x50, 0x4E, 0x47]))
  }
}
