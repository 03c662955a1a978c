// NYU-v2 (Silberman et al., ECCV 2012) in the layout that AdaShare published.

import Artifacts

/// The classes that NYU-v2's objects are commonly gathered in.
let nyuClasses = 40

/// NYU-v2 as AdaShare has it: an index `nyu_v2_3task.json` whose rows name an RGB PNG, a PNG of
/// classes (0...39, 255 none), an RGB PNG of normals (white is none), and an .npy of depths in
/// metres (0 or less is none).
public struct NYUv2AdaShare: ForeignDataset {
  public let tasks: [DatasetTask]
  public let storage: [DatasetWriter.Storage]
  public let size: PixelSize
  public let splits: [(split: Split, names: [String])]

  public let tables: [String]
  private let folder: InputFolder
  private let parts: [MapTask]
  private let normals: ByteNormals
  private let rows: [Split: [[String]]]

  /// - Throws: ``InputError`` naming the index or the first image when it is missing or broken.
  public init(_ folder: InputFolder, tasks: [MapTask], normals: ByteNormals = .centred) throws {
    tables = [try folder.file("nyu_v2_3task.json")]
    let index = try AdaShareIndex(tables[0], columns: 4)
    self.folder = folder
    self.normals = normals
    parts = tasks
    rows = Dictionary(index.splits.map { ($0.split, $0.rows) }) { $1 }
    splits = index.splits.map { ($0.split, $0.rows.map { $0[0] }) }
    self.tasks = tasks.map { $0.nyuTask(classes: nyuClasses) }
    storage = tasks.map {
      switch $0 {
      case .seg: .classes
      case .sn: normals.storage
      case .depth: .quantity(units: "m")
      }
    }
    size = try PixelMap(png: folder.file(index.splits[0].rows[0][0]), channels: 3).size
  }

  public func sample(_ index: Int, of split: Split) throws -> Sample {
    let row = rows[split, default: []][index]
    func png(_ column: Int, channels: Int) throws -> PixelMap {
      try PixelMap(png: folder.file(row[column]), channels: channels).expect(size)
    }
    return Sample(
      height: size.height, width: size.width, image: try png(0, channels: 3).image(),
      targets: try parts.map { part in
        switch part {
        case .seg: try png(1, channels: 1).classes(nyuClasses, none: 255)
        case .sn: normals.target(try png(2, channels: 3))
        case .depth:
          try PixelMap(npy: folder.file(row[3]), channels: 1).expect(size).quantity()
        }
      })
  }
}
