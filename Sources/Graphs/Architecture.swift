// Architecture: what travels as JSON in scores.h5, masks.h5 and model.h5, and the graph it stands for.

import Foundation

/// A network's description: the settings of an architecture that we build, a graph itself, or one of
/// these split at a layer.
public struct Architecture: Sendable {
  public let settings: any ArchitectureSettings
  public let graph: Graph
  /// With its keys sorted, so that equal architectures give equal text.
  public let json: String

  /// - Throws: ``ArchitectureError`` when a setting is out of range.
  public init(_ settings: some ArchitectureSettings) throws {
    self.settings = settings
    do {
      graph = try settings.graph()
    } catch let error as GraphError {
      throw ArchitectureError(error.description)
    }
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    json = String(decoding: try encoder.encode(settings), as: UTF8.self)
  }

  /// Reads and checks the JSON of an `architecture` attribute.
  ///
  /// - Throws: ``ArchitectureError`` naming the field that is missing or out of range.
  public init(json: String) throws {
    let settings: any ArchitectureSettings
    do {
      settings = try JSONDecoder().decode(NamedSettings.self, from: Data(json.utf8)).settings
    } catch let error as ArchitectureError {
      throw error
    } catch let error as GraphError {
      throw ArchitectureError(error.description)
    } catch DecodingError.keyNotFound(let key, _) {
      throw ArchitectureError("has no \(key.stringValue)")
    } catch {
      throw ArchitectureError("is not the JSON of an architecture")
    }
    try self.init(settings)
  }

  /// All that a file may name.
  fileprivate static let types: [any ArchitectureSettings.Type] =
    builders.map { $0 as any ArchitectureSettings.Type } + [Graph.self, SplitNetwork.self]

  /// What `--architecture` may name.
  public static let builders: [any NetworkBuilder.Type] = [
    SceneNet.self, DeepLab.self, MobileNetV2.self, UNet.self,
  ]

  /// The same network with another probability in its dropout layers.
  public func with(dropout: Double?) throws -> Architecture {
    guard let dropout else { return self }
    return try Architecture(settings.with(dropout: dropout))
  }

  /// Whether weights of one fit the other: dropout does not matter.
  public func hasSameParameters(as other: Architecture) throws -> Bool {
    try with(dropout: 0).json == other.with(dropout: 0).json
  }

  public var tasks: [String] { graph.tasks }
}

/// Settings of whichever architecture their `name` says.
struct NamedSettings: Decodable {
  let settings: any ArchitectureSettings

  private enum CodingKeys: CodingKey { case name }

  init(from decoder: any Decoder) throws {
    let name = try decoder.container(keyedBy: CodingKeys.self).decode(String.self, forKey: .name)
    guard let type = Architecture.types.first(where: { $0.name == name }) else {
      throw ArchitectureError("names the unknown network '\(name)'")
    }
    settings = try type.init(from: decoder)
  }
}

extension Architecture: Equatable {
  public static func == (one: Architecture, other: Architecture) -> Bool { one.json == other.json }
}

/// Why an architecture cannot be built.
public struct ArchitectureError: Error, CustomStringConvertible, Sendable {
  public let description: String

  init(_ reason: String) { description = "architecture \(reason)" }
}

/// What describes a network in a file; its JSON has `name`.
public protocol ArchitectureSettings: Codable, Sendable {
  static var name: String { get }

  /// - Throws: ``GraphError`` when a setting is out of range.
  func graph() throws -> Graph
  func with(dropout: Double) throws -> Self
}

/// A task's prediction.
public struct Head: Codable, Equatable, Sendable {
  public var task: String
  public var channels: Int

  public init(task: String, channels: Int) {
    self.task = task
    self.channels = channels
  }
}

/// An architecture that we build for tasks.
public protocol NetworkBuilder: ArchitectureSettings {
  var input: ImageInput { get set }
  /// Probability of dropout, in training.
  var dropout: Double { get set }
  /// One head per task, in the data set's task order.
  var heads: [Head] { get set }
}

extension NetworkBuilder {
  public func with(dropout: Double) -> Self {
    var settings = self
    settings.dropout = dropout
    return settings
  }

  /// - Throws: ``GraphError`` for channels of the stem or of a head that no network can have.
  func check(width: Int, headWidth: Int) throws {
    guard (1...4096).contains(width) else { throw GraphError("width \(width) is not in 1...4096") }
    guard (1...65536).contains(headWidth) else {
      throw GraphError("head width \(headWidth) is not in 1...65536")
    }
  }

  /// - Throws: ``GraphError`` for heads that no network can have.
  func checkHeads() throws {
    func require(_ condition: Bool, _ reason: String) throws {
      if !condition { throw GraphError(reason) }
    }
    try require((0..<1).contains(dropout), "dropout \(dropout) is not in [0, 1)")
    try require(!heads.isEmpty, "has no heads")
    try require(
      heads.allSatisfy { (1...65535).contains($0.channels) }, "has a head without channels")
    try require(Set(heads.map(\.task)).count == heads.count, "names a task twice")
    try input.validate()
  }
}
