// A graph as JSON: {"name": "graph", input, nodes [{name, operation, inputs, ...settings}],
// outputs [{task, node}]}.

extension Graph.Node: Codable {
  private enum CodingKeys: CodingKey { case name, operation, inputs }

  public init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: CodingKeys.self)
    name = try values.decode(String.self, forKey: .name)
    inputs = try values.decode([String].self, forKey: .inputs)
    let word = try values.decode(String.self, forKey: .operation)
    do {
      guard let operation = try Operation.reading(word, from: decoder) else {
        throw GraphError(
          "node \(name): no operation is called \(word); there are "
            + Operation.words.sorted().joined(separator: ", "))
      }
      self.operation = operation
    } catch DecodingError.keyNotFound(let key, _) {
      throw GraphError("node \(name) (\(word)): has no \(key.stringValue)")
    } catch is DecodingError {
      throw GraphError("node \(name) (\(word)): has settings of another type")
    }
  }

  public func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: CodingKeys.self)
    try values.encode(name, forKey: .name)
    try values.encode(operation.word, forKey: .operation)
    try values.encode(inputs, forKey: .inputs)
    try operation.settings.encode(to: encoder)
  }
}

extension Graph: ArchitectureSettings {
  public static let name = "graph"

  private enum CodingKeys: CodingKey { case name, input, nodes, outputs }

  public init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: CodingKeys.self)
    try self.init(
      input: try values.decode(ImageInput.self, forKey: .input),
      nodes: try values.decode([Node].self, forKey: .nodes),
      outputs: try values.decode([Output].self, forKey: .outputs))
  }

  public func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: CodingKeys.self)
    try values.encode(Self.name, forKey: .name)
    try values.encode(input, forKey: .input)
    try values.encode(nodes, forKey: .nodes)
    try values.encode(outputs, forKey: .outputs)
  }

  public func graph() throws -> Graph { self }

  public func with(dropout probability: Double) throws -> Graph {
    try Graph(
      input: input,
      nodes: nodes.map { node in
        guard case .dropout = node.operation else { return node }
        return Node(node.name, .dropout(Dropout(probability: probability)), node.inputs)
      }, outputs: outputs)
  }
}
