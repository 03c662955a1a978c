// The digest of a file's content: SHA-256 over names, shapes, types and values of its datasets.

import Dispatch
import Foundation
import HDF5
import Synchronization

/// The digest of one dataset, fed with its values in row-major order.
struct DatasetDigest {
  private let hash = SHA256()

  /// Numbers count as their little-endian bytes, as in memory.
  func update<T: HDF5Scalar>(_ values: UnsafeBufferPointer<T>) {
    hash.update(UnsafeRawBufferPointer(values))
  }

  /// Each string counts as its UTF-8 bytes and a zero byte.
  func update(_ strings: [String]) {
    for string in strings { hash.update(Array(string.utf8) + [0]) }
  }

  /// Rows in other files count as the digests of these files.
  func update(_ blocks: [(block: VirtualBlock, fileDigest: String)]) {
    update(blocks.map { "\($0.block.path) \($0.block.rows) \($0.fileDigest)" })
  }

  func finalized() -> [UInt8] { hash.finalize() }
}

/// The digest over a set of datasets: SHA-256 of the lines "path type shape digest\n" in bytewise
/// order of the paths, with the shape as "4x65x65" and the dataset's own digest in hexadecimal.
public final class ContentDigest: Sendable {
  private let lines = Mutex<[String: String]>([:])
  private let pending = DispatchGroup()
  /// Values wait in memory until a core is free for them.
  private let cores = DispatchSemaphore(value: max(1, availableCores))

  public init() {}

  func add(_ path: String, type: ElementType, shape: [Int], _ digest: DatasetDigest) {
    let shape = shape.map(String.init).joined(separator: "x")
    let line = "\(path) \(type) \(shape) \(hexadecimal(digest.finalized()))\n"
    lines.withLock { $0[path] = line }
  }

  /// Digests values while the caller goes on, on another core.
  func add<T: HDF5Scalar>(_ path: String, _ values: [T], shape: [Int]) {
    cores.wait()
    DispatchQueue.global().async(group: pending) { [self] in
      let digest = DatasetDigest()
      values.withUnsafeBufferPointer { digest.update($0) }
      add(path, type: T.elementType, shape: shape, digest)
      cores.signal()
    }
  }

  /// Waits for what is being digested.
  func wait() { pending.wait() }

  public func hexDigest() -> String {
    wait()
    let hash = SHA256()
    lines.withLock { lines in
      for path in lines.keys.sorted(by: { $0.utf8.lexicographicallyPrecedes($1.utf8) }) {
        hash.update(Array((lines[path] ?? "").utf8))
      }
    }
    return hexadecimal(hash.finalize())
  }

  /// The digest of weights, the `model_sha256` that ties scores and masks to the model they were
  /// made for: over `/parameters` as a model.h5 stores them.
  ///
  /// - Parameters:
  ///   - count: of the parameters.
  ///   - parameter: one of them; called on several threads, so that few are held at a time.
  public static func ofParameters(
    _ count: Int, _ parameter: @Sendable (Int) throws -> NamedArray
  ) throws -> String {
    let content = ContentDigest()
    let failure = Mutex<(any Error)?>(nil)
    DispatchQueue.concurrentPerform(iterations: count) { index in
      do {
        let parameter = try parameter(index)
        let digest = DatasetDigest()
        parameter.values.withUnsafeBufferPointer { digest.update($0) }
        content.add(
          "/parameters/" + parameter.name, type: .float32, shape: parameter.shape, digest)
      } catch {
        failure.withLock { $0 = $0 ?? error }
      }
    }
    if let failure = failure.withLock({ $0 }) { throw failure }
    return content.hexDigest()
  }
}

func hexadecimal(_ bytes: [UInt8]) -> String {
  bytes.map { byte in
    let digits = String(byte, radix: 16)
    return digits.count == 1 ? "0" + digits : digits
  }.joined()
}

extension ArtifactReader {
  /// The digest recorded in the file; nil in files that others wrote.
  public var recordedDigest: String? {
    try? root.attribute("content_sha256")
  }

  /// Compares what the file holds now with its recorded digest; so too for the shards of a data set.
  ///
  /// - Returns: the digest.
  /// - Throws: ``ArtifactError`` naming the file that was changed or damaged, or carries no digest.
  public func verifiedDigest() throws -> String { try verifiedDigest(mayHaveShards: true) }

  private func verifiedDigest(mayHaveShards: Bool) throws -> String {
    guard let recordedDigest else {
      throw error("/@content_sha256", "missing, so there is nothing to compare with")
    }
    guard try computedDigest(mayHaveShards: mayHaveShards) == recordedDigest else {
      throw error("", "content differs from content_sha256: the file was changed or damaged")
    }
    return recordedDigest
  }

  /// The digest of what the file holds now.
  public func computedDigest() throws -> String { try computedDigest(mayHaveShards: true) }

  private func computedDigest(mayHaveShards: Bool) throws -> String {
    let content = ContentDigest()
    var shards: [String: String] = [:]
    for path in try root.allDatasetPaths() {
      let dataset = try root.dataset(path)
      let digest = DatasetDigest()
      if dataset.isVirtual {
        guard mayHaveShards else { throw error(path, "is virtual, in a file that is a shard") }
        let blocks = try dataset.shardBlocks()
        for (_, file) in blocks where shards[file] == nil {
          shards[file] = try ArtifactReader(opening: file, as: .dataset)
            .verifiedDigest(mayHaveShards: false)
        }
        digest.update(blocks.map { ($0.block, shards[$0.file] ?? "") })
        content.add(path, type: dataset.elementType, shape: dataset.shape, digest)
        continue
      }
      switch dataset.elementType {
      case .string: digest.update(try dataset.readStrings())
      case .float32: try feed(dataset, Float.self, to: digest)
      case .float64: try feed(dataset, Double.self, to: digest)
      case .uint8: try feed(dataset, UInt8.self, to: digest)
      case .uint16: try feed(dataset, UInt16.self, to: digest)
      case .int64: try feed(dataset, Int64.self, to: digest)
      case let other: throw error(path, "has the unexpected type \(other)")
      }
      content.add(path, type: dataset.elementType, shape: dataset.shape, digest)
    }
    return content.hexDigest()
  }

  /// Reads a dataset a few rows at a time, so that its size does not matter.
  private func feed<T: HDF5Scalar>(
    _ dataset: Dataset, _ type: T.Type, to digest: DatasetDigest
  ) throws {
    guard let rows = dataset.shape.first, rows > 0 else {
      try dataset.read(as: type).withUnsafeBufferPointer { digest.update($0) }
      return
    }
    let rest = Array(dataset.shape.dropFirst())
    let rowsAtOnce = max(1, (1 << 22) / max(1, rest.reduce(1, *)))
    for start in stride(from: 0, to: rows, by: rowsAtOnce) {
      let values = try dataset.read(
        as: type, offset: [start] + rest.map { _ in 0 },
        count: [min(rowsAtOnce, rows - start)] + rest)
      values.withUnsafeBufferPointer { digest.update($0) }
    }
  }
}

/// The SHA-256 of a file's bytes, for inputs that carry no digest of their own.
func fileDigest(_ path: String) throws -> String {
  let file = try InputFile(path)
  let hash = SHA256()
  while true {
    let bytes = try file.read(upTo: 1 << 20)
    if bytes.isEmpty { return hexadecimal(hash.finalize()) }
    hash.update(bytes)
  }
}

private let availableCores = Int(sysconf(Int32(_SC_NPROCESSORS_ONLN)))
