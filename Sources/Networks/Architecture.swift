// What a network looks like: the settings that travel as JSON in scores.h5, masks.h5 and model.h5,
// and the parameters that follow from them.

import Foundation

/// The description of a `scene-net`: a dilated ResNet backbone with one ASPP head per task
/// (DeepLab-ResNet, Chen et al. 2018, as published with DiSparse, Sun et al. 2022).
public struct Architecture: Codable, Equatable, Sendable {
  /// How an 8-bit RGB image becomes the network's input: channels in `order`, then
  /// (value − mean) × scale.
  public struct Input: Codable, Equatable, Sendable {
    public var order: String
    public var mean: [Double]
    public var scale: Double

    public init(order: String, mean: [Double], scale: Double) {
      self.order = order
      self.mean = mean
      self.scale = scale
    }

    public static let published = Input(
      order: "BGR", mean: [104.006_987_93, 116.668_767_62, 122.678_914_34], scale: 1)
  }

  public struct Head: Codable, Equatable, Sendable {
    public var task: String
    public var channels: Int

    public init(task: String, channels: Int) {
      self.task = task
      self.channels = channels
    }
  }

  public var name: String
  /// Basic blocks per stage; 3, 4, 6, 3 is ResNet-34.
  public var stages: [Int]
  /// Channels of the first stage (W); stage s has 2ˢ · W.
  public var width: Int
  /// Channels inside a head (H).
  public var headWidth: Int
  /// Probability of dropout inside the heads, in training.
  public var dropout: Double
  public var input: Input
  /// One head per task, in the data set's task order.
  public var heads: [Head]

  enum CodingKeys: String, CodingKey {
    case name, stages, width
    case headWidth = "head_width"
    case dropout, input, heads
  }

  public init(
    stages: [Int], width: Int, headWidth: Int, dropout: Double, input: Input = .published,
    heads: [Head]
  ) {
    name = Architecture.sceneNet
    self.stages = stages
    self.width = width
    self.headWidth = headWidth
    self.dropout = dropout
    self.input = input
    self.heads = heads
  }

  public static let sceneNet = "scene-net"

  /// Reads and checks the JSON of an `architecture` attribute.
  ///
  /// - Throws: ``ArchitectureError`` naming the field that is missing or out of range.
  public init(json: String) throws {
    do {
      self = try JSONDecoder().decode(Architecture.self, from: Data(json.utf8))
    } catch let DecodingError.keyNotFound(key, _) {
      throw ArchitectureError("has no \(key.stringValue)")
    } catch {
      throw ArchitectureError("is not the JSON of an architecture")
    }
    try validate()
  }

  /// The JSON with its keys sorted, so that equal architectures give equal text.
  public func json() throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return String(decoding: try encoder.encode(self), as: UTF8.self)
  }

  /// - Throws: ``ArchitectureError`` when a setting is out of range.
  public func validate() throws {
    func require(_ condition: Bool, _ reason: String) throws {
      if !condition { throw ArchitectureError(reason) }
    }
    try require(name == Architecture.sceneNet, "names the unknown network '\(name)'")
    try require(
      stages.count == 4 && stages.allSatisfy { (1...1000).contains($0) },
      "needs 4 stages of at least 1 block, found \(stages)")
    try require((1...4096).contains(width), "width \(width) is not in 1...4096")
    try require((1...65536).contains(headWidth), "head width \(headWidth) is not in 1...65536")
    try require((0..<1).contains(dropout), "dropout \(dropout) is not in [0, 1)")
    try require(!heads.isEmpty, "has no heads")
    try require(
      heads.allSatisfy { (1...65535).contains($0.channels) }, "has a head without channels")
    try require(Set(heads.map(\.task)).count == heads.count, "names a task twice")
    try require(
      ["BGR", "RGB"].contains(input.order) && input.mean.count == 3,
      "input must have order BGR or RGB and 3 means")
  }
}

/// Why an architecture cannot be built.
public struct ArchitectureError: Error, CustomStringConvertible, Sendable {
  public let description: String

  init(_ reason: String) { description = "architecture \(reason)" }
}

/// One parameter of a network: its name, its shape and whose it is.
public struct ParameterDescription: Equatable, Sendable {
  /// Who needs a parameter: every task, or the one whose head it is in (0-based).
  public enum Owner: Equatable, Sendable {
    case backbone
    case head(Int)
  }

  public enum Role: Equatable, Sendable {
    /// Weight of a convolution, out×in×k×k, whose output has a pixel per `outputStride` pixels of
    /// the image, each way.
    case convolution(outputStride: Int)
    /// Bias of a convolution that sums `fanIn` products.
    case bias(fanIn: Int)
    case batchNormWeight
    case batchNormBias
  }

  public let name: String
  public let shape: [Int]
  public let owner: Owner
  public let role: Role

  public var count: Int { shape.reduce(1, *) }

  /// Only convolution weights are pruned; biases and batch-norm parameters stay dense.
  public var isPrunable: Bool {
    if case .convolution = role { true } else { false }
  }
}
