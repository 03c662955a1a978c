// A data set in several files: shards, each a data set of its own, and a master that shows them as one.

import HDF5

/// Which part of a data set a file is.
public struct Shard: Equatable, Sendable {
  /// From 0.
  public let number: Int
  public let count: Int
  /// A digest over what the whole data set is made of and how: shards of one data set have the same.
  public let plan: String

  public init(number: Int, of count: Int, plan: String) {
    self.number = number
    self.count = count
    self.plan = plan
  }

  /// The digest of what a data set is made of and how.
  public static func plan(of description: [String]) -> String {
    let digest = DatasetDigest()
    digest.update(description)
    return hexadecimal(digest.finalized())
  }

  /// Nil for a file that is no shard.
  init?(of reader: ArtifactReader) {
    guard let number: Int = try? reader.root.attribute("shard"),
      let count: Int = try? reader.root.attribute("shards"),
      let plan: String = try? reader.root.attribute("shard_plan")
    else { return nil }
    self.number = number
    self.count = count
    self.plan = plan
  }

  func write(to root: Group) throws {
    try root.setAttribute("shard", number)
    try root.setAttribute("shards", count)
    try root.setAttribute("shard_plan", plan)
  }
}

extension DatasetFile {
  /// Nil for a file that is no shard.
  public var shard: Shard? { Shard(of: reader) }

  /// Broken samples that were left out when the file was made.
  public var leftOut: Int {
    let recorded: Int = (try? reader.root.attribute("left_out")) ?? 0
    return min(max(recorded, 0), 1 << 40)
  }

  /// Writes a small file beside shards that shows their samples as one data set, one shard after the
  /// other, by HDF5's virtual datasets.
  ///
  /// - Parameter shards: files in the master's own folder.
  /// - Throws: ``ArtifactError`` when a shard is missing or broken, or differs from the first in its
  ///   tasks, sizes or encodings.
  public static func writeMaster(
    _ path: String, of shards: [String], provenance: Provenance
  ) throws {
    let files = try shards.map(DatasetFile.init(opening:))
    guard let first = files.first else {
      throw ArtifactError(file: path, path: "", reason: "there are no shards")
    }
    var provenance = provenance
    for file in files {
      guard file.tasks == first.tasks else {
        throw file.reader.error("/tasks", "differ from those of \(first.reader.path)")
      }
      try provenance.add(file.reader)
    }
    let digests = Dictionary(
      zip(shards, provenance.inputs.suffix(shards.count).map(\.sha256))
    ) { $1 }
    let writer = try ArtifactWriter(
      path, kind: .dataset, provenance: provenance, holdsVirtual: true)
    try writer.write(first.tasks)
    try writer.root.setAttribute("left_out", files.reduce(0) { $0 + $1.leftOut })
    for split in Split.allCases {
      let parts = files.compactMap { file in
        file.splits.first { $0.split == split }.map { (file: file, info: $0) }
      }
      guard let model = parts.first?.info else { continue }
      _ = try writer.root.createGroup(split.rawValue)

      /// The dataset that all parts have, as one.
      func show(_ name: String, _ dataset: (SplitInfo) -> Dataset) throws -> Dataset {
        let model = dataset(model)
        let blocks = try parts.map { part in
          let dataset = dataset(part.info)
          guard dataset.shape.dropFirst() == model.shape.dropFirst(),
            dataset.elementType == model.elementType
          else {
            throw part.file.reader.error(
              dataset.path, "differs in shape or type from that of \(model.file)")
          }
          let path = part.file.reader.path
          return (
            block: VirtualBlock(
              file: OutputFile.name(of: path), path: dataset.path, rows: part.info.count),
            fileDigest: digests[path] ?? ""
          )
        }
        let path = "\(split.rawValue)/\(name)"
        let rowShape = Array(model.shape.dropFirst())
        return try writer.writeVirtual(
          path, of: model.elementType, rowShape: rowShape, blocks: blocks)
      }
      _ = try show("image") { $0.image.dataset }
      for (index, task) in first.tasks.enumerated() {
        let encoding = model.encoding(ofTask: index)
        for part in parts where part.info.encoding(ofTask: index) != encoding {
          throw part.file.reader.error(
            part.info.targets[index].samples.dataset.path,
            "is encoded in another way than that of \(first.reader.path)")
        }
        let dataset = try show(task.name) { $0.targets[index].samples.dataset }
        try encoding.write(to: dataset)
      }
      let names = try parts.map { try $0.file.names(of: split) }
      if names.allSatisfy({ $0 != nil }) {
        try writer.writeStrings("\(split.rawValue)/name", names.flatMap { $0 ?? [] })
      }
    }
    try writer.finish()
  }

  /// What the samples of a split are called; nil where the file does not tell.
  public func names(of split: Split) throws -> [String]? {
    let path = split.rawValue + "/name"
    return reader.root.contains(path) ? try reader.root.dataset(path).readStrings() : nil
  }
}
