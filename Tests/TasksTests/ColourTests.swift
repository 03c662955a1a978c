// Colour maps, and the palettes of classes.

import Tasks
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

  private func colours(classes: Int, names: [String]? = nil) -> [Colour] {
    Segmentation(TaskDescription(name: "seg", channels: classes, classNames: names))
      .classes.map(\.colour)
  }

  @Test("Forty classes have NYU-v2's colours, the names of Cityscapes theirs in any order")
  func palettes() {
    let nyu = colours(classes: 40)
    #expect(nyu[0] == Colour(174, 199, 232) && nyu[39] == Colour(100, 85, 144))
    #expect(nyu.count == 40)
    #expect(
      colours(classes: 3, names: ["car", "road", "traffic light"])
        == [Colour(0, 0, 142), Colour(128, 64, 128), Colour(250, 170, 30)])
    #expect(colours(classes: 19)[18] == Colour(119, 11, 32))
  }

  @Test("Other classes have colours that differ")
  func otherClasses() {
    let colours = colours(classes: 18, names: (0..<18).map { "class \($0)" })
    #expect(Set(colours.map { [$0.red, $0.green, $0.blue] }).count == 18)
  }
}
