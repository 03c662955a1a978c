// Writing a dataset.h5 sample by sample: samples are packed on any thread and written in order.

import HDF5

/// How a task's target becomes numbers of a file, and back.
public struct TargetStorage: Sendable {
  public enum Element: Sendable { case uint8, uint16, float32 }

  public let element: Element
  public let encoding: TargetEncoding

  public init(_ element: Element, _ encoding: TargetEncoding) {
    self.element = element
    self.encoding = encoding
  }
}

/// Writes a data set sample by sample.
public final class DatasetWriter {
  public typealias Storage = TargetStorage

  private enum TargetStream {
    case uint8(SampleStream<UInt8>)
    case uint16(SampleStream<UInt16>)
    case float32(SampleStream<Float>)
  }

  private let writer: ArtifactWriter
  private let tasks: [DatasetTask]
  private let storage: [Storage]
  private var image: SampleStream<UInt8>?
  private var targets: [TargetStream] = []
  private var packer: SamplePacker?
  private var mayBeFewer = false
  private var names: [String] = []

  /// - Parameter shard: which part of a data set this is; nil for a whole one.
  public init(
    _ path: String, tasks: [DatasetTask], storage: [Storage], provenance: Provenance,
    shard: Shard? = nil
  ) throws {
    writer = try ArtifactWriter(path, kind: .dataset, provenance: provenance)
    self.tasks = tasks
    self.storage = storage
    try writer.write(tasks)
    if let shard { try shard.write(to: writer.root) }
  }

  /// Begins a split of `count` samples, and says how to pack them.
  ///
  /// - Parameter mayBeFewer: whether the split may end before `count`.
  @discardableResult
  public func begin(
    _ split: Split, count: Int, height: Int, width: Int, mayBeFewer: Bool = false
  ) throws -> SamplePacker {
    try endSplit()
    self.mayBeFewer = mayBeFewer
    _ = try writer.root.createGroup(split.rawValue)
    let shape = [count, height, width]
    let image = try writer.stream("\(split.rawValue)/image", of: UInt8.self, shape: shape + [3])
    self.image = image
    var codecs = [image.codec]
    targets = try zip(tasks, storage).map { task, storage in
      let path = "\(split.rawValue)/\(task.name)"
      let shape = task.kind.shape(shape)
      func stream<T: HDF5Scalar>() throws -> SampleStream<T> {
        let stream = try writer.stream(path, of: T.self, shape: shape)
        try storage.encoding.write(to: stream.dataset)
        codecs.append(stream.codec)
        return stream
      }
      return switch storage.element {
      case .uint8: .uint8(try stream())
      case .uint16: .uint16(try stream())
      case .float32: .float32(try stream())
      }
    }
    let packer = SamplePacker(
      file: writer.path, path: image.dataset.path, height: height, width: width, tasks: tasks,
      storage: storage, codecs: codecs)
    self.packer = packer
    return packer
  }

  /// Packs and writes the next sample of the split.
  public func append(_ sample: Sample) throws {
    if let packer { try append(packer.pack(sample)) }
  }

  /// Writes the next sample of the split.
  ///
  /// - Parameter name: what it is called; all samples of a split have a name, or none.
  public func append(_ sample: SamplePacker.Packed, name: String? = nil) throws {
    if let name { names.append(name) }
    try image?.append(sample.image)
    for (target, stream) in zip(sample.targets, targets) {
      switch stream {
      case .uint8(let stream): try stream.append(target)
      case .uint16(let stream): try stream.append(target)
      case .float32(let stream): try stream.append(target)
      }
    }
  }

  private func endSplit() throws {
    if let image { try writer.finish(image, mayBeFewer: mayBeFewer) }
    for target in targets {
      switch target {
      case .uint8(let stream): try writer.finish(stream, mayBeFewer: mayBeFewer)
      case .uint16(let stream): try writer.finish(stream, mayBeFewer: mayBeFewer)
      case .float32(let stream): try writer.finish(stream, mayBeFewer: mayBeFewer)
      }
    }
    if let image, !names.isEmpty {
      let split = image.dataset.path.split(separator: "/").dropLast().joined(separator: "/")
      try writer.writeStrings(split + "/name", names)
    }
    image = nil
    targets = []
    names = []
  }

  /// Takes away the split that was begun, which turned out to have no samples.
  public func abandon(_ split: Split) throws {
    image = nil
    targets = []
    names = []
    try writer.root.remove(split.rawValue)
  }

  /// Closes the file and gives it its name.
  ///
  /// - Parameter leftOut: broken samples that are not in it; nil where none could be.
  public func finish(leftOut: Int? = nil) throws {
    try endSplit()
    if let leftOut { try writer.root.setAttribute("left_out", leftOut) }
    try writer.finish()
  }
}

extension ArtifactWriter {
  /// Writes what a data set says of its tasks.
  func write(_ tasks: [DatasetTask]) throws {
    try root.setAttribute("tasks", tasks.map(\.name))
    _ = try root.createGroup("tasks")
    for task in tasks {
      let group = try root.createGroup("tasks/" + task.name)
      try group.setAttribute("kind", task.kind.rawValue)
      try group.setAttribute("channels", task.channels)
      try group.setAttribute("loss_weight", task.lossWeight)
      if let metrics = task.metrics { try group.setAttribute("metrics", metrics.rawValue) }
    }
    for task in tasks {
      if let names = task.classNames {
        try writeStrings("tasks/\(task.name)/class_names", names)
      }
      if let weights = task.classWeights {
        try write("tasks/\(task.name)/class_weights", weights, shape: [weights.count])
      }
    }
  }
}

/// Encodes and compresses samples for a ``DatasetWriter``; from any thread.
public struct SamplePacker: Sendable {
  /// A sample as it will stand in the file.
  public struct Packed: Sendable {
    let image: PackedSample
    let targets: [PackedSample]
  }

  /// Where the images go.
  let file: String
  let path: String
  let height: Int
  let width: Int
  let tasks: [DatasetTask]
  let storage: [TargetStorage]
  /// Of the image, then of each target.
  let codecs: [ChunkCodec]

  /// - Throws: ``ArtifactError`` when the sample is not of the split's size.
  public func pack(_ sample: Sample) throws -> Packed {
    let pixels = height * width
    let fits =
      sample.height == height && sample.width == width && sample.image.count == 3 * pixels
      && sample.targets.count == tasks.count
      && zip(sample.targets, tasks).allSatisfy {
        $0.valid.count == pixels && $0.values.count == pixels * $1.targetChannels
      }
    guard fits else {
      throw ArtifactError(
        file: file, path: path,
        reason: "a sample is \(sample.height)×\(sample.width), expected \(height)×\(width)")
    }
    return Packed(
      image: PackedSample(sample.image, codecs[0]),
      targets: sample.targets.indices.map { task in
        let (target, codec) = (sample.targets[task], codecs[task + 1])
        let storage = storage[task]
        return switch storage.element {
        case .uint8: PackedSample(encode(target, storage.encoding) as [UInt8], codec)
        case .uint16: PackedSample(encode(target, storage.encoding) as [UInt16], codec)
        case .float32: PackedSample(encode(target, storage.encoding) { $0 }, codec)
        }
      })
  }

  /// To whole numbers; what is out of their range is cut to it.
  private func encode<T: FixedWidthInteger & UnsignedInteger>(
    _ target: TargetMap, _ encoding: TargetEncoding
  ) -> [T] {
    let largest = Float(T.max)
    return encode(target, encoding) { value in
      // Comparisons with a value that is no number are false.
      let inside = value > 0 ? (value < largest ? value : largest) : 0
      return T(truncatingIfNeeded: Int32(inside + 0.5))
    }
  }

  @inline(__always)
  private func encode<T>(
    _ target: TargetMap, _ encoding: TargetEncoding, _ convert: (Float) -> T
  ) -> [T] {
    let channels = target.values.count / target.valid.count
    let fill = convert(Float(encoding.fillValue ?? 0))
    let (scale, offset) = (Float(encoding.scaleFactor), Float(encoding.addOffset))
    return [T](unsafeUninitializedCapacity: target.values.count) { stored, initialized in
      target.values.withUnsafeBufferPointer { values in
        target.valid.withUnsafeBufferPointer { valid in
          @inline(__always) func encode(channels: Int) {
            for pixel in valid.indices {
              for index in pixel * channels..<(pixel + 1) * channels {
                let number = convert((values[index] - offset) / scale)
                stored[index] = valid[pixel] ? number : fill
              }
            }
          }
          // Loops of a known number of channels run on vectors.
          if channels == 1 { encode(channels: 1) } else { encode(channels: 3) }
        }
      }
      initialized = target.values.count
    }
  }
}
