// model.h5.

import Artifacts
import Foundation
import HDF5
import TestSupport
import Testing

@Suite struct ModelFileTests {
  private func model(masks: [Mask] = [], history: TrainingHistory? = nil) -> Model {
    Model(
      architecture: "{\"name\": \"x\"}", step: 12,
      parameters: [
        NamedArray("a.weight", shape: [100, 10], [Float](repeating: 0, count: 1000)),
        NamedArray("b.bias", shape: [2], [1.5, -2]),
      ],
      buffers: [NamedArray("a.running_mean", shape: [1], [0.5])], masks: masks, history: history)
  }

  @Test func aDenseModelComesBack() throws {
    try withFolder { folder in
      let path = folder + "/model.h5"
      try ModelFile.write(path, model(), provenance: someProvenance)
      let file = try ModelFile(opening: path)
      #expect(file.model.architecture == "{\"name\": \"x\"}" && file.model.step == 12)
      #expect(file.model.parameters == model().parameters)
      #expect(file.model.buffers == model().buffers)
      #expect(file.model.masks.isEmpty)
      let size = try FileManager.default.attributesOfItem(atPath: path)[.size] as? Int
      #expect(try file.reader.fileSize() == size)
      #expect(try file.reader.computedDigest() == file.reader.recordedDigest)
    }
  }

  @Test func atNinetyPercentAFileIsLittleMoreThanItsWeights() throws {
    try withFolder { folder in
      var random = SeededRandom(3)
      let count = 256 * 256 * 9
      var (parameters, masks): ([NamedArray], [Mask]) = ([], [])
      for layer in 0..<2 {
        let mask = (0..<count).map { _ in Float.random(in: 0..<1, using: &random) < 0.1 }
        // Sums of uniform numbers are nearly normal.
        let weights = mask.map { isKept in
          isKept ? random.floats(12, in: -0.01..<0.01).reduce(0, +) : 0
        }
        let shape = [256, 256, 3, 3]
        parameters.append(NamedArray("w\(layer)", shape: shape, weights))
        masks.append(Mask("w\(layer)", shape: shape, mask.map { $0 ? 1 : 0 }))
      }
      let path = folder + "/m.h5"
      try ModelFile.write(
        path,
        Model(architecture: "{}", step: 0, parameters: parameters, buffers: [], masks: masks),
        provenance: someProvenance)
      let kept = masks.reduce(0) { $0 + $1.values.count { $0 == 1 } }
      let size = try bytes(path).count
      #expect(Double(size) <= 1.6 * 4 * Double(kept), "\(size) bytes for \(kept) weights")
      #expect(try ModelFile(opening: path).model.parameters == parameters)
      #expect(try ModelFile(opening: path).model.masks == masks)
    }
  }

  @Test func aSparseModelKeepsItsMasksAndTakesLessRoom() throws {
    try withFolder { folder in
      let path = folder + "/model.h5"
      let mask = Mask("a.weight", shape: [100, 10], [UInt8](repeating: 0, count: 1000))
      try ModelFile.write(path, model(masks: [mask]), provenance: someProvenance)
      let file = try ModelFile(opening: path)
      #expect(file.model.masks == [mask])
      #expect(file.model.parameters == model().parameters)
      #expect(try file.reader.root.dataset("parameters/a.weight").storageSize() < 400)
    }
  }

  @Test func theHistoryIsATable() throws {
    try withFolder { folder in
      let path = folder + "/model.h5"
      var history = TrainingHistory(tasks: ["seg", "sn"])
      history.steps = [1, 2]
      history.learningRates = [0.1, 0.05]
      history.losses = [5, 4]
      history.taskLosses[0].values = [3, 2]
      history.taskLosses[1].values = [0.5, 0.25]
      history.seconds = [1, 2.5]
      try ModelFile.write(path, model(history: history), provenance: someProvenance)
      let group = try ModelFile(opening: path).reader.root.group("history")
      #expect(try group.dataset("step").read(as: Int64.self) == [1, 2])
      #expect(try group.doubles("learning_rate") == [0.1, 0.05])
      #expect(try group.doubles("loss") == [5, 4])
      #expect(try group.doubles("loss_seg") == [3, 2])
      #expect(try group.doubles("loss_sn") == [0.5, 0.25])
      #expect(try group.doubles("seconds") == [1, 2.5])
    }
  }

  @Test func weightsThatAreNotFiniteAreNamed() throws {
    try withFolder { folder in
      let path = folder + "/model.h5"
      var broken = model()
      broken.parameters[1] = NamedArray("b.bias", shape: [2], [0, .nan])
      try ModelFile.write(path, broken, provenance: someProvenance)
      #expect(
        failure { _ = try ModelFile(opening: path) }?.description
          == "\(path): /parameters/b.bias: value 1 is nan")
    }
  }

  @Test func theCountOfBatchesIsPassedOver() throws {
    try withFolder { folder in
      let path = folder + "/model.h5"
      let writer = try ArtifactWriter(path, kind: .model, provenance: someProvenance)
      try writer.root.setAttribute("architecture", "{}")
      try writer.write("parameters/w", [1] as [Float], shape: [1])
      try writer.write("buffers/bn.running_var", [2] as [Float], shape: [1])
      try writer.write("buffers/bn.num_batches_tracked", [3] as [Int64], shape: [])
      try writer.finish()
      let model = try ModelFile(opening: path).model
      #expect(model.buffers == [NamedArray("bn.running_var", shape: [1], [2])])
      #expect(model.step == 0)
    }
  }

  @Test func aMissingPartIsNamed() throws {
    try withFolder { folder in
      let path = folder + "/model.h5"
      let writer = try ArtifactWriter(path, kind: .model, provenance: someProvenance)
      try writer.root.setAttribute("architecture", "{}")
      try writer.finish()
      #expect(failure { _ = try ModelFile(opening: path) }?.path == "/parameters")
    }
  }
}
