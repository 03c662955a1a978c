// Colours, palettes and scales.

import Reporting
import Testing

@Suite struct ColourTests {
  @Test("A map ends in its anchors, and places outside take the nearest end")
  func ends() {
    let viridis = ColourMap.viridis
    #expect(viridis.colour(at: 0) == Colour(68, 1, 84))
    #expect(viridis.colour(at: 1) == Colour(253, 231, 37))
    #expect(viridis.colour(at: -3) == viridis.colour(at: 0))
    #expect(viridis.colour(at: 7) == viridis.colour(at: 1))
    #expect(viridis.colour(at: 0.5) == Colour(33, 145, 140))
  }

  @Test("The largest numbers have places too")
  func hugeRange() {
    let largest = Float.greatestFiniteMagnitude
    let range = ValueRange(low: -largest, high: largest)
    #expect(range.place(-largest) == 0 && range.place(0) == 0.5 && range.place(largest) == 1)
    #expect(ColourMap.viridis.colour(at: .nan) == ColourMap.viridis.colour(at: 0))
  }

  @Test("Normals are coloured (n + 1) / 2")
  func normals() {
    #expect(Colour.ofNormal(0, 0, 1) == Colour(127, 127, 255))
    #expect(Colour.ofNormal(-1, 1, -1) == Colour(0, 255, 0))
  }

  @Test("Forty classes have NYU-v2's colours, the names of Cityscapes theirs in any order")
  func palettes() {
    #expect(Palette(classes: 40, names: nil)[0] == Colour(174, 199, 232))
    #expect(Palette(classes: 40, names: nil)[39] == Colour(100, 85, 144))
    let names = ["car", "road", "traffic light"]
    let palette = Palette(classes: 3, names: names)
    #expect(palette[0] == Colour(0, 0, 142))
    #expect(palette[1].css == "#804080")
    #expect(palette[2] == Colour(250, 170, 30))
    #expect(Palette(classes: 19, names: nil)[18] == Colour(119, 11, 32))
    #expect(Palette.nyu40.count == 40 && Palette.cityscapesClasses.count == 19)
  }

  @Test("Other classes have colours that differ, and no class is without one")
  func otherClasses() {
    let palette = Palette(classes: 18, names: (0..<18).map { "class \($0)" })
    #expect(Set((0..<18).map { palette[$0].css }).count == 18)
    for index in [-1, 18, Int.max, Int.min + 1] { _ = palette[index] }
  }
}
