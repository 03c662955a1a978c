// NYU-v2 and Cityscapes as MTAN published them (github.com/lorenmt/mtan): .npy files by number.

import Artifacts
import Foundation

/// A data set of `{train,val}/{image,label,depth,normal}/0.npy`, `1.npy` and so on, with
///
/// - image: H×W×3, or else 3×H×W, in 0...1, or in 0...255 where a value exceeds 1.5,
/// - label: H×W, classes from 0, −1 none,
/// - depth: H×W with or without an axis of one channel, 0 or less none,
/// - normal: H×W×3 or 3×H×W in −1...1, (0, 0, 0) none; NYU-v2 alone has it.
public struct MTANDataset: ForeignDataset {
  public typealias Part = MapTask

  /// What `depth` holds.
  public enum Depth: Sendable {
    /// Metres, as of NYU-v2.
    case metres
    /// The inverse of depth up to a factor, as of Cityscapes.
    case disparity
  }

  public let tasks: [DatasetTask]
  public let storage: [DatasetWriter.Storage]
  public let size: PixelSize
  public let splits: [(split: Split, names: [String])]

  private let folder: InputFolder
  private let parts: [Part]
  private let classes: Int
  private let files: [Split: (folder: String, names: [String])]

  /// - Parameters:
  ///   - tasks: the parts to read, in head order.
  ///   - classes: that labels can have; at most 255.
  /// - Throws: ``InputError`` when there are no training images or the first one is broken.
  public init(
    _ folder: InputFolder, tasks: [Part], classes: Int, depth: Depth = .metres
  ) throws {
    func numbered(_ split: String) -> [String] {
      let numbers = folder.names(in: split + "/image").compactMap { name in
        name.wholeMatch(of: #/([0-9]+)\.npy/#).flatMap { Int($0.1) }.map { (number: $0, name) }
      }
      return numbers.sorted { $0 < $1 }.map(\.1)
    }
    let found: [(split: Split, folder: String, names: [String])] = [
      (.train, "train", numbered("train")), (.validation, "val", numbered("val")),
    ]
    guard let first = found[0].names.first else {
      throw InputError(
        file: folder.path + "/train/image", reason: "has no files 0.npy, 1.npy, ...")
    }
    self.folder = folder
    self.classes = classes
    parts = tasks
    files = Dictionary(uniqueKeysWithValues: found.map { ($0.split, ($0.folder, $0.names)) })
    splits = found.filter { !$0.names.isEmpty }.map { part in
      (part.split, part.names.map { part.folder + "/image/" + $0 })
    }
    self.tasks = tasks.map { part in
      part == .depth && depth == .disparity
        ? DatasetTask(name: "depth", kind: .regression, channels: 1, lossWeight: 20)
        : part.nyuTask(classes: classes)
    }
    storage = tasks.map {
      switch $0 {
      case .seg: .classes
      case .sn: .normals()
      case .depth: .quantity(units: depth == .metres ? "m" : nil)
      }
    }
    size = try PixelMap(npy: folder.file("train/image/" + first), channels: 3).size
  }

  public func sample(_ index: Int, of split: Split) throws -> Sample {
    let (place, names) = files[split, default: ("", [])]
    func map(_ kind: String, channels: Int) throws -> PixelMap {
      let path = try folder.file("\(place)/\(kind)/\(names[index])")
      return try PixelMap(npy: path, channels: channels).expect(size)
    }
    let image = try map("image", channels: 3)
    let isFraction = image.values.allSatisfy { $0 <= 1.5 }
    return Sample(
      height: size.height, width: size.width,
      image: try image.image(scale: isFraction ? 255 : 1),
      targets: try parts.map { part in
        switch part {
        case .seg: try map("label", channels: 1).classes(classes, none: -1)
        case .sn: try normals(map("normal", channels: 3))
        case .depth: try map("depth", channels: 1).quantity()
        }
      })
  }

  private func normals(_ map: PixelMap) throws -> TargetMap {
    try map.normals(
      isMissing: { $0.allSatisfy { $0 == 0 } || !$0.allSatisfy(\.isFinite) },
      component: { value in
        // Rounding may have left a component just outside.
        guard abs(value) < 1.01 else {
          throw map.failure("has the value \(value); components of normals are in -1...1")
        }
        return min(max(value, -1), 1)
      })
  }
}
