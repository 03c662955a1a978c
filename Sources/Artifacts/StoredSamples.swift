// The samples of one dataset of a split: read chunk by chunk and inflated outside libhdf5's lock,
// from one file or from the shards of a virtual dataset.

import Formatting
import Foundation
import HDF5

/// A dataset whose first axis counts samples.
struct StoredSamples: Sendable {
  let dataset: Dataset
  /// In the order of the samples; one, unless the dataset is virtual.
  private let parts: [Part]

  private struct Part {
    /// The number of the first sample.
    let first: Int
    let dataset: Dataset
    /// How to unpack a sample's chunk; nil where samples are not stored so, and libhdf5 reads them.
    let codec: ChunkCodec?

    init(first: Int, _ dataset: Dataset) throws {
      self.first = first
      self.dataset = dataset
      let isPerSample = dataset.chunk == [1] + dataset.shape.dropFirst()
      codec = isPerSample ? try dataset.chunkCodec() : nil
    }
  }

  /// - Parameter shards: the files that virtual datasets show, opened once for all of them.
  init(_ dataset: Dataset, shards: inout [String: File]) throws {
    self.dataset = dataset
    guard dataset.isVirtual else {
      parts = [try Part(first: 0, dataset)]
      return
    }
    var first = 0
    var parts: [Part] = []
    for (block, path) in try dataset.shardBlocks() {
      do {
        let file = try shards[path] ?? File.open(path)
        shards[path] = file
        let part = try file.root.dataset(block.path)
        guard !part.isVirtual else {
          throw ArtifactError(file: path, path: block.path, reason: "is virtual itself")
        }
        guard part.shape == [block.rows] + dataset.shape.dropFirst(),
          part.elementType == dataset.elementType
        else {
          let sample = Format.shape(Array(dataset.shape.dropFirst()))
          throw ArtifactError(
            file: path, path: block.path,
            reason: "expected \(dataset.elementType) of \(block.rows) samples of \(sample), "
              + "found \(part.elementType) of \(Format.shape(part.shape))")
        }
        parts.append(try Part(first: first, part))
        first += block.rows
      } catch let error as ArtifactError {
        throw ArtifactError(
          file: dataset.file, path: dataset.path, reason: "its shard \(error.description)")
      }
    }
    self.parts = parts
  }

  /// Throws unless the stored bytes can hold all samples: their number sizes what others reserve.
  func checkStored() throws {
    for part in parts { try part.dataset.checkStored(part.dataset.count) }
  }

  /// One sample, row-major; its type is the stored one where it is to be fast.
  func read<T: HDF5Scalar>(_ index: Int, as type: T.Type = T.self) throws -> [T] {
    let part = parts.last { $0.first <= index } ?? parts[0]
    let (dataset, index) = (part.dataset, index - part.first)
    if let codec = part.codec, (0..<dataset.shape[0]).contains(index),
      T.elementType == dataset.elementType,
      let packed = try dataset.readChunk(atRow: index)
    {
      if codec.fits(packed: packed.count) {
        var isGood = false
        let values = [T](unsafeUninitializedCapacity: codec.count / MemoryLayout<T>.stride) {
          memory, initialized in
          isGood = codec.unpack(packed, into: UnsafeMutableRawBufferPointer(memory))
          initialized = isGood ? memory.count : 0
        }
        if isGood { return values }
      }
      throw ArtifactError(
        file: dataset.file, path: dataset.path, reason: "sample \(index) is damaged")
    }
    let rest = dataset.shape.dropFirst()
    return try dataset.read(as: type, offset: [index] + rest.map { _ in 0 }, count: [1] + rest)
  }
}

extension Dataset {
  /// The blocks of samples of a virtual dataset, with the path of the file that each is in.
  ///
  /// - Throws: ``ArtifactError`` when it is not made of whole files' samples; through libhdf5 a
  ///   missing file's would silently read as fill values. And when one is not in the folder.
  func shardBlocks() throws -> [(block: VirtualBlock, file: String)] {
    guard let blocks = try virtualBlocks(), !blocks.isEmpty else {
      throw ArtifactError(
        file: file, path: path,
        reason: "is virtual, but not made of other files' samples one file after the other")
    }
    // Where a link to the file leads, its shards are.
    let folder = URL(fileURLWithPath: try OutputFile.target(of: file)).deletingLastPathComponent()
    return try blocks.map { block in
      // Whoever made the file must not choose what else of the user's is read.
      guard !block.file.contains("/"), ![".", "..", ""].contains(block.file) else {
        throw ArtifactError(
          file: file, path: path,
          reason: "its shard \(block.file) is not a file in its own folder, and is not read")
      }
      return (block, folder.appendingPathComponent(block.file).path)
    }
  }
}
