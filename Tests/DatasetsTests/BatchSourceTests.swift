// The order of the batches, and what is in them.

import Artifacts
import Datasets
import TestSupport
import Testing

@Suite struct BatchSourceTests {
  private func source(
    _ dataset: DatasetFile, batchSize: Int, _ order: SampleOrder, seed: UInt64 = 1
  ) throws -> BatchSource {
    try BatchSource(
      dataset, batchSize: batchSize, order: order, augments: false, crop: nil, seed: seed)
  }

  private func numbers(_ source: BatchSource, batches: Range<Int>) throws -> [Int] {
    try batches.flatMap { try source.batch($0).numbers }
  }

  @Test func sequentialOrderIsTheFilesOverAndOver() throws {
    try MarkedDataset().open { dataset in
      let source = try source(dataset, batchSize: 2, .sequential)
      #expect(source.samplesPerEpoch == 5)
      #expect(try numbers(source, batches: 0..<5) == [0, 1, 2, 3, 4, 0, 1, 2, 3, 4])
      #expect(try source.batch(1002).numbers == [4, 0])
    }
  }

  @Test func aBatchMayBeLargerThanTheDataset() throws {
    try MarkedDataset(count: 3).open { dataset in
      let source = try source(dataset, batchSize: 8, .sequential)
      #expect(try source.batch(0).numbers == [0, 1, 2, 0, 1, 2, 0, 1])
      #expect(try source.batch(1).numbers == [2, 0, 1, 2, 0, 1, 2, 0])
    }
  }

  @Test func shuffledOrderIsAnotherPermutationEveryEpoch() throws {
    try MarkedDataset(count: 12, height: 4, width: 4).open { dataset in
      let source = try source(dataset, batchSize: 4, .shuffled)
      let epochs = try (0..<6).map { try numbers(source, batches: $0 * 3..<$0 * 3 + 3) }
      for epoch in epochs { #expect(epoch.sorted() == Array(0..<12)) }
      #expect(Set(epochs).count == 6)
      #expect(!epochs.contains(Array(0..<12)))
    }
  }

  @Test func everyImageComesFirstAboutEquallyOften() throws {
    try MarkedDataset(count: 4, height: 2, width: 2).open { dataset in
      let source = try source(dataset, batchSize: 4, .shuffled)
      let firsts = try (0..<400).map { try source.batch($0).numbers[0] }
      for number in 0..<4 { #expect((60...140).contains(firsts.count { $0 == number })) }
    }
  }

  @Test func theSeedSettlesTheOrder() throws {
    try MarkedDataset(count: 12, height: 4, width: 4).open { dataset throws in
      func order(_ seed: UInt64) throws -> [Int] {
        try numbers(source(dataset, batchSize: 5, .shuffled, seed: seed), batches: 0..<6)
      }
      #expect(try order(1) == order(1))
      #expect(try order(1) != order(2))
      #expect(try order(0) != order(.max))
    }
  }

  @Test func aBatchDoesNotDependOnWhatCameBefore() throws {
    try MarkedDataset(count: 7).open { dataset in
      let source = try BatchSource(
        dataset, batchSize: 3, order: .shuffled, augments: true,
        crop: PixelSize(height: 16, width: 16), seed: 9)
      let loader = BatchLoader(source)
      let inOrder = try (0..<6).map { _ in try loader.next() }
      for number in [5, 0, 3] {
        let direct = try source.batch(number)
        #expect(direct.images == inOrder[number].images)
        #expect(direct.targets.map(\.values) == inOrder[number].targets.map(\.values))
        #expect(direct.targets.map(\.valid) == inOrder[number].targets.map(\.valid))
      }
      let late = BatchLoader(source, first: 4)
      #expect(try late.next().images == inOrder[4].images)
      #expect(try late.next().images == inOrder[5].images)
    }
  }

  @Test func theLoaderHandsOnWhatGoesWrong() throws {
    var random = SeededRandom(1)
    try withFolder { folder in
      let path = folder + "/data.h5"
      let writer = try DatasetWriter(
        path, tasks: [DatasetTask(name: "x", kind: .regression, channels: 1, lossWeight: 1)],
        storage: [.init(.float32, TargetEncoding())], provenance: someProvenance)
      try writer.begin(.train, count: 2, height: 2, width: 2)
      for bad in [false, true] {
        var values = random.floats(4)
        if bad { values[2] = .nan }
        try writer.append(
          Sample(
            height: 2, width: 2, image: [UInt8](repeating: 0, count: 12),
            targets: [TargetMap(values: values, valid: [true, true, true, true])]))
      }
      try writer.finish()
      let loader = BatchLoader(try source(DatasetFile(opening: path), batchSize: 1, .sequential))
      _ = try loader.next()
      let error = #expect(throws: ArtifactError.self) { try loader.next() }
      #expect(
        error?.description
          == "\(path): /train/x: sample 1: value nan at row 1, column 0 is not a finite number")
    }
  }

  @Test func withoutGroundTruthValuesAreZero() throws {
    try withFolder { folder in
      let path = folder + "/data.h5"
      let tasks = [
        DatasetTask(name: "seg", kind: .segmentation, channels: 3, lossWeight: 1),
        DatasetTask(name: "depth", kind: .regression, channels: 1, lossWeight: 1),
        DatasetTask(name: "sn", kind: .normals, channels: 3, lossWeight: 1),
      ]
      let writer = try DatasetWriter(
        path, tasks: tasks,
        storage: [
          .init(.uint8, TargetEncoding(fillValue: 255)),
          .init(.float32, TargetEncoding(validMin: 1)),
          .init(.float32, TargetEncoding(fillValue: 9)),
        ], provenance: someProvenance)
      try writer.begin(.train, count: 1, height: 1, width: 2)
      try writer.append(
        Sample(
          height: 1, width: 2, image: [1, 2, 3, 4, 5, 6],
          targets: [
            TargetMap(values: [2, 0], valid: [true, false]),
            TargetMap(values: [0.5, 7], valid: [true, true]),
            TargetMap(values: [0, 0, 0, 0, 0, 1], valid: [false, true]),
          ]))
      try writer.finish()
      let batch = try source(DatasetFile(opening: path), batchSize: 1, .sequential).batch(0)
      #expect((batch.count, batch.height, batch.width) == (1, 1, 2))
      #expect(batch.images == [1, 2, 3, 4, 5, 6])
      #expect(batch.targets.map(\.channels) == [1, 1, 3])
      #expect(batch.targets.map(\.values) == [[2, 0], [0, 7], [0, 0, 0, 0, 0, 1]])
      #expect(batch.targets.map(\.valid) == [[1, 0], [0, 1], [0, 1]])
    }
  }

  @Test func evaluationSeesEveryImageOnce() throws {
    try MarkedDataset().open { dataset in
      for (batchSize, sizes) in [(1, [1, 1, 1, 1, 1]), (2, [2, 2, 1]), (5, [5]), (9, [5])] {
        var seen: [[Int]] = []
        var firsts: [Int] = []
        try BatchSource.batches(of: dataset, split: .train, batchSize: batchSize) { batch, first in
          seen.append(batch.numbers)
          firsts.append(first)
        }
        #expect(seen.map(\.count) == sizes)
        #expect(seen.flatMap { $0 } == Array(0..<5))
        #expect(firsts == seen.map { $0[0] })
      }
    }
  }

  @Test func aSplitThatIsNotThereIsAnError() throws {
    try MarkedDataset().open { dataset in
      _ = #expect(throws: ArtifactError.self) {
        try BatchSource(
          dataset, split: .test, batchSize: 1, order: .sequential, augments: false, crop: nil,
          seed: 0)
      }
    }
  }
}
