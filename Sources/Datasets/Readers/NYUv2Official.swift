// NYU-v2 as its authors published it: one MATLAB file with all labelled images.

import Artifacts
import Formatting
import HDF5

/// A folder with `nyu_depth_v2_labeled.mat`; `splits.mat`, or the lists `train.txt` and `test.txt`;
/// and for the segmentation `classMapping40.mat` or `classMapping40.txt`. Images are numbered from 1.
///
/// Labels become the 40 classes of Gupta et al. (CVPR 2013). Normals are read from a folder of
/// pictures, or else computed from depth. The published test images are the validation split.
public struct NYUv2Official: ForeignDataset {
  public let tasks: [DatasetTask]
  public let storage: [DatasetWriter.Storage]
  public let size: PixelSize
  public let splits: [(split: Split, names: [String])]
  public let tables: [String]

  /// How normals come about.
  public enum Normals: Sendable {
    case computedFromDepth
    /// From PNGs of a folder inside the input folder, `61.png` or `0061.png`.
    case pictures(folder: String, ByteNormals)
  }

  private let folder: InputFolder
  private let parts: [MapTask]
  private let normals: Normals
  private let file: LabelledFile
  /// The class of each label; −1 none.
  private let classes: [Float]
  /// From 0.
  private let numbers: [Split: [Int]]

  /// - Throws: ``InputError``, or ``ArtifactError`` of the .mat file in HDF5, naming what is missing or broken.
  public init(
    _ folder: InputFolder, tasks: [MapTask], normals: Normals = .computedFromDepth
  ) throws {
    let file = try LabelledFile(folder.file("nyu_depth_v2_labeled.mat"))
    let numbers = try Self.readSplits(folder, count: file.count)
    let tables = [
      "nyu_depth_v2_labeled.mat", "splits.mat", "train.txt", "test.txt", "classMapping40.mat",
      "classMapping40.txt",
    ]
    self.tables = try tables.filter(folder.contains).map(folder.file)
    self.folder = folder
    self.file = file
    self.normals = normals
    self.numbers = Dictionary(uniqueKeysWithValues: numbers.map { ($0.split, $0.numbers) })
    parts = tasks
    size = file.size
    splits = numbers.map { ($0.split, $0.numbers.map { "\($0 + 1)" }) }
    classes = tasks.contains(.seg) ? try Self.readClasses(folder) : []
    self.tasks = tasks.map { $0.nyuTask(classes: nyuClasses) }
    storage = tasks.map {
      switch ($0, normals) {
      case (.seg, _): .classes
      case (.sn, .pictures(_, let bytes)): bytes.storage
      case (.sn, .computedFromDepth):
        .normals(
          comment: "computed from depth with the official intrinsics; "
            + "x right, y up, z towards the camera")
      case (.depth, _): .quantity(units: "m")
      }
    }
  }

  public func sample(_ index: Int, of split: Split) throws -> Sample {
    let number = numbers[split, default: []][index]
    return Sample(
      height: size.height, width: size.width, image: try file.images.map(number).image(),
      targets: try parts.map { part in
        switch part {
        case .seg: try classTarget(number)
        case .sn:
          switch normals {
          case .computedFromDepth:
            PinholeCamera.nyu.normals(try file.depths.map(number).quantity(), size: size)
          case .pictures(let pictures, let bytes):
            bytes.target(
              try PixelMap(png: picture(number + 1, in: pictures), channels: 3).expect(size))
          }
        case .depth: try file.depths.map(number).quantity()
        }
      })
  }

  private func classTarget(_ number: Int) throws -> TargetMap {
    let labels = try file.labels.map(number)
    let mapped = try labels.values.map { label -> Float in
      if label == 0 { return -1 }
      guard let index = Int(exactly: label - 1), classes.indices.contains(index) else {
        throw labels.failure(
          "image \(number + 1) has label \(Format.plain(Double(label))); the class map knows "
            + "1...\(classes.count)")
      }
      return classes[index]
    }
    return try PixelMap(file: labels.file, size: size, channels: 1, values: mapped)
      .classes(nyuClasses, none: -1)
  }

  private func picture(_ number: Int, in pictures: String) throws -> String {
    let short = "\(pictures)/\(number).png"
    if folder.contains(short) { return try folder.file(short) }
    return try folder.file("\(pictures)/\(Format.padded(number, digits: 4)).png")
  }

  // MARK: The lists beside the images

  private static func readSplits(
    _ folder: InputFolder, count: Int
  ) throws -> [(split: Split, numbers: [Int])] {
    func numbers(_ values: [Double], _ path: String) throws -> [Int] {
      try values.map { value in
        guard let number = Int(exactly: value), (1...count).contains(number) else {
          throw InputError(
            file: path,
            reason: "\(Format.plain(value)) is no number of an image; there are 1...\(count)")
        }
        return number - 1
      }
    }
    let train: (path: String, numbers: [Int])
    let test: [Int]
    if folder.contains("splits.mat") {
      let file = try MatFile(folder.file("splits.mat"))
      train = (file.path, try numbers(file.variable("trainNdxs"), file.path))
      test = try numbers(file.variable("testNdxs"), file.path)
    } else if folder.contains("train.txt") {
      let path = try folder.file("train.txt")
      train = (path, try numbers(readNumbers(path), path))
      let testPath = try folder.file("test.txt")
      test = folder.contains("test.txt") ? try numbers(readNumbers(testPath), testPath) : []
    } else {
      throw InputError(
        file: folder.path, reason: "has neither splits.mat nor train.txt")
    }
    guard !train.numbers.isEmpty else {
      throw InputError(file: train.path, reason: "names no training images")
    }
    return [(.train, train.numbers), (.validation, test)].filter { !$0.1.isEmpty }
  }

  /// The class of label 1, 2, ...; −1 for none.
  private static func readClasses(_ folder: InputFolder) throws -> [Float] {
    let isMat = folder.contains("classMapping40.mat")
    let path = try folder.file(isMat ? "classMapping40.mat" : "classMapping40.txt")
    guard isMat || folder.contains("classMapping40.txt") else {
      throw InputError(
        file: folder.path,
        reason: "has neither classMapping40.mat nor classMapping40.txt, which seg needs")
    }
    let values = isMat ? try MatFile(path).variable("mapClass") : try readNumbers(path)
    return try values.map { value in
      guard let number = Int(exactly: value), (0...nyuClasses).contains(number) else {
        throw InputError(
          file: path,
          reason: "\(Format.plain(value)) is no class; there are 1...\(nyuClasses), 0 none")
      }
      return Float(number - 1)
    }
  }
}

/// Numbers of a text file, separated by white space or commas.
private func readNumbers(_ path: String) throws -> [Double] {
  let text = String(decoding: try InputFile(path).readAll(), as: UTF8.self)
  return try text.split { $0.isWhitespace || $0 == "," }.map { word in
    guard let number = Double(word) else {
      throw InputError(file: path, reason: "'\(word)' is not a number")
    }
    return number
  }
}

/// The arrays of nyu_depth_v2_labeled.mat. MATLAB reverses the axes: N×channels×W×H.
private struct LabelledFile: Sendable {
  struct Maps: Sendable {
    let dataset: Dataset
    let file: String
    let size: PixelSize
    let channels: Int

    /// Reads the map of one image; numbered from 0.
    func map(_ number: Int) throws -> PixelMap {
      let values = try dataset.read(
        as: Float.self, offset: [number] + dataset.shape.dropFirst().map { _ in 0 },
        count: [1] + dataset.shape.dropFirst())
      return PixelMap(file: file, size: size, columns: values, channels: channels)
    }
  }

  let count: Int
  let size: PixelSize
  let images: Maps
  let depths: Maps
  let labels: Maps

  init(_ path: String) throws {
    let root = try File.open(path).root
    let images = try root.dataset("images")
    let shape = images.shape
    guard shape.count == 4, shape[1] == 3, !shape.contains(0) else {
      throw ArtifactError(
        file: path, path: images.path,
        reason: "expected shape N×3×W×H, found \(Format.shape(shape))")
    }
    let size = PixelSize(height: shape[3], width: shape[2])
    func maps(_ name: String) throws -> Maps {
      let dataset = try root.dataset(name)
      let expected = [shape[0], shape[2], shape[3]]
      guard dataset.shape == expected else {
        throw ArtifactError(
          file: path, path: dataset.path,
          reason: "expected shape \(Format.shape(expected)), "
            + "found \(Format.shape(dataset.shape))")
      }
      return Maps(dataset: dataset, file: path, size: size, channels: 1)
    }
    count = shape[0]
    self.size = size
    self.images = Maps(dataset: images, file: path, size: size, channels: 3)
    depths = try maps("depths")
    labels = try maps("labels")
  }
}
