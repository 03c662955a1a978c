// The time that a network takes for an image, as metrics.h5 records it.

import HDF5

/// The time that a network took for an image on one machine, and how that was measured.
public struct Timing: Sendable, Equatable {
  /// Seconds per image of the dense engine.
  public let dense: Double
  /// Seconds per image of the sparse engine, in float32; nil where it cannot run the network.
  public let sparse: Double?
  /// Images that went through the network at once.
  public let batchSize: Int
  public let threads: Int
  /// The dense engine's arithmetic, such as "float32".
  public let precision: String
  /// The processor's name, where the system tells it.
  public let processor: String?

  public init(
    dense: Double, sparse: Double?, batchSize: Int, threads: Int, precision: String,
    processor: String?
  ) {
    self.dense = dense
    self.sparse = sparse
    self.batchSize = batchSize
    self.threads = threads
    self.precision = precision
    self.processor = processor
  }
}

extension ArtifactWriter {
  func write(_ timing: Timing) throws {
    try root.setAttribute("seconds_per_image_dense", timing.dense)
    if let sparse = timing.sparse { try root.setAttribute("seconds_per_image_sparse", sparse) }
    try root.setAttribute("timing_batch_size", timing.batchSize)
    try root.setAttribute("timing_threads", timing.threads)
    try root.setAttribute("timing_precision", timing.precision)
    if let processor = timing.processor { try root.setAttribute("processor", processor) }
  }
}

extension ArtifactReader {
  /// Nil where nothing was timed.
  func readTiming() throws -> Timing? {
    guard root.hasAttribute("seconds_per_image_dense") else { return nil }
    func seconds(_ name: String) throws -> Double { try number(name, in: 1e-9...1e9) }
    func count(_ name: String) throws -> Int { try checkCount(root.attribute(name), "/@" + name) }
    return Timing(
      dense: try seconds("seconds_per_image_dense"),
      sparse: root.hasAttribute("seconds_per_image_sparse")
        ? try seconds("seconds_per_image_sparse") : nil,
      batchSize: try count("timing_batch_size"), threads: try count("timing_threads"),
      precision: try root.attribute("timing_precision"),
      processor: root.hasAttribute("processor") ? try root.attribute("processor") : nil)
  }
}
