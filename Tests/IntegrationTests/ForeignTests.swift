// prepare-data on other people's data: in one file, in shards, with broken samples, interrupted.

import Foundation
import HDF5
import TestSupport
import Testing

/// Cities of 2×3 pixels in the mtan layout, which is all .npy files.
func foreignInputs(train: Int = 7, validation: Int = 3) throws -> Folder {
  let folder = try Folder()
  for (split, count) in [("train", train), ("val", validation)] {
    for kind in ["image", "label", "depth"] { try folder.makeFolder("in/\(split)/\(kind)") }
    for number in 0..<count {
      func write(_ kind: String, _ shape: String, _ values: [Float]) throws {
        let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (\(shape)), }\n"
        let bytes =
          [0x93] + Array("NUMPY".utf8) + [1, 0, UInt8(header.utf8.count), 0] + header.utf8
          + values.withUnsafeBytes { Array($0) }
        try folder.write(Data(bytes), to: "in/\(split)/\(kind)/\(number).npy")
      }
      try write("image", "2, 3, 3", (0..<18).map { Float($0 + number) / 255 })
      try write("label", "2, 3", [Float](repeating: Float(number), count: 6))
      try write("depth", "2, 3", [Float](repeating: Float(number + 1), count: 6))
    }
  }
  return folder
}

@Suite(.serialized) struct ForeignTests {
  private static let tool = "nyuv2 --input in --layout mtan --tasks seg,depth --threads 2"

  /// What was said, without the speed.
  private func said(_ outcome: Outcome) -> String {
    outcome.stdout.replacing(#/; [0-9]+ images\/s/#, with: "")
  }

  @Test("One file")
  func oneFile() throws {
    let folder = try foreignInputs()
    #expect(
      said(try folder.succeed(.prepareData, Self.tool + " -o d.h5"))
        == "d.h5: /train 7, /validation 3 images of 2×3, seg,depth\n")
    #expect(
      try folder.open("d.h5").dataset("validation/name").readStrings() == [
        "val/image/0.npy", "val/image/1.npy", "val/image/2.npy",
      ])
  }

  @Test("Shards, in two parts, and again")
  func shards() throws {
    let folder = try foreignInputs()
    let tool = Self.tool + " --shard-size 4 -o d.h5"
    #expect(
      said(try folder.succeed(.prepareData, tool + " --shards 0-1"))
        == """
        d.h5: /train 4, /validation 2 images of 2×3, seg,depth
        d.h5: not written yet, 1 of 3 shards are missing

        """)
    #expect(
      said(try folder.succeed(.prepareData, tool + " --shards 2"))
        == """
        d.h5: /train 3, /validation 1 images of 2×3, seg,depth
        d.h5: shows 3 shards as one data set

        """)
    #expect(
      said(try folder.succeed(.prepareData, tool + " --resume"))
        == "d.h5: 3 shards kept\nd.h5: shows 3 shards as one data set\n")
    let check = try folder.succeed(.prepareData, "check --verify d.h5").stdout
    #expect(check.contains("d.h5: dataset in 3 shards, 2 tasks"))
    #expect(check.contains("/train: 7 images of 2×3"))
    // The rest of the pipeline takes it like any data set.
    try folder.succeed(
      .sparseTrain,
      "--data d.h5 --steps 1 --batch-size 2 --stages 1,1,1,1 --width 4 --head-width 8 "
        + "--crop 33x33 -o m.h5")
  }

  @Test("The same shards from another folder, with other threads")
  func elsewhere() throws {
    let folder = try foreignInputs()
    let tool = " --layout mtan --tasks seg,depth --shard-size 4 --resume -o d.h5"
    try folder.succeed(.prepareData, "nyuv2 --input in" + tool + " --shards 0 --threads 1")
    #expect(
      said(
        try folder.succeed(
          .prepareData, "nyuv2 --input ./in/../in" + tool + " --threads 2 --quiet")) == "")
    let kept = try folder.succeed(.prepareData, "nyuv2 --input=in" + tool)
    #expect(said(kept).hasPrefix("d.h5: 3 shards kept\n"))
  }

  @Test("Options written in another way, or out, are the same options")
  func spelling() throws {
    let folder = try foreignInputs()
    let tool = "nyuv2 --input in --resume -o d.h5 "
    try folder.succeed(.prepareData, tool + "--layout mtan --tasks seg,depth --shard-size 4")
    #expect(
      said(
        try folder.succeed(
          .prepareData,
          tool + "--shard-size=4 --tasks=seg,depth --classes 13 --normals centred --layout mtan")
      )
      .hasPrefix("d.h5: 3 shards kept\n"))
    #expect(
      !said(try folder.succeed(.prepareData, tool + "--shard-size=4 --tasks=depth --layout mtan"))
        .contains("kept"))
  }

  @Test("HDF5 takes names of shards for formats")
  func percent() throws {
    let folder = try foreignInputs()
    try folder.succeed(.prepareData, Self.tool + " --shard-size 4 -o 50%b.h5")
    try folder.succeed(.prepareData, "check --verify 50%b.h5")
    #expect(
      try h5dumped("/train/depth", of: folder.path("50%b.h5"))
        == (1...7).flatMap { [Float](repeating: Float($0), count: 6) })
  }

  @Test("Broken samples are named, counted and left out")
  func broken() throws {
    let folder = try foreignInputs()
    try FileManager.default.removeItem(atPath: folder.path("in/train/depth/2.npy"))
    try folder.write("hello", to: "in/val/label/0.npy")
    let failed = try folder.run(.prepareData, Self.tool + " --max-bad 1 -o d.h5")
    #expect(failed.status == 1)
    #expect(
      failed.stderr.contains(
        "prepare-data: d.h5: 2 broken samples are more than --max-bad 1 allows\n"))
    #expect(!FileManager.default.fileExists(atPath: folder.path("d.h5")))
    let outcome = try folder.succeed(.prepareData, Self.tool + " --max-bad 2 -o d.h5")
    #expect(
      outcome.stderr.contains(
        """
        prepare-data: warning: left out train/image/2.npy: in/train/depth/2.npy: no such file
        prepare-data: warning: left out val/image/0.npy: in/val/label/0.npy: not an .npy file
        """))
    #expect(
      said(outcome)
        == "d.h5: /train 6, /validation 2 images of 2×3, seg,depth; 2 broken samples left out\n")
    let left: Int = try folder.open("d.h5").attribute("left_out")
    #expect(left == 2)
  }

  @Test(
    "Shards that cannot be",
    arguments: [
      ("--shards 0", 64, "--shards needs --shard-size"),
      ("--resume", 64, "--resume needs --shard-size"),
      ("--shard-size 0", 64, "--shard-size 0: must be at least 1"),
      ("--shard-size 4 --shards 2-1", 64, "'2-1' is invalid for '--shards"),
      (
        "--shard-size 4 --shards 1-3", 1,
        "prepare-data: --shards 1-3: there are only 3 shards of about 4 samples"
      ),
    ])
  func wrong(_ options: String, _ status: Int32, _ says: String) throws {
    let outcome = try foreignInputs().run(.prepareData, Self.tool + " -o d.h5 " + options)
    #expect(outcome.status == status)
    #expect(outcome.stderr.contains(says))
  }
}
