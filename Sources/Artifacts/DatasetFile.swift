// dataset.h5: images with a target per task.

import Formatting
import HDF5

/// The parts of a data set.
public enum Split: String, Sendable, CaseIterable {
  case train, validation, test
}

/// How stored numbers become physical ones: the CF conventions' attributes
/// (cfconventions.org, sections 8.1, 2.5.1 and 2.6.2).
public struct TargetEncoding: Equatable, Sendable {
  /// The stored number that means "no ground truth".
  public var fillValue: Double?
  /// Value = stored × scaleFactor + addOffset.
  public var scaleFactor: Double
  public var addOffset: Double
  /// Values at or below this, or above validMax, are no ground truth.
  public var validMin: Double?
  public var validMax: Double?
  public var units: String?
  /// Normals whose x is to be negated when the image is mirrored.
  public var signedX: Bool
  /// What else a person should know of the values, such as how they were computed.
  public var comment: String?

  public init(
    fillValue: Double? = nil, scaleFactor: Double = 1, addOffset: Double = 0,
    validMin: Double? = nil, validMax: Double? = nil, units: String? = nil, signedX: Bool = false,
    comment: String? = nil
  ) {
    self.fillValue = fillValue
    self.scaleFactor = scaleFactor
    self.addOffset = addOffset
    self.validMin = validMin
    self.validMax = validMax
    self.units = units
    self.signedX = signedX
    self.comment = comment
  }

  init(of dataset: Dataset) throws {
    func number(_ name: String) throws -> Double? {
      dataset.hasAttribute(name) ? try dataset.attribute(name) : nil
    }
    fillValue = try number("_FillValue")
    scaleFactor = try number("scale_factor") ?? 1
    addOffset = try number("add_offset") ?? 0
    func limit(_ name: String) throws -> Double? {
      let value = try number(name)
      // Nothing is above or below it, so there would be no ground truth.
      if value?.isNaN == true {
        throw ArtifactError(
          file: dataset.file, path: "\(dataset.path)@\(name)", reason: "is not a number")
      }
      return value
    }
    validMin = try limit("valid_min")
    validMax = try limit("valid_max")
    units = dataset.hasAttribute("units") ? try dataset.attribute("units") : nil
    signedX = try number("signed_x") == 1
    comment = dataset.hasAttribute("comment") ? try dataset.attribute("comment") : nil
  }

  /// - Parameter dataset: of uint8, uint16 or float32, which becomes the fill value's type too.
  func write(to dataset: Dataset) throws {
    if let fillValue {
      func whole<T: FixedWidthInteger>() -> T {
        T(clamping: Int(exactly: fillValue.rounded()) ?? 0)
      }
      switch dataset.elementType {
      case .uint8: try dataset.setAttribute("_FillValue", typed: whole() as UInt8)
      case .uint16: try dataset.setAttribute("_FillValue", typed: whole() as UInt16)
      default: try dataset.setAttribute("_FillValue", typed: Float(fillValue))
      }
    }
    if scaleFactor != 1 { try dataset.setAttribute("scale_factor", scaleFactor) }
    if addOffset != 0 { try dataset.setAttribute("add_offset", addOffset) }
    if let validMin { try dataset.setAttribute("valid_min", validMin) }
    if let validMax { try dataset.setAttribute("valid_max", validMax) }
    if let units { try dataset.setAttribute("units", units) }
    if signedX { try dataset.setAttribute("signed_x", 1) }
    if let comment { try dataset.setAttribute("comment", comment) }
  }
}

/// One task's target for one image, decoded.
public struct TargetMap: Sendable, Equatable {
  /// Physical values, H×W×channels; classes as whole numbers.
  public var values: [Float]
  /// Per pixel, H×W: whether there is ground truth.
  public var valid: [Bool]

  public init(values: [Float], valid: [Bool]) {
    self.values = values
    self.valid = valid
  }
}

/// One image with its targets.
public struct Sample: Sendable, Equatable {
  public var height: Int
  public var width: Int
  /// H×W×3, RGB.
  public var image: [UInt8]
  /// In the data set's task order.
  public var targets: [TargetMap]

  public init(height: Int, width: Int, image: [UInt8], targets: [TargetMap]) {
    self.height = height
    self.width = width
    self.image = image
    self.targets = targets
  }
}

/// A data set opened for reading. Its layout is checked on opening, its values as they are read.
public final class DatasetFile: Sendable {
  /// One split: its size and where its targets lie.
  public struct SplitInfo: Sendable {
    public let split: Split
    public let count: Int
    public let height: Int
    public let width: Int
    let image: StoredSamples
    let targets: [(samples: StoredSamples, encoding: TargetEncoding)]

    public func encoding(ofTask task: Int) -> TargetEncoding { targets[task].encoding }
  }

  public let reader: ArtifactReader
  public let tasks: [DatasetTask]
  public let splits: [SplitInfo]
  /// The files that hold the samples of a data set in shards; none for one in a single file.
  public let shards: [String]

  /// - Throws: ``ArtifactError`` naming the dataset or attribute that is missing or misshaped.
  public init(opening path: String) throws {
    let reader = try ArtifactReader(opening: path, as: .dataset)
    self.reader = reader
    let names: [String] = try reader.root.attribute("tasks")
    guard !names.isEmpty else { throw reader.error("/@tasks", "names no task") }
    guard Set(names).count == names.count else {
      throw reader.error("/@tasks", "names a task twice")
    }
    let tasks = try names.map { try DatasetFile.task($0, in: reader) }
    self.tasks = tasks
    var shards: [String: File] = [:]
    splits = try Split.allCases.filter { $0 == .train || reader.root.contains($0.rawValue) }
      .map { try DatasetFile.split($0, tasks, in: reader, shards: &shards) }
    self.shards = shards.keys.sorted()
  }

  public func info(_ split: Split) throws -> SplitInfo {
    guard let info = splits.first(where: { $0.split == split }) else {
      throw reader.error("/" + split.rawValue, "missing; this data set has no such split")
    }
    return info
  }

  private static func task(_ name: String, in reader: ArtifactReader) throws -> DatasetTask {
    let group = try reader.root.group("tasks/" + name)
    func attributePath(_ attribute: String) -> String { "/tasks/\(name)@\(attribute)" }
    let kindName: String = try group.attribute("kind")
    guard let kind = DatasetTask.Kind(rawValue: kindName) else {
      let known = DatasetTask.Kind.allCases.map(\.rawValue).joined(separator: ", ")
      throw reader.error(attributePath("kind"), "'\(kindName)' is none of \(known)")
    }
    let channels: Int = try group.attribute("channels")
    let allowed = kind.channels
    guard allowed.contains(channels) else {
      throw reader.error(
        attributePath("channels"), "\(channels) is not in \(allowed) as \(kind.rawValue) needs")
    }
    let lossWeight: Double = try group.attribute("loss_weight")
    guard lossWeight.isFinite, lossWeight >= 0 else {
      throw reader.error(attributePath("loss_weight"), "\(lossWeight) is not a number ≥ 0")
    }
    var metrics: DatasetTask.Metrics?
    if group.hasAttribute("metrics") {
      let name: String = try group.attribute("metrics")
      metrics = DatasetTask.Metrics(rawValue: name)
      if metrics == nil {
        throw reader.error(attributePath("metrics"), "'\(name)' is neither depth nor error")
      }
    }
    func perClass<Value>(_ dataset: String, _ read: (Dataset) throws -> [Value]) throws -> [Value]?
    {
      guard group.contains(dataset) else { return nil }
      let values = try read(try group.dataset(dataset))
      guard values.count == channels else {
        throw reader.error(
          "/tasks/\(name)/\(dataset)", "expected \(channels) values, found \(values.count)")
      }
      return values
    }
    let weights = try perClass("class_weights") { try $0.read(as: Float.self) }
    if let weights, !weights.allSatisfy({ $0.isFinite && $0 >= 0 }) {
      throw reader.error("/tasks/\(name)/class_weights", "a weight is not a number ≥ 0")
    }
    return DatasetTask(
      name: name, kind: kind, channels: channels, lossWeight: lossWeight, metrics: metrics,
      classNames: try perClass("class_names") { try $0.readStrings() }, classWeights: weights)
  }

  private static func split(
    _ split: Split, _ tasks: [DatasetTask], in reader: ArtifactReader,
    shards: inout [String: File]
  ) throws -> SplitInfo {
    let group = try reader.root.group(split.rawValue)
    let image = try group.dataset("image")
    guard image.elementType == .uint8 else {
      throw reader.error(image.path, "expected uint8, found \(image.elementType)")
    }
    guard image.shape.count == 4, image.shape[3] == 3, !image.shape.dropFirst().contains(0) else {
      throw reader.error(image.path, "expected shape N×H×W×3, found \(Format.shape(image.shape))")
    }
    let (count, height, width) = (image.shape[0], image.shape[1], image.shape[2])
    guard count > 0 else { throw reader.error(image.path, "has no images") }
    let targets = try tasks.map { task in
      let target = try group.dataset(task.name)
      let expected = task.kind.shape([count, height, width])
      guard target.shape == expected else {
        throw reader.error(
          target.path,
          "expected shape \(Format.shape(expected)), found \(Format.shape(target.shape))")
      }
      let types: [ElementType] =
        task.kind.storesClasses ? [.uint8, .uint16] : [.float32, .uint8, .uint16]
      guard types.contains(target.elementType) else {
        let names = types.map(\.description).joined(separator: " or ")
        throw reader.error(target.path, "expected \(names), found \(target.elementType)")
      }
      return (try StoredSamples(target, shards: &shards), try TargetEncoding(of: target))
    }
    let images = try StoredSamples(image, shards: &shards)
    try images.checkStored()
    return SplitInfo(
      split: split, count: count, height: height, width: width, image: images, targets: targets)
  }

  /// Reads and decodes one image with its targets; from any thread.
  ///
  /// - Throws: ``ArtifactError`` that names sample, row and column of a target that cannot be: of a
  ///   number that is not finite, a class outside 0..channels−1, or a depth that is not above 0 though
  ///   its encoding takes it for ground truth.
  public func sample(_ index: Int, of info: SplitInfo) throws -> Sample {
    Sample(
      height: info.height, width: info.width, image: try info.image.read(index, as: UInt8.self),
      targets: try targets(of: index, in: info))
  }

  /// The targets of ``sample(_:of:)`` without their image.
  public func targets(of index: Int, in info: SplitInfo) throws -> [TargetMap] {
    try zip(tasks, info.targets).map { task, target in
      let (samples, encoding) = target
      do {
        return switch samples.dataset.elementType {
        case .uint8: try decode(samples.read(index) as [UInt8], encoding, task)
        case .uint16: try decode(samples.read(index) as [UInt16], encoding, task)
        default: try decode(samples.read(index) as [Float], encoding, task)
        }
      } catch let problem as BadValue {
        let (row, column) = problem.pixel.quotientAndRemainder(dividingBy: info.width)
        throw reader.error(
          samples.dataset.path,
          "sample \(index): \(problem.value) at row \(row), column \(column) \(problem.reason)")
      }
    }
  }
}

/// A stored number that decodes to a physical one.
private protocol StoredNumber: Equatable {
  var number: Float { get }
}

extension UInt8: StoredNumber { fileprivate var number: Float { Float(self) } }
extension UInt16: StoredNumber { fileprivate var number: Float { Float(self) } }
extension Float: StoredNumber { fileprivate var number: Float { self } }

/// A target value that cannot be.
private struct BadValue: Error {
  /// In words, as "label 40".
  let value: String
  let pixel: Int
  let reason: String
}

/// Which decoded values are ground truth, which are none, and which cannot be.
private struct ValueRules {
  let scale: Float
  let offset: Float
  /// Values at or below `lowest` or above `highest` are no ground truth.
  let lowest: Float
  let highest: Float
  /// Values below `smallest`, from `end` on, or, unless they are no ground truth for `lowest`, at or
  /// below `floor` cannot be.
  let smallest: Float
  let end: Float
  let floor: Float
  let fill: Float?

  init(_ encoding: TargetEncoding, _ task: DatasetTask) {
    (scale, offset) = (Float(encoding.scaleFactor), Float(encoding.addOffset))
    lowest = encoding.validMin.map(Float.init) ?? -.infinity
    highest = encoding.validMax.map(Float.init) ?? .infinity
    smallest = task.kind.storesClasses ? 0 : -Float.greatestFiniteMagnitude
    end = task.kind.storesClasses ? Float(task.channels) : .infinity
    floor = task.isDepth ? 0 : -.infinity
    fill = encoding.fillValue.map(Float.init)
  }

  /// 1 for a value that can be, else 0. Comparisons with what is no number are false.
  @inline(__always) func isProper(_ value: Float) -> Int32 {
    flag(value >= smallest) & flag(value < end)
      & (flag(value > floor) | (1 ^ flag(value > lowest)))
  }

  @inline(__always) func isInside(_ value: Float) -> Int32 {
    flag(value > lowest) & flag(value <= highest)
  }
}

/// Flags are numbers: `&&` would branch at every pixel.
@inline(__always) private func flag(_ condition: Bool) -> Int32 { condition ? 1 : 0 }

private func decode<T: StoredNumber>(
  _ stored: [T], _ encoding: TargetEncoding, _ task: DatasetTask
) throws -> TargetMap {
  let channels = task.targetChannels
  let rules = ValueRules(encoding, task)
  let (scale, offset) = (rules.scale, rules.offset)
  // Without a fill value no number is one.
  let (hasFill, fillNumber): (Int32, Float) = (rules.fill == nil ? 0 : 1, rules.fill ?? 0)
  let fillIsNaN: Int32 = fillNumber.isNaN ? 1 : 0

  let pixels = stored.count / channels
  var bad: Int32 = 0
  var valid: [Bool] = []
  let values = [Float](unsafeUninitializedCapacity: stored.count) { values, initialized in
    stored.withUnsafeBufferPointer { stored in
      valid = [Bool](unsafeUninitializedCapacity: pixels) { valid, initialized in
        // Straight loops of a known number of channels run on vectors.
        @inline(__always) func decode(channels: Int) {
          for pixel in 0..<pixels {
            // A normal is missing when all its components are the fill value, NaN among them.
            var isFill = hasFill
            var isInside: Int32 = 1
            var isProper: Int32 = 1
            for index in pixel * channels..<(pixel + 1) * channels {
              let number = stored[index].number
              let value = number * scale + offset
              isFill &= flag(number == fillNumber) | (fillIsNaN & flag(number != number))
              isInside &= rules.isInside(value)
              isProper &= rules.isProper(value)
              values[index] = value
            }
            for index in pixel * channels..<(pixel + 1) * channels {
              values[index] = isFill == 0 ? values[index] : 0
            }
            valid[pixel] = isInside & ~isFill != 0
            bad |= ~(isFill | isProper) & 1
          }
        }
        if channels == 1 { decode(channels: 1) } else { decode(channels: 3) }
        initialized = pixels
      }
    }
    initialized = stored.count
  }
  if bad != 0 { throw firstBadValue(stored.map(\.number), rules, task) }
  return TargetMap(values: values, valid: valid)
}

/// What is wrong with the first value that cannot be.
private func firstBadValue(_ stored: [Float], _ rules: ValueRules, _ task: DatasetTask) -> BadValue
{
  let channels = task.targetChannels
  for pixel in 0..<stored.count / channels {
    let numbers = stored[pixel * channels..<(pixel + 1) * channels]
    if let fill = rules.fill, numbers.allSatisfy({ $0 == fill || $0.isNaN && fill.isNaN }) {
      continue
    }
    let values = numbers.map { $0 * rules.scale + rules.offset }
    guard let value = values.first(where: { rules.isProper($0) == 0 }) else { continue }
    if !value.isFinite {
      return BadValue(value: "value \(value)", pixel: pixel, reason: "is not a finite number")
    }
    if task.kind.storesClasses {
      let label = Int(exactly: value).map(String.init) ?? "\(value)"
      return BadValue(
        value: "label \(label)", pixel: pixel, reason: "is outside 0...\(task.channels - 1)")
    }
    return BadValue(
      value: "depth \(value)", pixel: pixel,
      reason: "is not above 0, and neither valid_min nor _FillValue makes it no ground truth")
  }
  return BadValue(value: "a value", pixel: 0, reason: "cannot be")
}
