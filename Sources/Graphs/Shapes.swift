// What follows from an image's size: every value's shape, and what the network costs.

extension Graph {
  /// Every node's shape for images of a size.
  ///
  /// - Throws: ``GraphError`` naming the node whose inputs do not fit.
  public func shapes(for image: Extent) throws -> [Shape] {
    var shapes: [Shape] = []
    for (node, sources) in zip(nodes, sources) {
      let inputs = sources.map { $0.map { shapes[$0] } ?? [3, image.height, image.width] }
      do {
        let shape = try node.operation.settings.shape(of: inputs)
        guard shape.reduce(1.0, { $0 * Double($1) }) < 1e12 else {
          throw ShapeError("gives \(shape), more than fits any memory")
        }
        shapes.append(shape)
      } catch let error as ShapeError {
        throw GraphError(
          "node \(node.name) (\(node.operation.word)), for images of \(image.height)×\(image.width): "
            + error.description)
      }
    }
    return shapes
  }

  /// The predictions' shapes for images of a size, in task order.
  public func predictionShapes(for image: Extent) throws -> [Shape] {
    let shapes = try shapes(for: image)
    return tasks.indices.compactMap { output(ofTask: $0).map { shapes[$0] } }
  }

  /// How often each prunable weight is multiplied for one image, by the parameter's name: its pixels,
  /// summed over the nodes that use it. Times the weights that are there, the multiply-adds.
  public func uses(for image: Extent) throws -> [String: Int] {
    let shapes = try shapes(for: image)
    let prunable = Set(prunable.map(\.name))
    var uses: [String: Int] = [:]
    for (index, node) in nodes.enumerated() {
      let settings = node.operation.settings
      for slot in settings.parameters where prunable.contains(slot.name) {
        let inputs = sources[index].map { $0.map { shapes[$0] } ?? [3, image.height, image.width] }
        uses[slot.name, default: 0] += settings.uses(inputs, shapes[index])
      }
    }
    return uses
  }
}
