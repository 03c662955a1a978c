// Which colour a class has: the palettes that the data sets are known by, and one for all others.

/// The colours of a segmentation task's classes.
struct Palette: Sendable {
  private let colours: [Colour]

  /// The palette of the data set that the classes are known from, or else hues a golden angle apart.
  ///
  /// - Parameters:
  ///   - classes: their number.
  ///   - names: of the classes, where they are known.
  init(classes: Int, names: [String]?) {
    let known = (names ?? []).compactMap { Palette.cityscapes[$0.lowercased()] }
    colours =
      if classes > 0, known.count == classes {
        known
      } else if classes == 19, names == nil {
        Palette.cityscapesClasses.map(\.colour)
      } else if classes == 40 {
        Palette.nyu40
      } else {
        (0..<classes).map(Colour.ofClass)
      }
  }

  /// Also of a class that the task does not have, as damaged files may.
  subscript(index: Int) -> Colour {
    colours.indices.contains(index) ? colours[index] : .ofClass(abs(index % 4096))
  }

  /// The 40 classes of NYU-v2 (Gupta et al. 2013) in their order, from wall to other property.
  private static let nyu40 = [
    Colour(174, 199, 232), Colour(152, 223, 138), Colour(31, 119, 180), Colour(255, 187, 120),
    Colour(188, 189, 34), Colour(140, 86, 75), Colour(255, 152, 150), Colour(214, 39, 40),
    Colour(197, 176, 213), Colour(148, 103, 189), Colour(196, 156, 148), Colour(23, 190, 207),
    Colour(178, 76, 76), Colour(247, 182, 210), Colour(66, 188, 102), Colour(219, 219, 141),
    Colour(140, 57, 197), Colour(202, 185, 52), Colour(51, 176, 203), Colour(200, 54, 131),
    Colour(92, 193, 61), Colour(78, 71, 183), Colour(172, 114, 82), Colour(255, 127, 14),
    Colour(91, 163, 138), Colour(153, 98, 156), Colour(140, 153, 101), Colour(158, 218, 229),
    Colour(100, 125, 154), Colour(178, 127, 135), Colour(120, 185, 128), Colour(146, 111, 194),
    Colour(44, 160, 44), Colour(112, 128, 144), Colour(96, 207, 209), Colour(227, 119, 194),
    Colour(213, 92, 176), Colour(94, 106, 211), Colour(82, 84, 163), Colour(100, 85, 144),
  ]

  /// The 19 evaluated classes of Cityscapes (Cordts et al. 2016) in their order.
  private static let cityscapesClasses: [(name: String, colour: Colour)] = [
    ("road", Colour(128, 64, 128)), ("sidewalk", Colour(244, 35, 232)),
    ("building", Colour(70, 70, 70)), ("wall", Colour(102, 102, 156)),
    ("fence", Colour(190, 153, 153)), ("pole", Colour(153, 153, 153)),
    ("traffic light", Colour(250, 170, 30)), ("traffic sign", Colour(220, 220, 0)),
    ("vegetation", Colour(107, 142, 35)), ("terrain", Colour(152, 251, 152)),
    ("sky", Colour(70, 130, 180)), ("person", Colour(220, 20, 60)), ("rider", Colour(255, 0, 0)),
    ("car", Colour(0, 0, 142)), ("truck", Colour(0, 0, 70)), ("bus", Colour(0, 60, 100)),
    ("train", Colour(0, 80, 100)), ("motorcycle", Colour(0, 0, 230)),
    ("bicycle", Colour(119, 11, 32)),
  ]

  /// Its categories, which take the colour of their most common class.
  private static let cityscapesCategories: [(name: String, colour: Colour)] = [
    ("flat", Colour(128, 64, 128)), ("construction", Colour(70, 70, 70)),
    ("object", Colour(153, 153, 153)), ("nature", Colour(107, 142, 35)),
    ("human", Colour(220, 20, 60)), ("vehicle", Colour(0, 0, 142)),
  ]

  private static let cityscapes = Dictionary(
    uniqueKeysWithValues: (cityscapesClasses + cityscapesCategories).map { ($0.name, $0.colour) })
}

extension Colour {
  /// The colour of a class of an unknown data set: hues a golden angle apart, in three strengths, so
  /// that neighbours in the list look different.
  fileprivate static func ofClass(_ index: Int) -> Colour {
    let hue = Double(index) * 137.507_764
    let (saturation, value) = [(0.75, 0.95), (0.45, 0.80), (0.85, 0.60)][index % 3]
    return Colour(hue: hue, saturation: saturation, value: value)
  }

  private init(hue: Double, saturation: Double, value: Double) {
    func channel(_ n: Double) -> UInt8 {
      let k = (n + hue / 60).truncatingRemainder(dividingBy: 6)
      return UInt8(255 * (value - value * saturation * max(0, min(k, 4 - k, 1))))
    }
    self.init(channel(5), channel(3), channel(1))
  }
}
