// predictions.h5: what a model makes of pictures.

import HDF5

/// Writes predictions.h5 task by task, picture by picture.
public final class PredictionsWriter {
  private let writer: ArtifactWriter
  private let streams: [SampleStream<Float>]

  /// - Parameters:
  ///   - names: of the pictures.
  ///   - shapes: of a prediction for one picture, channels×H×W, by task.
  public init(
    _ path: String, names: [String], architecture: String,
    shapes: [(task: String, shape: [Int])], provenance: Provenance
  ) throws {
    let writer = try ArtifactWriter(path, kind: .predictions, provenance: provenance)
    try writer.write(architecture: architecture)
    _ = try writer.root.createGroup("predictions")
    try writer.writeStrings("image", names)
    self.writer = writer
    streams = try shapes.map { task, shape in
      try writer.stream("predictions/" + task, of: Float.self, shape: [names.count] + shape)
    }
  }

  /// - Parameter predictions: of one picture, by task.
  public func append(_ predictions: [[Float]]) throws {
    for (stream, values) in zip(streams, predictions) { try stream.append(values) }
  }

  public func finish() throws {
    for stream in streams { try writer.finish(stream) }
    try writer.finish()
  }
}
