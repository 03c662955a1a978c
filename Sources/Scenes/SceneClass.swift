// The classes that a pixel can belong to.

/// What a pixel shows. The raw values are consecutive from 0.
public enum SceneClass: UInt8, CaseIterable, Sendable {
  case floor, wall, ceiling
  case window, door, picture
  case table, chair, sofa, bed, shelf, cabinet
  case books, lamp, plant, rug, ball, vase

  /// The name in lower case; `window` stands for the frame, since the pane itself has no class.
  public var name: String { String(describing: self) }
}
