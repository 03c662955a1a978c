// Cityscapes (Cordts et al. 2016): street scenes with classes and disparity, as published and as
// AdaShare hands it on.

import Artifacts

/// How finely Cityscapes' objects are told apart.
public enum CityscapesClasses: Int, Sendable, CaseIterable {
  /// The 19 classes of the benchmark.
  case benchmark = 19
  /// The 7 categories that these belong to.
  case categories = 7
  /// Things (people and vehicles), 1, against stuff, 0.
  case things = 2

  /// The benchmark's classes in order, with the number that a labelIds.png has for each.
  private static let evaluated: [(name: String, id: Int, category: String)] = [
    ("road", 7, "flat"), ("sidewalk", 8, "flat"), ("building", 11, "construction"),
    ("wall", 12, "construction"), ("fence", 13, "construction"), ("pole", 17, "object"),
    ("traffic light", 19, "object"), ("traffic sign", 20, "object"), ("vegetation", 21, "nature"),
    ("terrain", 22, "nature"), ("sky", 23, "sky"), ("person", 24, "human"), ("rider", 25, "human"),
    ("car", 26, "vehicle"), ("truck", 27, "vehicle"), ("bus", 28, "vehicle"),
    ("train", 31, "vehicle"), ("motorcycle", 32, "vehicle"), ("bicycle", 33, "vehicle"),
  ]

  private static let categoryNames = [
    "flat", "construction", "object", "nature", "sky", "human", "vehicle",
  ]

  /// Nil for things, of which nothing more is known.
  var names: [String]? {
    switch self {
    case .benchmark: Self.evaluated.map(\.name)
    case .categories: Self.categoryNames
    case .things: nil
    }
  }

  /// The class of each number that a labelIds.png can hold; nil for those that are not evaluated.
  var ofLabelID: [Float?] {
    var table = [Float?](repeating: nil, count: 256)
    for (index, entry) in Self.evaluated.enumerated() {
      table[entry.id] =
        switch self {
        case .benchmark: Float(index)
        case .categories: Self.categoryNames.firstIndex(of: entry.category).map { Float($0) }
        case .things: ["human", "vehicle"].contains(entry.category) ? 1 : 0
        }
    }
    return table
  }

  /// Segmentation and depth, weighted as published.
  var tasks: [DatasetTask] {
    [
      DatasetTask(
        name: "seg", kind: .segmentation, channels: rawValue, lossWeight: 1, classNames: names),
      DatasetTask(
        name: "depth", kind: .regression, channels: 1, lossWeight: 20, metrics: .depth),
    ]
  }
}

/// Cityscapes as it is published: `leftImg8bit`, `gtFine` and `disparity`, each with a folder per
/// split and in that one per city.
public struct CityscapesDataset: ForeignDataset {
  /// A kind of file: its folder, and how its name ends.
  private struct Part {
    let folder: String
    let ending: String

    static let image = Part(folder: "leftImg8bit", ending: "_leftImg8bit.png")
    static let labels = Part(folder: "gtFine", ending: "_gtFine_labelIds.png")
    static let disparity = Part(folder: "disparity", ending: "_disparity.png")

    func folder(of split: Split) -> String {
      "\(folder)/\(split == .validation ? "val" : split.rawValue)"
    }

    func path(_ name: String, of split: Split) -> String {
      "\(folder(of: split))/\(name)\(ending)"
    }
  }

  /// The size that the published networks were trained at.
  public static let publishedSize = PixelSize(height: 256, width: 512)

  /// seg, then depth: the disparity in pixels of the full image.
  public let tasks: [DatasetTask]
  public let storage: [DatasetWriter.Storage] = [
    .classes,
    // As in the files themselves, so nothing is lost. A disparity of 0 is at no distance.
    .init(
      .uint16,
      TargetEncoding(
        fillValue: 0, scaleFactor: 1.0 / 256, addOffset: -1.0 / 256, validMin: 0,
        units: "disparity")),
  ]
  public let size: PixelSize
  /// train; val as validation; test only where it has labels. A name is city/stem.
  public let splits: [(split: Split, names: [String])]
  private let folder: InputFolder
  /// By label id.
  private let classes: [Float?]

  /// - Parameter size: what everything is resized to: images bilinearly with pixel centres at half
  ///   integers, targets by nearest neighbour.
  /// - Throws: ``InputError`` when there are no training images, or the first test label is
  ///   broken.
  public init(
    _ folder: InputFolder, classes: CityscapesClasses = .benchmark,
    size: PixelSize = publishedSize
  ) throws {
    self.folder = folder
    self.size = size
    let classOfID = classes.ofLabelID
    self.classes = classOfID
    tasks = classes.tasks
    let found = Split.allCases.map { ($0, Self.names(of: $0, in: folder)) }
      .filter { !$1.isEmpty }
    guard found.first?.0 == .train else {
      let path = try folder.file(Part.image.folder(of: .train))
      throw InputError(file: path, reason: "no images")
    }
    splits = try found.filter { split, names in
      // The public test set has no labels, or label files without a label.
      guard split == .test, let first = names.first else { return true }
      let labels = Part.labels.path(first, of: .test)
      return try folder.contains(labels)
        && PixelMap(png: folder.file(labels), channels: 1)
          .target { classOfID[Int($0)] }.valid.contains(true)
    }
  }

  private static func names(of split: Split, in folder: InputFolder) -> [String] {
    let images = Part.image.folder(of: split)
    let ending = Part.image.ending
    return folder.names(in: images).flatMap { city in
      folder.names(in: "\(images)/\(city)").filter { $0.hasSuffix(ending) }
        .map { "\(city)/\($0.dropLast(ending.count))" }
    }
  }

  public func sample(_ index: Int, of split: Split) throws -> Sample {
    let name = names(of: split)[index]
    func path(_ part: Part) throws -> String { try folder.file(part.path(name, of: split)) }
    let image = try PixelMap(png: path(.image), channels: 3)
    let labels = try PixelMap(png: path(.labels), channels: 1, resizedTo: size)
      .expect(sizeOf: image)
    let disparity = try PixelMap(
      png: path(.disparity), channels: 1, bitDepth: 16, resizedTo: size
    ).expect(sizeOf: image)
    let resized = Sample(
      height: image.size.height, width: image.size.width, image: try image.image(), targets: []
    ).cropped(
      to: size, Placement(scaled: size, mirrored: false, top: 0, left: 0), channels: [],
      signedX: [])
    return Sample(
      height: size.height, width: size.width, image: resized.image,
      targets: [
        labels.target { classes[Int($0)] },
        // 0 stands for no measurement; 1 would be infinitely far away.
        disparity.target { $0 > 1 ? ($0 - 1) / 256 : nil },
      ])
  }
}

/// Cityscapes as AdaShare hands it on: `cityscape.json` lists NumPy files of image, depth, and
/// labels of 2, 7 and 19 classes.
public struct AdaShareCityscapes: ForeignDataset {
  /// seg, then depth: the disparity as the files have it.
  public let tasks: [DatasetTask]
  public let storage: [DatasetWriter.Storage] = [.classes, .quantity(units: "disparity")]
  /// That of the first training image.
  public let size: PixelSize
  /// As the index has them; a sample's name is its image's path.
  public let splits: [(split: Split, names: [String])]
  public let tables: [String]
  private let rows: [Split: [[String]]]
  private let folder: InputFolder
  private let classes: CityscapesClasses

  /// - Throws: ``InputError`` when the index or the first image is missing or broken.
  public init(_ folder: InputFolder, classes: CityscapesClasses = .benchmark) throws {
    self.folder = folder
    self.classes = classes
    tasks = classes.tasks
    tables = [try folder.file("cityscape.json")]
    let index = try AdaShareIndex(tables[0], columns: 5)
    splits = index.splits.map { ($0.split, $0.rows.map { $0[0] }) }
    rows = Dictionary(index.splits.map { ($0.split, $0.rows) }) { first, _ in first }
    size = try PixelMap(npy: folder.file(index.splits[0].rows[0][0]), channels: 3).size
  }

  public func sample(_ index: Int, of split: Split) throws -> Sample {
    let row = rows[split, default: []][index]
    func map(_ column: Int, channels: Int = 1) throws -> PixelMap {
      try PixelMap(npy: folder.file(row[column]), channels: channels).expect(size)
    }
    let image = try map(0, channels: 3)
    // Interpolation may have left a value just outside.
    if let value = image.values.first(where: { !(-0.01...1.01).contains($0) }) {
      throw image.failure("has the value \(value); an image's are in 0...1")
    }
    let labels =
      switch classes {
      case .things: try map(2)
      case .categories: try map(3)
      case .benchmark: try map(4)
      }
    return Sample(
      height: size.height, width: size.width, image: try image.image(scale: 255),
      targets: [
        try labels.classes(classes.rawValue, none: -1), try map(1).quantity(),
      ])
  }
}
