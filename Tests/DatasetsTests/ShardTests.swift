// Data sets in shards: what one process, several, and interrupted ones make of them.

import Artifacts
import Datasets
import Foundation
import HDF5
import TestSupport
import Testing

/// Images of 2×3 whose values tell their number; some are broken.
private struct NumberedDataset: ForeignDataset {
  var counts: [(split: Split, count: Int)] = [(.train, 11), (.validation, 3)]
  var broken: Set<Int> = []
  /// Their depths cannot be.
  var negative: Set<Int> = []

  let tasks = [
    DatasetTask(name: "seg", kind: .segmentation, channels: 40, lossWeight: 1),
    DatasetTask(name: "depth", kind: .regression, channels: 1, lossWeight: 2),
  ]
  let storage: [DatasetWriter.Storage] = [
    .init(.uint8, TargetEncoding(fillValue: 255)),
    .init(.float32, TargetEncoding(fillValue: 0, units: "m")),
  ]
  let size = PixelSize(height: 2, width: 3)

  var splits: [(split: Split, names: [String])] {
    counts.map { split, count in (split, (0..<count).map { "\(split.rawValue) \($0)" }) }
  }

  func sample(_ index: Int, of split: Split) throws -> Sample {
    let number = index + (split == .train ? 0 : 20)
    guard !broken.contains(number) else {
      throw InputError(file: "\(number).png", reason: "no such file")
    }
    func map(_ value: Float) -> TargetMap {
      TargetMap(
        values: [Float](repeating: value, count: 6), valid: [Bool](repeating: true, count: 6))
    }
    return Sample(
      height: 2, width: 3, image: (0..<18).map { UInt8($0 + number) },
      targets: [map(Float(number)), map(negative.contains(number) ? -3 : Float(number) + 0.5)])
  }
}

/// A folder in which a data set is converted.
private struct Conversions {
  let folder: String
  var master: String { folder + "/d.h5" }

  static func with<R>(_ body: (Conversions) throws -> R) throws -> R {
    try withFolder { try body(Conversions(folder: $0)) }
  }

  func convert(
    _ dataset: NumberedDataset = NumberedDataset(), size: Int = 4,
    settings: [String] = ["as usual"],
    chosen: Range<Int>? = nil, keepsDone: Bool = true, maxBad: Int = 0
  ) throws -> Conversion {
    let plan = ShardPlan(dataset, size: size, settings: settings)
    return try Datasets.convert(
      dataset, to: master, shards: plan, chosen: chosen ?? 0..<plan.count, keepsDone: keepsDone,
      settings: ConversionSettings(threads: 2, maxBad: maxBad), provenance: someProvenance
    ) { _ in }
  }

  func shard(_ number: Int) -> String { folder + "/d-shard-00\(number).h5" }

  /// When a shard was written, to the nanosecond.
  func written(_ number: Int) throws -> Date? {
    try FileManager.default.attributesOfItem(atPath: shard(number))[.modificationDate] as? Date
  }

  /// The samples of a split of the master, by name.
  func samples(of split: Split) throws -> [String: Sample] {
    let file = try DatasetFile(opening: master)
    let info = try file.info(split)
    let names = try #require(try file.names(of: split))
    return try Dictionary(
      uniqueKeysWithValues: names.enumerated().map { ($1, try file.sample($0, of: info)) })
  }

  func message(_ body: () throws -> Void) -> String? {
    do {
      try body()
      return nil
    } catch {
      return "\(error)".replacingOccurrences(of: folder + "/", with: "")
    }
  }
}

@Suite struct ShardTests {
  @Test("A target that cannot be is named with its sample's number in the whole data set")
  func badTarget() throws {
    try Conversions.with { conversions in
      _ = try conversions.convert(NumberedDataset(negative: [9]))
      #expect(
        conversions.message { _ = try conversions.samples(of: .train) }
          == "d.h5: /train/depth: sample 9: depth -3.0 at row 0, column 0 is not above 0, and neither "
          + "valid_min nor _FillValue makes it no ground truth")
      _ = try conversions.samples(of: .validation)
    }
  }

  @Test(arguments: [1, 3, 4, 5, 14, 100])
  func theMasterShowsEverySample(size: Int) throws {
    try Conversions.with { conversions in
      let dataset = NumberedDataset()
      let result = try conversions.convert(dataset, size: size)
      #expect(result.missingShards.isEmpty && result.bad == 0)
      // What libhdf5 makes of the virtual dataset, as other programs read it.
      let depth = try h5dumped("/train/depth", of: conversions.master)
      #expect(depth == (0..<11).flatMap { [Float](repeating: Float($0) + 0.5, count: 6) })
      for (split, names) in dataset.splits {
        let samples = try conversions.samples(of: split)
        #expect(samples.count == names.count)
        for (index, name) in names.enumerated() {
          #expect(try samples[name] == dataset.sample(index, of: split))
        }
      }
      let file = try DatasetFile(opening: conversions.master)
      #expect(file.tasks == dataset.tasks)
      #expect(file.shards.count == ShardPlan(dataset, size: size, settings: []).count)
      #expect(try file.reader.verifiedDigest() == file.reader.recordedDigest)
    }
  }

  @Test func aShardIsADataSetOfItsOwn() throws {
    try Conversions.with { conversions in
      _ = try conversions.convert()
      for number in 0..<4 {
        let file = try DatasetFile(opening: conversions.shard(number))
        #expect(file.shard?.number == number && file.shard?.count == 4)
        #expect(try file.info(.train).count == [2, 3, 3, 3][number])
      }
    }
  }

  @Test func severalProcessesShareTheWork() throws {
    try Conversions.with { conversions in
      let first = try conversions.convert(chosen: 0..<3, keepsDone: false)
      #expect(first.missingShards == [3])
      #expect(!FileManager.default.fileExists(atPath: conversions.master))
      let second = try conversions.convert(chosen: 3..<4, keepsDone: false)
      #expect(second.missingShards.isEmpty)
      #expect(try conversions.samples(of: .train).count == 11)
    }
  }

  @Test func onlyWhatIsMissingIsDoneAgain() throws {
    try Conversions.with { conversions in
      _ = try conversions.convert()
      let before = try (0..<4).map(conversions.written)
      try FileManager.default.removeItem(atPath: conversions.shard(2))
      let result = try conversions.convert()
      #expect(result.keptShards == 3)
      #expect(result.written.reduce(0) { $0 + $1.count } == 4)
      let after = try (0..<4).map(conversions.written)
      #expect(zip(before, after).map(==) == [true, true, false, true])
      // Without resuming, everything is.
      #expect(try conversions.convert(keepsDone: false).keptShards == 0)
    }
  }

  @Test func shardsOfAnotherPlanAreMadeAgain() throws {
    try Conversions.with { conversions in
      _ = try conversions.convert()
      #expect(try conversions.convert().keptShards == 4)
      #expect(try conversions.convert(settings: ["otherwise"]).keptShards == 0)
      var longer = NumberedDataset()
      longer.counts[0].count = 12
      #expect(try conversions.convert(longer, settings: ["otherwise"]).keptShards == 0)
      // What is no data set may be somebody's.
      try "no data set".write(
        toFile: conversions.shard(1), atomically: false, encoding: .utf8)
      let message = conversions.message {
        _ = try conversions.convert(longer, settings: ["otherwise"])
      }
      #expect(message?.hasPrefix("d-shard-001.h5: is there already and is no dataset file") == true)
      try FileManager.default.removeItem(atPath: conversions.shard(1))
      #expect(try conversions.convert(longer, settings: ["otherwise"]).keptShards == 3)
    }
  }

  /// Else it would show old samples beside new ones.
  @Test func theMasterGoesBeforeAShardChanges() throws {
    try Conversions.with { conversions in
      _ = try conversions.convert()
      let result = try conversions.convert(settings: ["otherwise"], chosen: 0..<1)
      #expect(result.missingShards == [1, 2, 3])
      #expect(!FileManager.default.fileExists(atPath: conversions.master))
    }
  }

  @Test func aShardMayBeAsLargeAsItLikes() {
    #expect(ShardPlan(NumberedDataset(), size: .max, settings: []).count == 1)
  }

  @Test func brokenSamplesAreLeftOutAndCounted() throws {
    try Conversions.with { conversions in
      let dataset = NumberedDataset(broken: [0, 9, 21])
      #expect(
        conversions.message { _ = try conversions.convert(dataset, maxBad: 2) }
          == "d-shard-003.h5: 3 broken samples are more than --max-bad 2 allows")
      // The shards that were finished count with their broken samples.
      let result = try conversions.convert(dataset, maxBad: 3)
      #expect(result.keptShards == 3 && result.bad == 3)
      let names = try conversions.samples(of: .train).keys.sorted()
      #expect(names.count == 9 && !names.contains("train 0") && !names.contains("train 9"))
      #expect(try DatasetFile(opening: conversions.master).leftOut == 3)
    }
  }

  @Test func batchesAreThoseOfASingleFile() throws {
    try Conversions.with { conversions in
      _ = try conversions.convert()
      let single = conversions.folder + "/single.h5"
      _ = try convert(
        NumberedDataset(), to: single, settings: ConversionSettings(threads: 1, maxBad: 0),
        provenance: someProvenance
      ) { _ in }
      let batches = try [conversions.master, single].map { path in
        let loader = BatchLoader(
          try BatchSource(
            DatasetFile(opening: path), batchSize: 4, order: .shuffled, augments: true,
            crop: PixelSize(height: 4, width: 4), seed: 7))
        return try (0..<6).map { _ in try loader.next() }
      }
      for (sharded, whole) in zip(batches[0], batches[1]) {
        #expect(sharded.images == whole.images)
        #expect(sharded.targets.map(\.values) == whole.targets.map(\.values))
      }
    }
  }

  @Test func aShardThatIsMissingOrOfAnotherSizeIsNamed() throws {
    try Conversions.with { conversions in
      _ = try conversions.convert()
      let read = { _ = try DatasetFile(opening: conversions.master) }
      let manager = FileManager.default
      try manager.removeItem(atPath: conversions.shard(1))
      #expect(
        conversions.message(read)
          == "d.h5: /train/seg: its shard d-shard-001.h5: no such file")
      try manager.copyItem(atPath: conversions.shard(0), toPath: conversions.shard(1))
      #expect(
        conversions.message(read)
          == "d.h5: /train/seg: its shard d-shard-001.h5: /train/seg: expected uint8 of 3 samples "
          + "of 2×3, found uint8 of 2×2×3")
    }
  }

  @Test func aChangedShardIsFoundByItsDigest() throws {
    try Conversions.with { conversions in
      _ = try conversions.convert()
      let other = try ArtifactReader(opening: conversions.shard(2)).verifiedDigest()
      // A shard with the same layout and other values, whole in itself.
      let changed = NumberedDataset(
        counts: [(.train, 3), (.validation, 1)])
      _ = try convert(
        changed, to: conversions.shard(2), settings: ConversionSettings(threads: 1, maxBad: 0),
        provenance: someProvenance
      ) { _ in }
      #expect(try ArtifactReader(opening: conversions.shard(2)).verifiedDigest() != other)
      #expect(
        conversions.message {
          _ = try ArtifactReader(opening: conversions.master).verifiedDigest()
        } == "d.h5: content differs from content_sha256: the file was changed or damaged")
    }
  }

  /// A master that shows itself must not be followed for ever.
  @Test func aMasterIsNoShard() throws {
    try Conversions.with { conversions in
      _ = try conversions.convert()
      let manager = FileManager.default
      try manager.removeItem(atPath: conversions.shard(0))
      try manager.copyItem(atPath: conversions.master, toPath: conversions.shard(0))
      #expect(throws: ArtifactError.self) { _ = try DatasetFile(opening: conversions.master) }
      #expect(throws: ArtifactError.self) {
        _ = try ArtifactReader(opening: conversions.master).verifiedDigest()
      }
    }
  }
}
