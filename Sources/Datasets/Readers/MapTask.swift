// The tasks that NYU-v2 and Cityscapes have maps for, and how maps are stored.

import Artifacts

/// A task with one map per image.
public enum MapTask: String, Sendable, CaseIterable {
  case seg, sn, depth
}

extension MapTask {
  /// As NYU-v2 has it, with the published weights of the losses.
  ///
  /// - Parameter classes: of the segmentation.
  func nyuTask(classes: Int) -> DatasetTask {
    switch self {
    case .seg: DatasetTask(name: rawValue, kind: .segmentation, channels: classes, lossWeight: 1)
    case .sn: DatasetTask(name: rawValue, kind: .normals, channels: 3, lossWeight: 20)
    case .depth:
      DatasetTask(name: rawValue, kind: .regression, channels: 1, lossWeight: 1, metrics: .depth)
    }
  }
}

extension DatasetWriter.Storage {
  /// Classes in 8 bits; 255 is none.
  static let classes = Self(.uint8, TargetEncoding(fillValue: 255))
  /// Unit vectors in 16 bits a component.
  static func normals(comment: String? = nil) -> Self {
    Self(
      .uint16,
      TargetEncoding(
        fillValue: 65535, scaleFactor: 2.0 / 65534, addOffset: -1, signedX: true, comment: comment))
  }
  /// Depths or disparities as they are; 0 is none.
  static func quantity(units: String?) -> Self {
    Self(.float32, TargetEncoding(fillValue: 0, units: units))
  }
}

/// What the bytes of normals in an RGB picture are taken for.
public enum ByteNormals: String, Sendable, CaseIterable {
  /// Components in −1...1: byte · 2 / 255 − 1.
  case centred
  /// The bytes themselves, as in the published tables.
  case raw

  /// Bytes keep their values in the file.
  var storage: DatasetWriter.Storage {
    switch self {
    case .centred:
      .init(
        .uint8,
        TargetEncoding(fillValue: 255, scaleFactor: 2.0 / 255, addOffset: -1, signedX: true))
    case .raw: .init(.uint8, TargetEncoding(fillValue: 255))
    }
  }

  /// Reads a picture; a white pixel has no normal.
  func target(_ map: PixelMap) -> TargetMap {
    map.normals(
      isMissing: { $0.allSatisfy { $0 == 255 } },
      component: { self == .centred ? $0 * 2 / 255 - 1 : $0 })
  }
}
