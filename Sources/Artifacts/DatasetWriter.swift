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

  public init(
    _ path: String, tasks: [DatasetTask], storage: [Storage], provenance: Provenance
  ) throws {
    writer = try ArtifactWriter(path, kind: .dataset, provenance: provenance)
    self.tasks = tasks
    self.storage = storage
    try writer.naming {
      try writer.root.setAttribute("tasks", tasks.map(\.name))
      _ = try writer.root.createGroup("tasks")
      for task in tasks {
        let group = try writer.root.createGroup("tasks/" + task.name)
        try group.setAttribute("kind", task.kind.rawValue)
        try group.setAttribute("channels", task.channels)
        try group.setAttribute("loss_weight", task.lossWeight)
        if task.kind == .regression { try group.setAttribute("metrics", task.metrics.rawValue) }
      }
    }
    for task in tasks {
      if let names = task.classNames {
        try writer.writeStrings("tasks/\(task.name)/class_names", names)
      }
      if let weights = task.classWeights {
        try writer.write("tasks/\(task.name)/class_weights", weights, shape: [weights.count])
      }
    }
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
    try writer.naming { _ = try writer.root.createGroup(split.rawValue) }
    let shape = [count, height, width]
    let image = try writer.stream("\(split.rawValue)/image", of: UInt8.self, shape: shape + [3])
    self.image = image
    var codecs = [image.codec]
    targets = try zip(tasks, storage).map { task, storage in
      let path = "\(split.rawValue)/\(task.name)"
      let shape = shape + (task.kind == .normals ? [3] : [])
      func stream<T: HDF5Scalar>(_ convert: (Double) -> T) throws -> SampleStream<T> {
        let stream = try writer.stream(path, of: T.self, shape: shape)
        try writer.naming {
          try storage.encoding.write(to: stream.dataset, as: T.self, convert)
        }
        codecs.append(stream.codec)
        return stream
      }
      return switch storage.element {
      case .uint8: .uint8(try stream { UInt8(clamping: Int($0)) })
      case .uint16: .uint16(try stream { UInt16(clamping: Int($0)) })
      case .float32: .float32(try stream { Float($0) })
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
  public func append(_ sample: SamplePacker.Packed) throws {
    try writer.naming {
      try image?.append(sample.image)
      for (target, stream) in zip(sample.targets, targets) {
        switch stream {
        case .uint8(let stream): try stream.append(target)
        case .uint16(let stream): try stream.append(target)
        case .float32(let stream): try stream.append(target)
        }
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
    image = nil
    targets = []
  }

  public func finish() throws {
    try endSplit()
    try writer.finish()
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
    encode(target, encoding) { value in
      // Comparisons with a value that is no number are false.
      value > 0 ? (value < Float(T.max) ? T(value) : T.max) : 0
    }
  }

  private func encode<T>(
    _ target: TargetMap, _ encoding: TargetEncoding, _ convert: (Float) -> T
  ) -> [T] {
    let channels = target.values.count / target.valid.count
    let fill = Float(encoding.fillValue ?? 0)
    let exact = encoding.scaleFactor == 1 && encoding.addOffset == 0
    let (scale, offset) = (Float(encoding.scaleFactor), Float(encoding.addOffset))
    return target.values.enumerated().map { index, value in
      guard target.valid[index / channels] else { return convert(fill) }
      return convert(exact ? value : ((value - offset) / scale).rounded())
    }
  }
}
