// Where a file has its network's JSON: in an attribute, or in a dataset where it is too long for one.

import HDF5

extension ArtifactReader {
  /// The JSON of the network that the file is about.
  func architecture() throws -> String {
    guard !root.hasAttribute(architectureName), root.contains(architectureName) else {
      return try root.attribute(architectureName)
    }
    let texts = try root.dataset(architectureName).readStrings()
    guard texts.count == 1 else { throw error("/architecture", "is not one text") }
    return texts[0]
  }
}

extension ArtifactWriter {
  func write(architecture: String) throws {
    // An object header message holds less than 64 KiB, name and type included.
    if architecture.utf8.count < 60_000 {
      try root.setAttribute(architectureName, architecture)
    } else {
      try writeStrings(architectureName, [architecture])
    }
  }
}

private let architectureName = "architecture"
