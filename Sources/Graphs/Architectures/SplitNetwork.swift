// split: another architecture whose tasks part at a layer. In files it holds that architecture, so that
// weights of the one can be brought into the other.

public struct SplitNetwork: Sendable {
  /// The architecture before the split.
  public let original: any ArchitectureSettings
  /// The weight from which on each task has its own copies.
  public let layer: String

  public init(_ original: any ArchitectureSettings, at layer: String) {
    self.original = original
    self.layer = layer
  }

  /// - Throws: ``GraphError`` when the layer cannot be split at.
  public func split() throws -> SplitGraph { try original.graph().split(at: layer) }
}

extension SplitNetwork: ArchitectureSettings {
  public static let name = "split"

  private enum CodingKeys: String, CodingKey {
    case name, network
    case layer = "at"
  }

  public init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: CodingKeys.self)
    self.init(
      try values.decode(NamedSettings.self, forKey: .network).settings,
      at: try values.decode(String.self, forKey: .layer))
  }

  public func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: CodingKeys.self)
    try values.encode(Self.name, forKey: .name)
    try values.encode(layer, forKey: .layer)
    try original.encode(to: values.superEncoder(forKey: .network))
  }

  public func graph() throws -> Graph { try split().graph }

  public func with(dropout: Double) throws -> SplitNetwork {
    SplitNetwork(try original.with(dropout: dropout), at: layer)
  }
}
