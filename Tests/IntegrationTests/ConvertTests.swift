// One's own network through the tools: in from ONNX, scored, pruned, trained, measured, and out again.

import Foundation
import HDF5
import TestSupport
import Testing

@Suite(.serialized) struct ConvertTests {
  /// A network that PyTorch exported, with a decoder shared by two of three tasks.
  private static let network =
    packageRoot + "/Tests/ExchangeTests/Fixtures/shared-decoder-training.onnx"
  private static let heads = "--heads seg=89,sn=90,depth=91"

  /// A folder with the network as ONNX and as a model.
  private func prepared() throws -> Folder {
    let folder = try Folder()
    try folder.add(Self.network, as: "net.onnx")
    try folder.succeed(.convertModel, "net.onnx \(Self.heads) -o net.h5")
    return folder
  }

  private func digest(_ folder: Folder, _ name: String) throws -> String {
    try folder.open(name).attribute("content_sha256")
  }

  @Test("What goes out comes in again, in every format")
  func roundTrips() throws {
    let folder = try prepared()
    let wanted = try digest(folder, "net.h5")
    try folder.succeed(.convertModel, "net.h5 -o again.onnx")
    try folder.succeed(.convertModel, "again.onnx -o again.h5")
    #expect(try digest(folder, "again.h5") == wanted)
    for format in ["pth", "safetensors"] {
      try folder.succeed(.convertModel, "net.h5 -o weights.\(format)")
      try folder.succeed(
        .convertModel, "weights.\(format) --like net.h5 -o from-\(format).h5")
      #expect(try digest(folder, "from-\(format).h5") == wanted)
    }
    let architecture: String = try folder.open("net.h5").attribute("architecture")
    #expect(try folder.open("again.h5").attribute("architecture") == architecture)
    #expect(try folder.open("from-pth.h5").attribute("architecture") == architecture)
  }

  @Test("An own network is scored task by task, pruned, trained and taken back")
  func pipeline() throws {
    let folder = try Folder()
    try folder.succeed(
      .prepareData,
      "scenes --train 4 --validation 2 --test 0 --height 32 --width 48 --tasks seg,sn,depth "
        + "--threads 1 -o data.h5")
    try folder.succeed(
      .sparseTrain,
      "--data data.h5 --architecture unet --width 4 --steps 0 --threads 1 -o built.h5")
    try folder.succeed(.convertModel, "built.h5 -o net.onnx")
    let said = try folder.succeed(.convertModel, "net.onnx -o net.h5").stdout
    #expect(said.contains("tasks seg, sn, depth"))
    let machine = "--batch-size 2 --precision float32 --threads 1"
    try folder.succeed(
      .scoreImportance, "--data data.h5 --model net.h5 --batches 1 \(machine) -o scores.h5")
    try folder.succeed(.mergeMasks, "scores.h5 --sparsity 0.8 --threads 1 -o masks.h5")
    try folder.succeed(
      .sparseTrain,
      "--data data.h5 --model net.h5 --masks masks.h5 --steps 2 \(machine) -o pruned.h5")
    try folder.succeed(
      .evaluate, "--data data.h5 --model pruned.h5 --threads 1 -o metrics.h5")
    let sparsity: Double = try folder.open("metrics.h5").attribute("sparsity")
    #expect(abs(sparsity - 0.8) < 1e-3)
    try folder.succeed(.convertModel, "pruned.h5 -o pruned.onnx")
    try folder.succeed(.convertModel, "pruned.onnx -o again.h5")
    // Pruned weights are zeros on the other side.
    let name = "down4.maxpool_conv.1.double_conv.0.weight"
    let weights = try folder.open("again.h5").dataset("parameters/" + name).read(as: Float.self)
    let mask = try folder.open("pruned.h5").dataset("masks/" + name).read(as: UInt8.self)
    #expect(mask.contains(0))
    #expect(zip(weights, mask).allSatisfy { $1 == 1 || $0 == 0 })
    // A backbone from elsewhere, under other names; the heads stay.
    try folder.succeed(.convertModel, "built.h5 -o weights.safetensors")
    let notes = try folder.succeed(
      .convertModel,
      "weights.safetensors --like pruned.h5 --rename heads=others -o backbone.h5"
    ).stdout
    #expect(notes.contains("note: not used by this network: others.depth.conv.bias"))
    #expect(notes.contains("note: not in the file, and kept as they were: 6 tensors of heads"))
  }

  @Test("Pictures of any size get predictions, as numbers and in colour")
  func predictions() throws {
    let folder = try prepared()
    for (name, value) in [("one.png", 10), ("two.png", 200)] {
      try folder.write(png(height: 20, width: 31, value: UInt8(value)), to: name)
    }
    try folder.succeed(
      .evaluate,
      "predict --model net.h5 one.png two.png --pictures shown --threads 1 -o predictions.h5")
    let root = try folder.open("predictions.h5")
    #expect(try root.dataset("image").readStrings() == ["one.png", "two.png"])
    let shape = try root.dataset("predictions/seg").shape
    #expect(shape[0] == 2 && shape[1] == 4)
    #expect(
      try folder.contents("shown").sorted()
        == ["one", "two"].flatMap { image in
          ["depth", "seg", "sn"].map { "\(image)-\($0).png" }
        })
    #expect(try folder.bytes("shown/one-seg.png").prefix(4) == Data([0x89, 0x50, 0x4E, 0x47]))
    try folder.succeed(.prepareData, "check --verify predictions.h5")
    try folder.write(png(height: 9, width: 9, value: 0), to: "small.png")
    let other = try folder.run(.evaluate, "predict --model net.h5 one.png small.png -o p.h5")
    #expect(other.status == 1)
    #expect(
      other.stderr
        == "evaluate: small.png: is 9×9, and the first picture 20×31; give pictures of one size\n")
    #expect(try !folder.contents().contains("p.h5"))
  }

  @Test("What does not fit is one line that names the file")
  func errors() throws {
    let folder = try prepared()
    func reason(_ tool: Tool, _ arguments: String) throws -> String {
      let outcome = try folder.run(tool, arguments)
      #expect(outcome.status == 1 && outcome.stdout == "")
      #expect(outcome.stderr.filter { $0 == "\n" }.count == 1)
      return outcome.stderr
    }
    #expect(
      try reason(.convertModel, "net.onnx --heads seg=890 -o out.h5")
        == "convert-model: net.onnx: has no output 890 for task seg; its outputs are 89 (1×4×4×6), "
        + "90 (1×3×4×6), 91 (1×1×4×6)\n")
    #expect(
      try reason(.convertModel, "none.onnx -o out.h5") == "convert-model: none.onnx: no such file\n"
    )
    try folder.write("not a network", to: "text.onnx")
    #expect(
      try reason(.convertModel, "text.onnx --heads a=b -o out.h5")
        == "convert-model: text.onnx: is not an ONNX file, or is damaged\n")
    try folder.write("not weights", to: "text.pth")
    #expect(
      try reason(.convertModel, "text.pth --like net.h5 -o out.h5").hasPrefix(
        "convert-model: text.pth: "))
    #expect(
      try reason(.convertModel, "net.h5 -o text.pth")
        == "convert-model: text.pth: is there already and is no PyTorch checkpoint; choose another "
        + "name, or remove it\n")
    // A network for other tasks than the data set's.
    try folder.succeed(
      .prepareData,
      "scenes --train 2 --validation 1 --test 0 --height 32 --width 48 --tasks seg,sn,depth "
        + "--threads 1 -o data.h5")
    #expect(
      try reason(
        .sparseTrain, "--data data.h5 --model net.h5 --steps 0 --threads 1 -o out.h5")
        == "sparse-train: data.h5: /@tasks: has the tasks seg (18), sn (3), depth (1), but net.h5 is "
        + "for seg (4), sn (3), depth (1)\n")
  }

  @Test("MODEL= takes one's own network through make", .timeLimit(.minutes(1)))
  func make() throws {
    let outcome = try TestSupport.run(
      "/usr/bin/make",
      ["-n", "-o", ".build/tools-built", "model", "MODEL=\(Self.network)", "ROOT=/tmp/none"],
      in: packageRoot)
    let run = outcome.stdout.replacing("\\\n  ", with: "")
    #expect(
      run.contains(
        "--model '\(Self.network)' --seed 1 --steps 0 --checkpoint-minutes 5 --resume --fresh")
        && run.contains(" -o /tmp/none/scenes/dense/seed-1/initial.h5"))
    #expect(!run.contains("--head-width"))
    let missing = try TestSupport.run(
      "/usr/bin/make", ["model", "MODEL=/none.h5"], in: packageRoot)
    #expect(missing.status == 2)
    #expect(missing.stderr.contains("MODEL=/none.h5: no such file; type: make model"))
  }
}

/// A grey PNG without compression.
func png(height: Int, width: Int, value: UInt8) -> Data {
  func bytes(_ number: UInt32) -> [UInt8] {
    (0..<4).map { UInt8(truncatingIfNeeded: number >> (24 - 8 * UInt32($0))) }
  }
  func crc(_ data: [UInt8]) -> UInt32 {
    var sum: UInt32 = ~0
    for byte in data {
      sum ^= UInt32(byte)
      for _ in 0..<8 {
        let isOdd = sum & 1 == 1
        sum >>= 1
        if isOdd { sum ^= 0xEDB8_8320 }
      }
    }
    return ~sum
  }
  func chunk(_ name: String, _ data: [UInt8]) -> [UInt8] {
    let named = Array(name.utf8) + data
    return bytes(UInt32(data.count)) + named + bytes(crc(named))
  }
  let row = [0] + [UInt8](repeating: value, count: width)
  let rows = [[UInt8]](repeating: row, count: height).flatMap { $0 }
  let (low, high) = (UInt8(rows.count & 255), UInt8(rows.count >> 8))
  var (a, b): (UInt32, UInt32) = (1, 0)
  for byte in rows {
    a = (a + UInt32(byte)) % 65521
    b = (b + a) % 65521
  }
  let start: [UInt8] = [0x78, 1, 1, low, high, ~low, ~high]
  var header = bytes(UInt32(width)) + bytes(UInt32(height))
  header += [8, 0, 0, 0, 0]
  var file: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 13, 10, 26, 10]
  file += chunk("IHDR", header)
  file += chunk("IDAT", start + rows + bytes(b << 16 | a))
  file += chunk("IEND", [])
  return Data(file)
}
