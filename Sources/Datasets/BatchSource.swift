// Batches of a data set in training order, read one ahead in the background.

import Artifacts
import Foundation
import Synchronization
import Torch

/// Images with their targets, ready for tensors.
public struct Batch: Sendable {
  public struct Target: Sendable {
    /// N×H×W×channels; 0 where there is no ground truth.
    public var values: [Float]
    /// N×H×W, 1 where there is ground truth, else 0.
    public var valid: [Float]
    public let channels: Int
  }

  public let count: Int
  public let height: Int
  public let width: Int
  /// N×H×W×3, RGB.
  public let images: [UInt8]
  /// In the data set's task order.
  public let targets: [Target]

  /// Lays samples of one size end to end.
  init(_ samples: [Sample], tasks: [DatasetTask]) {
    count = samples.count
    height = samples.first?.height ?? 0
    width = samples.first?.width ?? 0
    images = [UInt8](
      unsafeUninitializedCapacity: samples.reduce(0) { $0 + $1.image.count }
    ) { images, initialized in
      for sample in samples {
        let end = initialized + sample.image.count
        _ = UnsafeMutableBufferPointer(rebasing: images[initialized..<end])
          .initialize(from: sample.image)
        initialized = end
      }
    }
    targets = tasks.enumerated().map { index, task in
      Target(samples.map { $0.targets[index] }, channels: task.targetChannels)
    }
  }
}

extension Batch.Target {
  fileprivate init(_ maps: [TargetMap], channels: Int) {
    self.channels = channels
    let pixels = maps.reduce(0) { $0 + $1.valid.count }
    valid = [Float](unsafeUninitializedCapacity: pixels) { valid, initialized in
      for map in maps {
        let first = initialized
        map.valid.withUnsafeBufferPointer { isValid in
          for pixel in isValid.indices { valid[first + pixel] = isValid[pixel] ? 1 : 0 }
        }
        initialized += map.valid.count
      }
    }
    values = [Float](unsafeUninitializedCapacity: pixels * channels) { values, initialized in
      for map in maps {
        let first = initialized
        map.values.withUnsafeBufferPointer { stored in
          map.valid.withUnsafeBufferPointer { isValid in
            @inline(__always) func copy(channels: Int) {
              for pixel in isValid.indices {
                for index in pixel * channels..<(pixel + 1) * channels {
                  values[first + index] = isValid[pixel] ? stored[index] : 0
                }
              }
            }
            // Loops of a known number of channels run on vectors.
            if channels == 1 { copy(channels: 1) } else { copy(channels: 3) }
          }
        }
        initialized += map.values.count
      }
    }
  }
}

/// The order in which training sees the images.
public enum SampleOrder: String, Sendable, CaseIterable {
  /// A new permutation every epoch.
  case shuffled
  /// As they stand in the file, over and over.
  case sequential
}

/// The order of the samples in each epoch, by the seed and the epoch's number alone.
private final class EpochPermutations: Sendable {
  private let count: Int
  private let seed: UInt64
  /// Those last used: making one takes longer than reading a batch of a large data set.
  private let made = Mutex<[Int: [Int]]>([:])

  init(count: Int, seed: UInt64) {
    self.count = count
    self.seed = seed
  }

  func permutation(ofEpoch epoch: Int) -> [Int] {
    made.withLock { made in
      if let permutation = made[epoch] { return permutation }
      var random = RandomStream(seed: seed, .order, index: epoch)
      let permutation = (0..<count).shuffled(using: &random)
      // Batches that are made at the same time may belong to two epochs.
      made = made.filter { $0.key == epoch - 1 }
      made[epoch] = permutation
      return permutation
    }
  }
}

/// The endless sequence of training batches: batch n is a function of the settings and n alone.
public struct BatchSource: Sendable {
  public let dataset: DatasetFile
  /// Images of a batch.
  public let batchSize: Int
  /// The places in each batch of the images that are read: all of them, or the part of one of several
  /// processes.
  public let places: Range<Int>
  public let size: PixelSize
  /// Batches that a loader makes ahead, each on a thread of its own.
  public let prefetch: Int
  private let info: DatasetFile.SplitInfo
  private let order: SampleOrder
  private let augments: Bool
  private let seed: UInt64
  private let permutations: EpochPermutations

  /// - Parameters:
  ///   - crop: the size of the batches' images; nil means the data set's own.
  ///   - prefetch: batches that a loader makes ahead, at least 1.
  ///   - places: the images of each batch to read, by their place; nil for all.
  public init(
    _ dataset: DatasetFile, split: Split = .train, batchSize: Int, order: SampleOrder,
    augments: Bool, crop: PixelSize?, seed: UInt64, prefetch: Int = 2, places: Range<Int>? = nil
  ) throws {
    let places = places ?? 0..<batchSize
    self.dataset = dataset
    self.batchSize = batchSize
    self.places = places
    self.order = order
    self.augments = augments
    self.seed = seed
    self.prefetch = prefetch
    info = try dataset.info(split)
    permutations = EpochPermutations(count: info.count, seed: seed)
    size = crop ?? PixelSize(height: info.height, width: info.width)
    // Sizes are at most 65536 by 65536, so nothing overflows.
    let values = dataset.tasks.reduce(3) { $0 + 4 * $1.targetChannels }
    let bytes = places.count * size.height * size.width * values
    guard UInt64(bytes) <= ProcessInfo.processInfo.physicalMemory else {
      throw dataset.reader.error(
        "/\(split.rawValue)",
        "\(places.count) images of \(size) with their targets do not fit in memory")
    }
  }

  public var samplesPerEpoch: Int { info.count }

  /// Batch `number`, from 0, or its part.
  public func batch(_ number: Int) throws -> Batch {
    let samples = try places.map { place in
      let position = number * batchSize + place
      let (epoch, place) = position.quotientAndRemainder(dividingBy: info.count)
      let index = order == .shuffled ? permutations.permutation(ofEpoch: epoch)[place] : place
      return try sample(index, position)
    }
    return Batch(samples, tasks: dataset.tasks)
  }

  private func sample(_ index: Int, _ position: Int) throws -> Sample {
    let sample = try dataset.sample(index, of: info)
    let original = PixelSize(height: info.height, width: info.width)
    var placement = Placement.centred(original, in: size)
    if augments {
      var random = RandomStream(seed: seed, .augmentation, index: position)
      placement = Placement.random(original, in: size, using: &random)
    }
    return sample.cropped(
      to: size, placement, channels: dataset.tasks.map(\.targetChannels),
      signedX: dataset.tasks.indices.map { info.encoding(ofTask: $0).signedX })
  }

  /// The images of a split in file order, in batches, the last one maybe smaller, read ahead; for
  /// validation.
  ///
  /// - Parameter share: the numbers of the batches to read, of so many.
  public static func batches(
    of dataset: DatasetFile, split: Split, batchSize: Int, share: (Int) -> Range<Int> = { 0..<$0 },
    _ body: (Batch, _ first: Int) throws -> Void
  ) throws {
    let info = try dataset.info(split)
    let count = (info.count - 1) / batchSize + 1
    let mine = share(count)
    let batches = OrderedWork(mine, threads: 2, ahead: 2) { number in
      let first = number * batchSize
      let samples = try (first..<min(first + batchSize, info.count)).map {
        try dataset.sample($0, of: info)
      }
      return Batch(samples, tasks: dataset.tasks)
    }
    var first = mine.lowerBound * batchSize
    while let batch = try batches.value() {
      try body(batch, first)
      first += batch.count
    }
  }
}

/// Hands out a source's batches one after the other, preparing the next ones in the background.
public final class BatchLoader {
  private let work: OrderedWork<Batch>

  /// - Parameters:
  ///   - first: the number of the first batch.
  ///   - step: how many numbers the next one is further.
  public init(_ source: BatchSource, first: Int = 0, step: Int = 1) {
    let turns = 0..<Int.max / 2 / step
    work = OrderedWork(turns, threads: source.prefetch, ahead: source.prefetch) {
      try source.batch(first + $0 * step)
    }
  }

  public func next() throws -> Batch {
    guard let batch = try work.value() else { throw CancellationError() }
    return batch
  }
}
