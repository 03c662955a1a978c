// What the tests of Artifacts share: data sets written by hand, and a look at the thrown error.

import Artifacts
import Foundation
import HDF5
import TestSupport
import Testing

let someProvenance = Provenance(createdBy: "tests 1.0", command: "tests --all", seed: 7)

/// The ArtifactError that `body` throws; nil, and an issue, if it throws none.
func failure(
  _ location: SourceLocation = #_sourceLocation, _ body: () throws -> Void
) -> ArtifactError? {
  #expect(throws: ArtifactError.self, sourceLocation: location) { try body() }
}

/// A data set that a user might have written, for the tests to spoil.
struct HandmadeDataset {
  var format: String? = "dataset"
  var version = 1
  var tasks = ["seg", "depth"]
  var images = 2
  var imageShape = [2, 3, 4, 3]
  var labels = [UInt8](repeating: 1, count: 24)
  var labelShape = [2, 3, 4]
  var depth = [Float](repeating: 2, count: 24)
  /// More attributes and datasets, or others.
  var spoil: (Group) throws -> Void = { _ in }

  func write(_ path: String, holdsVirtual: Bool = false) throws {
    let file = try File.create(path, holdsVirtual: holdsVirtual)
    let root = file.root
    if let format { try root.setAttribute("format", format) }
    try root.setAttribute("format_version", version)
    try root.setAttribute("tasks", tasks)
    for (name, kind, channels) in [("seg", "segmentation", 3), ("depth", "regression", 1)] {
      let group = try root.createGroup("tasks/" + name)
      try group.setAttribute("kind", kind)
      try group.setAttribute("channels", channels)
      try group.setAttribute("loss_weight", 1.5)
    }
    let pixels = imageShape.reduce(1, *)
    try root.createDataset("train/image", of: UInt8.self, shape: imageShape)
      .write([UInt8](repeating: 9, count: pixels))
    try root.createDataset("train/seg", of: UInt8.self, shape: labelShape).write(labels)
    try root.createDataset("train/depth", of: Float.self, shape: [2, 3, 4]).write(depth)
    try spoil(root)
    try file.close()
  }

  /// Opens it; the file is gone afterwards.
  func open<R>(_ body: (DatasetFile) throws -> R) throws -> R {
    try withFolder { folder in
      try write(folder + "/data.h5")
      return try body(DatasetFile(opening: folder + "/data.h5"))
    }
  }

  /// "/dataset: reason" of the error on opening.
  func openingError(_ location: SourceLocation = #_sourceLocation) throws -> String {
    try withFolder { folder in
      let path = folder + "/data.h5"
      try write(path)
      let error = failure(location) { _ = try DatasetFile(opening: path) }
      #expect(error?.file == path, sourceLocation: location)
      return error.map { $0.path.isEmpty ? $0.reason : "\($0.path): \($0.reason)" } ?? ""
    }
  }
}
