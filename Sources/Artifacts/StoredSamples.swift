// The samples of one dataset of a split: read chunk by chunk and inflated outside libhdf5's lock.

import HDF5

/// A dataset whose first axis counts samples.
struct StoredSamples: Sendable {
  let dataset: Dataset
  /// How to unpack a sample's chunk; nil where samples are not stored so, and libhdf5 reads them.
  private let codec: ChunkCodec?

  init(_ dataset: Dataset) throws {
    self.dataset = dataset
    let isPerSample = dataset.chunk == [1] + dataset.shape.dropFirst()
    codec = isPerSample ? try dataset.chunkCodec() : nil
  }

  /// One sample, row-major; its type is the stored one where it is to be fast.
  func read<T: HDF5Scalar>(_ index: Int, as type: T.Type = T.self) throws -> [T] {
    let start = [index] + dataset.shape.dropFirst().map { _ in 0 }
    let shape = [1] + dataset.shape.dropFirst()
    if let codec, T.elementType == dataset.elementType,
      let packed = try dataset.readChunk(at: start)
    {
      var isGood = false
      let values = [T](unsafeUninitializedCapacity: codec.count / MemoryLayout<T>.stride) {
        memory, initialized in
        isGood = codec.unpack(packed, into: UnsafeMutableRawBufferPointer(memory))
        initialized = isGood ? memory.count : 0
      }
      if isGood { return values }
      throw ArtifactError(
        file: dataset.file, path: dataset.path, reason: "sample \(index) is damaged")
    }
    return try dataset.read(as: type, offset: start, count: shape)
  }
}
