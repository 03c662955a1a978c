// Writing a file so that it appears whole or not at all: a temporary file beside the target, closed
// with the close checked, then renamed.

import Foundation
import HDF5

public final class ArtifactWriter {
  /// The name under which the file will appear.
  public let path: String
  public var root: Group { file.root }

  private let file: File
  private let partial: PartialFile
  private let content = ContentDigest()

  /// - Parameter holdsVirtual: whether virtual datasets may be written.
  /// - Throws: ``ArtifactError`` when the folder does not exist or cannot be written to, somebody else
  ///   is writing the file, or something is there that a file of this kind must not replace.
  public init(
    _ path: String, kind: ArtifactKind, provenance: Provenance, holdsVirtual: Bool = false
  ) throws {
    self.path = path
    try OutputFile.check(path, .artifact(kind))
    partial = try PartialFile.begin(path)
    do {
      // The temporary file has our own lock.
      file = try File.create(
        partial.partialPath, called: path, holdsVirtual: holdsVirtual, locks: false,
        hasFewChunks: kind != .dataset)
      try provenance.write(to: file.root, kind: kind)
    } catch {
      partial.giveUp()
      throw error
    }
  }

  deinit {
    try? file.close()
    partial.giveUp()
    // Nothing goes on behind the owner's back: the process may be about to end.
    content.wait()
  }

  public enum Compression: Sendable {
    /// For numbers that look like noise: weights, scores.
    case none
    /// Shuffle and deflate.
    case deflate
    /// For weights and masks that are mostly zeros: deflate alone, and with patience. Shuffled, each byte
    /// of a weight would have to tell anew where it stands.
    case sparse

    /// For masks that another stage reads: deflate alone, in a hurry.
    case fast

    fileprivate var level: Int {
      switch self {
      case .none: 0
      case .fast: 1
      case .deflate: 4
      case .sparse: 9
      }
    }
  }

  /// Elements of a chunk, about.
  private static let chunkElements = 1 << 20

  /// Writes a whole dataset.
  public func write<T: HDF5Scalar>(
    _ path: String, _ values: [T], shape: [Int], _ compression: Compression = .none
  ) throws {
    // Taken on another core meanwhile.
    content.add("/" + path, values, shape: shape)
    let chunk = compression == .none ? nil : Self.chunk(of: shape)
    let dataset = try root.createDataset(
      path, of: T.self, shape: shape, chunk: chunk,
      compression: chunk == nil ? nil : compression.level, shuffles: compression == .deflate)
    if chunk != nil, let codec = try dataset.chunkCodec() {
      try writeChunks(values, of: dataset, codec)
    } else {
      try dataset.write(values)
    }
  }

  /// Packs chunks of whole rows on all cores; libhdf5 would do it one after the other.
  private func writeChunks<T: HDF5Scalar>(
    _ values: [T], of dataset: Dataset, _ codec: ChunkCodec
  ) throws {
    let elements = codec.count / MemoryLayout<T>.stride
    let count = (values.count + elements - 1) / elements
    let rows = dataset.chunk?.first ?? 1
    // A few at a time, so that little memory holds them.
    let atOnce = 2 * ProcessInfo.processInfo.activeProcessorCount
    for first in stride(from: 0, to: count, by: atOnce) {
      let chunks = first..<min(first + atOnce, count)
      let packed = [[UInt8]](unsafeUninitializedCapacity: chunks.count) { packed, initialized in
        nonisolated(unsafe) let packed = packed
        DispatchQueue.concurrentPerform(iterations: chunks.count) { index in
          let start = (first + index) * elements
          let end = min(start + elements, values.count)
          var chunk = values[start..<end].withUnsafeBytes(Array.init)
          // The last chunk reaches beyond the rows.
          chunk += [UInt8](repeating: 0, count: codec.count - chunk.count)
          packed.initializeElement(at: index, to: chunk.withUnsafeBytes(codec.pack))
        }
        initialized = chunks.count
      }
      for (index, bytes) in packed.enumerated() {
        try dataset.writeChunk(bytes, atRow: (first + index) * rows)
      }
    }
  }

  public func writeStrings(_ path: String, _ strings: [String]) throws {
    let dataset = try root.writeStrings(path, strings)
    let digest = DatasetDigest()
    digest.update(strings)
    content.add(dataset.path, type: .string, shape: [strings.count], digest)
  }

  /// A dataset whose rows are those of other artifacts' datasets.
  ///
  /// - Parameters:
  ///   - rowShape: the shape of a row.
  ///   - blocks: the rows, with the `content_sha256` of the file they are in.
  /// - Returns: the dataset, for its attributes.
  func writeVirtual(
    _ path: String, of type: ElementType, rowShape: [Int],
    blocks: [(block: VirtualBlock, fileDigest: String)]
  ) throws -> Dataset {
    let dataset = try root.createVirtualDataset(
      path, of: type, rowShape: rowShape, blocks: blocks.map(\.block))
    let digest = DatasetDigest()
    digest.update(blocks)
    content.add(dataset.path, type: type, shape: dataset.shape, digest)
    return dataset
  }

  /// A dataset that is written sample by sample, one compressed chunk each.
  public func stream<T: HDF5Scalar>(_ path: String, of type: T.Type, shape: [Int]) throws
    -> SampleStream<T>
  {
    let dataset = try root.createDataset(
      path, of: type, shape: shape, chunk: [1] + shape.dropFirst(), compression: 1)
    guard let codec = try dataset.chunkCodec() else {
      throw ArtifactError(file: self.path, path: path, reason: "is not made of samples")
    }
    return SampleStream(dataset, shape: shape, codec)
  }

  /// Ends a stream.
  ///
  /// - Parameter mayBeFewer: cut the dataset to the samples that were written, instead of failing.
  public func finish<T>(_ stream: SampleStream<T>, mayBeFewer: Bool = false) throws {
    if stream.written < stream.shape[0] {
      guard mayBeFewer else {
        throw ArtifactError(
          file: path, path: stream.dataset.path,
          reason: "expected \(stream.shape[0]) samples, wrote \(stream.written)")
      }
      try stream.dataset.shrink(toRows: stream.written)
    }
    content.add(
      stream.dataset.path, type: T.elementType, shape: [stream.written] + stream.shape.dropFirst(),
      stream.digest)
  }

  /// Closes the file and gives it its name.
  ///
  /// - Throws: ``ArtifactError`` when a byte did not reach the disk; then nothing appears.
  public func finish() throws {
    try root.setAttribute("content_sha256", content.hexDigest())
    try file.flush()
    try file.close()
    try partial.finish()
  }

  /// Whole rows of the first axis, about ``chunkElements`` in all; nil for what has no elements.
  private static func chunk(of shape: [Int]) -> [Int]? {
    guard let rows = shape.first, shape.allSatisfy({ $0 > 0 }) else { return nil }
    let rest = shape.dropFirst()
    return [max(1, min(rows, chunkElements / rest.reduce(1, *)))] + rest
  }
}

/// Samples along the first axis, written in order.
public final class SampleStream<T: HDF5Scalar> {
  public let dataset: Dataset
  let codec: ChunkCodec
  let shape: [Int]
  fileprivate(set) var written = 0
  fileprivate let digest = DatasetDigest()

  fileprivate init(_ dataset: Dataset, shape: [Int], _ codec: ChunkCodec) {
    self.dataset = dataset
    self.shape = shape
    self.codec = codec
  }

  /// Packs and writes the next sample.
  public func append(_ sample: [T]) throws { try append(PackedSample(sample, codec)) }

  func append(_ sample: PackedSample) throws {
    guard written < shape[0], sample.values.count == codec.count else {
      throw ArtifactError(
        file: dataset.file, path: dataset.path,
        reason: "sample \(written) of \(sample.values.count) bytes is too many or too large")
    }
    try dataset.writeChunk(sample.packed, atRow: written)
    sample.values.withUnsafeBufferPointer { digest.update($0) }
    written += 1
  }
}

/// A sample's numbers for one dataset, as they stand in memory and in the file.
struct PackedSample: Sendable {
  let values: [UInt8]
  let packed: [UInt8]

  init<T: HDF5Scalar>(_ values: [T], _ codec: ChunkCodec) {
    self.values = values.withUnsafeBytes(Array.init)
    packed = values.withUnsafeBytes(codec.pack)
  }
}
