// masks.h5.

import Artifacts
import HDF5
import TestSupport
import Testing

@Suite struct MasksFileTests {
  private func header(target: Double?, seed: UInt64? = 7) -> MasksHeader {
    MasksHeader(
      arbiter: "at-least:2", distribution: "global", sparsityTarget: target, sparsity: 0.4,
      keepRatio: 0.1, architecture: "{}", modelDigest: "abc", seed: seed)
  }

  private let masks = [
    Mask("backbone.w", shape: [2, 1], [1, 0]), Mask("task1.w", shape: [3], [1, 1, 0]),
  ]

  private let table = LayerTable(
    tasks: ["seg", "sn"],
    rows: [
      .init(name: "backbone.w", weights: 2, kept: 1, iou: 0.25, taskDensities: [0.5, 1]),
      .init(name: "task1.w", weights: 3, kept: 2, taskDensities: [2.0 / 3, .nan]),
    ], totalIoU: 0.25, watershed: "backbone.w")

  private func write(
    _ path: String, _ header: MasksHeader, masks: [Mask]? = nil,
    provenance: Provenance = someProvenance
  ) throws {
    let masks = (masks ?? self.masks).map(MaskSlice.init)
    try MasksFile.write(
      path, header, masks: masks, taskMasks: [("seg", masks), ("sn", [masks[0]])], layers: table,
      provenance: provenance)
  }

  @Test func everythingComesBack() throws {
    try withFolder { folder in
      let path = folder + "/masks.h5"
      try write(path, header(target: 0.9))
      let file = try MasksFile(opening: path)
      #expect(file.header == header(target: 0.9))
      #expect(file.masks == masks)
      #expect(try file.reader.readMasks("task_masks/seg") == masks)
      #expect(try file.reader.readMasks("task_masks/sn") == [masks[0]])
      let layers = try file.reader.readLayers()
      #expect(layers.rows.map(\.name) == ["backbone.w", "task1.w"])
      #expect(layers.rows.map(\.weights) == [2, 3] && layers.rows.map(\.kept) == [1, 2])
      #expect(layers.rows[0].iou == 0.25 && layers.rows[1].iou.isNaN)
      #expect(layers.tasks == ["seg", "sn"])
      #expect(layers.rows[0].taskDensities == [0.5, 1])
      #expect(layers.rows[1].taskDensities[0] == 2.0 / 3 && layers.rows[1].taskDensities[1].isNaN)
      #expect(layers.totalIoU == 0.25 && layers.watershed == "backbone.w")
      let group = try file.reader.root.group("layers")
      #expect(try group.attribute("total_iou") as Double == 0.25)
      #expect(try group.attribute("watershed") as String == "backbone.w")
      #expect(try group.doubles("density") == [0.5, 2.0 / 3])
      #expect(try group.doubles("density_seg") == [0.5, 2.0 / 3])
      #expect(try group.doubles("density_sn")[1].isNaN)
      #expect(try file.reader.computedDigest() == file.reader.recordedDigest)
    }
  }

  @Test func whatWasNotAskedForIsNotThere() throws {
    try withFolder { folder in
      let path = folder + "/masks.h5"
      try write(
        path, header(target: nil), provenance: Provenance(createdBy: "t", command: "t"))
      #expect(try MasksFile(opening: path).header == header(target: nil, seed: nil))
    }
  }

  @Test func aMaskOfOtherNumbersIsAnError() throws {
    try withFolder { folder in
      let path = folder + "/masks.h5"
      try write(path, header(target: nil), masks: [Mask("backbone.w", shape: [3], [1, 0, 2])])
      #expect(
        failure { _ = try MasksFile(opening: path) }?.description
          == "\(path): /masks/backbone.w: value 2 is 2, expected 0 or 1")
    }
  }

  @Test func columnsOfOtherLengthsAreAnError() throws {
    try withFolder { folder in
      let path = folder + "/masks.h5"
      let writer = try ArtifactWriter(path, kind: .masks, provenance: someProvenance)
      try writer.writeStrings("layers/name", ["a", "b"])
      try writer.write("layers/weights", [1, 2] as [Int64], shape: [2])
      try writer.write("layers/kept", [1] as [Int64], shape: [1])
      try writer.write("layers/iou", [1, 2] as [Double], shape: [2])
      try writer.finish()
      let reader = try ArtifactReader(opening: path)
      #expect(
        failure { _ = try reader.readLayers() }?.description
          == "\(path): /layers/kept: expected 2 rows, found 1")
    }
  }
}
