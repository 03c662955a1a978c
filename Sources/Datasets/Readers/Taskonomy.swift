// Taskonomy (Zamir et al. 2018): rooms of scanned buildings with targets for five tasks.

import Artifacts
import Foundation

/// The tasks of the published setting.
public enum TaskonomyTask: String, Sendable, CaseIterable {
  case seg, sn, depth, keypoint, edge

  /// 16 kinds of object, and the background.
  static let classes = 17

  fileprivate var domain: Domain {
    switch self {
    case .seg: Domain(["segment_semantic", "segmentsemantic"], inNames: "segmentsemantic")
    case .sn: Domain(["normal"])
    case .depth: Domain(["depth_zbuffer"])
    case .keypoint: Domain(["keypoints2d"])
    case .edge: Domain(["edge_texture"])
    }
  }

  /// The weights are the published ones.
  fileprivate func description(_ classWeights: [Float]?) -> DatasetTask {
    func regression(_ lossWeight: Double) -> DatasetTask {
      DatasetTask(
        name: rawValue, kind: .regression, channels: 1, lossWeight: lossWeight, metrics: .error)
    }
    return switch self {
    case .seg:
      DatasetTask(
        name: rawValue, kind: .segmentation, channels: Self.classes, lossWeight: 1,
        classWeights: classWeights)
    case .sn: DatasetTask(name: rawValue, kind: .normals, channels: 3, lossWeight: 3)
    case .depth: regression(2)
    case .keypoint, .edge: regression(7)
    }
  }

  fileprivate var storage: DatasetWriter.Storage {
    switch self {
    case .seg: .classes
    case .sn: ByteNormals.centred.storage
    case .depth: .init(.uint16, TargetEncoding(fillValue: 65535, scaleFactor: 1.0 / 65534))
    case .keypoint, .edge:
      .init(
        .uint16, TargetEncoding(fillValue: 65535, scaleFactor: 2.0 / 65534, addOffset: -1))
    }
  }

  /// Reads a target.
  ///
  /// - Parameter uncertainIsBackground: whether a pixel of uncertain class is class 0; else none.
  fileprivate func target(_ path: String, of image: PixelMap, uncertainIsBackground: Bool) throws
    -> TargetMap
  {
    func map(channels: Int = 1, bitDepth: Int) throws -> PixelMap {
      try PixelMap(png: path, channels: channels, bitDepth: bitDepth, resizedTo: image.size)
        .expect(sizeOf: image)
    }
    /// A share of 2¹⁶, cut off and stretched to −1...1.
    func response(upTo highest: Float) throws -> TargetMap {
      try map(bitDepth: 16).target { min($0 / 65536, highest) / highest * 2 - 1 }
    }
    switch self {
    case .seg:
      // Stored are 0, for uncertain, and the classes from 1.
      let stored = try map(bitDepth: 8).classes(Self.classes + 1, none: 0)
      return TargetMap(
        values: stored.values.map { max($0 - 1, 0) },
        valid: stored.valid.map { $0 || uncertainIsBackground })
    case .sn: return ByteNormals.centred.target(try map(channels: 3, bitDepth: 8))
    // From 64500 on, a ray hit nothing; nothing is at no distance.
    case .depth:
      return try map(bitDepth: 16).target {
        $0 > 0 && $0 < 64500 ? log1p($0) / log(65536) : nil
      }
    case .keypoint: return try response(upTo: 0.005)
    case .edge: return try response(upTo: 0.08)
    }
  }
}

/// A kind of picture of the same views.
private struct Domain {
  /// What its folder may be called.
  let folders: [String]
  let inNames: String

  static let rgb = Domain(["rgb"])

  init(_ folders: [String], inNames: String? = nil) {
    self.folders = folders
    self.inNames = inNames ?? folders.joined()
  }

  /// The folder of a building, in either layout; nil when there is none.
  func folder(of building: String, in input: InputFolder) -> String? {
    folders.flatMap { ["\($0)/taskonomy/\(building)", "\(building)_\($0)"] }
      .first { input.contains($0) }
  }
}

/// Taskonomy's pictures, as `<domain>/taskonomy/<building>/point_P_view_V_domain_D.png` or, as
/// released, `<building>_<domain>/point_P_view_V_domain_D.png`.
///
/// Everything is resized by nearest neighbour. The targets: seg, classes 0...16; sn, in −1...1;
/// depth, log(1 + d) / log 2¹⁶ of the stored d; keypoint and edge, the stored share of 2¹⁶ cut off at
/// 0.005 and 0.08, stretched to −1...1.
public struct TaskonomyDataset: ForeignDataset {
  public let tasks: [DatasetTask]
  public let storage: [DatasetWriter.Storage]
  public let size: PixelSize
  /// A name is building/point_P_view_V.
  public let splits: [(split: Split, names: [String])]
  public let tables: [String]
  /// Buildings of the split file of which there are no pictures, in its order.
  public let missingBuildings: [String]

  private struct View {
    let building: String
    /// point_P_view_V_domain_
    let stem: String
  }

  private let input: InputFolder
  private let kinds: [TaskonomyTask]
  private let uncertainIsBackground: Bool
  private let views: [Split: [View]]

  /// - Parameters:
  ///   - splitFile: the official table of buildings.
  ///   - uncertainIsBackground: whether pixels of uncertain class are class 0; else they have no
  ///     ground truth.
  ///   - classWeights: an .npy file with a weight ≥ 0 for each of the 17 classes.
  /// - Throws: ``InputError`` when a file is broken, no training picture is there, or a building
  ///   lacks a task's folder.
  public init(
    _ input: InputFolder, splitFile: String, tasks: [TaskonomyTask] = TaskonomyTask.allCases,
    size: PixelSize = PixelSize(height: 256, width: 256), uncertainIsBackground: Bool = false,
    classWeights: String? = nil
  ) throws {
    let weights = try classWeights.map(Self.classWeights)
    tables = [splitFile] + (classWeights.map { [$0] } ?? [])
    self.input = input
    self.size = size
    kinds = tasks
    self.uncertainIsBackground = uncertainIsBackground
    self.tasks = tasks.map { $0.description(weights) }
    storage = tasks.map(\.storage)

    var views: [Split: [View]] = [:]
    var missing: [String] = []
    for (building, split) in try TaskonomySplit(splitFile).buildings {
      let found = Self.views(of: building, in: input)
      guard !found.isEmpty else {
        missing.append(building)
        continue
      }
      for task in tasks where task.domain.folder(of: building, in: input) == nil {
        let folder = task.domain.folders.joined(separator: " or ")
        throw InputError(
          file: input.path, reason: "building \(building) has no folder \(folder)")
      }
      views[split, default: []] += found
    }
    guard views[.train] != nil else {
      throw InputError(
        file: input.path,
        reason: "no pictures of any training building of \(splitFile)")
    }
    self.views = views
    missingBuildings = missing
    splits = Split.allCases.compactMap { split in
      views[split].map { views in
        (split, views.map { "\($0.building)/\($0.stem.dropLast("_domain_".count))" })
      }
    }
  }

  private static func views(of building: String, in input: InputFolder) -> [View] {
    guard let folder = Domain.rgb.folder(of: building, in: input) else { return [] }
    return input.names(in: folder)
      .filter { $0.hasPrefix("point_") && $0.hasSuffix("_domain_rgb.png") }
      .map { View(building: building, stem: String($0.dropLast("rgb.png".count))) }
  }

  private static func classWeights(_ path: String) throws -> [Float] {
    let file = try NumpyFile(path)
    guard file.shape == [TaskonomyTask.classes],
      file.values.allSatisfy({ $0.isFinite && $0 >= 0 })
    else {
      throw InputError(
        file: path, reason: "expected \(TaskonomyTask.classes) weights, all ≥ 0")
    }
    return file.values
  }

  public func sample(_ index: Int, of split: Split) throws -> Sample {
    let view = views[split, default: []][index]
    func path(_ domain: Domain) throws -> String {
      let folder = domain.folder(of: view.building, in: input) ?? domain.folders[0]
      return try input.file("\(folder)/\(view.stem)\(domain.inNames).png")
    }
    let image = try PixelMap(png: path(.rgb), channels: 3, resizedTo: size)
    return Sample(
      height: size.height, width: size.width, image: try image.image(),
      targets: try kinds.map {
        try $0.target(
          path($0.domain), of: image, uncertainIsBackground: uncertainIsBackground)
      })
  }
}
