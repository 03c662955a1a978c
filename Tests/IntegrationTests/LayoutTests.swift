// The files as others see them: the stock HDF5 tools open them, and say what the layout promises.

import Foundation
import HDF5
import TestSupport
import Testing

@Suite(.serialized) struct LayoutTests {
  /// A program of the HDF5 distribution.
  private static func stockTool(_ name: String) -> String? {
    (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":")
      .map { "\($0)/\(name)" }.first { FileManager.default.isExecutableFile(atPath: $0) }
  }

  private static let haveStockTools = stockTool("h5dump") != nil && stockTool("h5ls") != nil

  @Test(
    "h5dump and h5ls show every kind of file",
    .enabled(if: haveStockTools, "needs h5dump and h5ls"), arguments: Experiment.files)
  func stockTools(_ file: String) throws {
    let folder = try Experiment.run().folder
    let header = try run(try #require(Self.stockTool("h5dump")), ["-A", file], in: folder.path)
    #expect(header.status == 0 && header.stderr == "")
    #expect(header.stdout.contains("ATTRIBUTE \"content_sha256\""))
    let list = try run(try #require(Self.stockTool("h5ls")), ["-r", file], in: folder.path)
    #expect(list.status == 0 && list.stderr == "")
    let datasets = try folder.open(file).allDatasetPaths()
    for dataset in datasets { #expect(list.stdout.contains(dataset + " "), "\(dataset)") }
  }

  @Test("Every file says what it is and where it comes from", arguments: Experiment.files)
  func header(_ file: String) throws {
    let folder = try Experiment.run().folder
    let root = try folder.open(file)
    let stage = try #require(Experiment.stages.first { $0.output == file })
    let format: String = try root.attribute("format")
    let formats = [
      "dataset.h5": "dataset", "scores.h5": "scores", "masks.h5": "masks",
      "disparse.h5": "model", "disparse-metrics.h5": "metrics",
    ]
    #expect(format == formats[file])
    #expect(try root.attribute("format_version") == 1)
    let creator: String = try root.attribute("created_by")
    #expect(creator.wholeMatch(of: #/(.+) \d+\.\d+\.\d+/#)?.1 == stage.tool.rawValue[...])
    let command: String = try root.attribute("command")
    #expect(command == "\(stage.tool) \(stage.arguments) -o \(file)")
    let created: String = try root.attribute("created_at")
    #expect(created == "2023-11-14T22:13:20Z")
    let digest: String = try root.attribute("content_sha256")
    #expect(digest.wholeMatch(of: #/[0-9a-f]{64}/#) != nil)
    if file != "disparse-metrics.h5" { #expect(try root.attribute("seed") == 7) }
  }

  @Test(
    "Every file names its inputs with their digests",
    arguments: [
      ("dataset.h5", []), ("initial.h5", ["dataset.h5"]),
      ("scores.h5", ["dataset.h5", "initial.h5"]),
      ("masks.h5", ["scores.h5"]), ("disparse.h5", ["dataset.h5", "initial.h5", "masks.h5"]),
      ("disparse-metrics.h5", ["dataset.h5", "disparse.h5"]),
    ])
  func inputs(_ file: String, _ expected: [String]) throws {
    struct Input: Decodable, Equatable { let name, sha256: String }
    let folder = try Experiment.run().folder
    let json: String = try folder.open(file).attribute("inputs")
    let inputs = try JSONDecoder().decode([Input].self, from: Data(json.utf8))
    #expect(
      inputs
        == (try expected.map {
          Input(name: $0, sha256: try folder.open($0).attribute("content_sha256"))
        }))
  }

  @Test("An input without a digest is named with the SHA-256 of its bytes")
  func foreignInput() throws {
    let folder = try ReferenceRun.of(ReferenceCase.all[0]).folder
    let sum = try run("/usr/bin/env", ["sha256sum", "dataset.h5"], in: folder.path)
    let inputs: String = try folder.open("scores-static.h5").attribute("inputs")
    #expect(sum.status == 0)
    #expect(inputs.contains("{\"name\":\"dataset.h5\",\"sha256\":\"\(sum.stdout.prefix(64))\"}"))
  }

  @Test("Each kind has the attributes and datasets of its layout")
  func contents() throws {
    let folder = try Experiment.run().folder
    let layout: [(file: String, attributes: String, objects: String)] = [
      (
        "dataset.h5", "tasks",
        "tasks/seg/class_names train/image train/seg train/edge validation/sn test/depth"
      ),
      (
        "scores.h5", "criterion joint batches batch_size architecture model_sha256",
        "scores/depth/backbone.conv1.weight scores/depth/task3_fc1_c0.conv1.weight"
      ),
      (
        "masks.h5",
        "arbiter distribution sparsity_target sparsity keep_ratio architecture model_sha256",
        "masks/backbone.conv1.weight task_masks/seg/backbone.conv1.weight layers/name "
          + "layers/weights layers/kept layers/density layers/iou layers/density_keypoint"
      ),
      (
        "disparse.h5", "architecture step",
        "parameters/backbone.blocks.0.0.conv1.weight buffers/backbone.bn1.running_mean "
          + "masks/task5_fc1_c3.conv3.weight history/step history/learning_rate history/loss "
          + "history/loss_edge history/seconds"
      ),
      (
        "disparse-metrics.h5",
        "sparsity parameters kept flops_dense flops_sparse bytes_dense bytes_sparse",
        "metrics/seg/miou metrics/sn/angle_mean confusion/seg samples/image layers/density"
      ),
    ]
    for (file, attributes, objects) in layout {
      let root = try folder.open(file)
      for name in attributes.split(separator: " ").map(String.init) {
        #expect(root.hasAttribute(name), "\(file) \(name)")
      }
      for path in objects.split(separator: " ").map(String.init) {
        #expect(root.contains(path), "\(file) \(path)")
      }
    }
    let layers = try folder.open("masks.h5").group("layers")
    #expect(layers.hasAttribute("total_iou") && layers.hasAttribute("watershed"))
  }

  @Test("Scores, masks and model carry the weights that they were made for")
  func modelDigest() throws {
    let folder = try Experiment.run().folder
    let scores: String = try folder.open("scores.h5").attribute("model_sha256")
    let masks: String = try folder.open("masks.h5").attribute("model_sha256")
    #expect(scores == masks)
  }

  @Test("Images lie in a chunk each, compressed")
  func chunks() throws {
    let images = try Experiment.run().folder.open("dataset.h5").dataset("train/image")
    #expect(images.chunk == [1, 32, 48, 3])
    #expect(images.storageSize() < UInt64(images.count))
  }
}
