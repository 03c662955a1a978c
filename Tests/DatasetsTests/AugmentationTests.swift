// Augmentation, as it shows in the batches: scaling, mirroring, cropping.

import Artifacts
import Datasets
import TestSupport
import Testing

@Suite struct CroppingTests {
  private func image(
    _ dataset: DatasetFile, crop: (height: Int, width: Int)?, number: Int = 2
  ) throws -> PlacedImage {
    let source = try BatchSource(
      dataset, batchSize: 1, order: .sequential, augments: false,
      crop: crop.map { PixelSize(height: $0.height, width: $0.width) }, seed: 0)
    return placedImages(of: try source.batch(number))[0]
  }

  @Test func withoutACropTheImageIsAsItStandsInTheFile() throws {
    try MarkedDataset().open { dataset in
      let placed = try image(dataset, crop: nil)
      let sample = try dataset.sample(2, of: dataset.info(.train))
      #expect(placed.pixels == sample.image)
      #expect(placed.values == sample.targets.map(\.values))
      #expect((placed.height, placed.width) == (20, 30))
    }
  }

  @Test func aSmallerCropShowsTheMiddle() throws {
    try MarkedDataset().open { dataset in
      let placed = try image(dataset, crop: (10, 12))
      #expect((placed.height, placed.width) == (10, 12))
      let pixels = 0..<120
      #expect(placed.values[3] == pixels.map { pixel -> Float in Float(9 + pixel % 12) })
      #expect(placed.values[4] == pixels.map { pixel -> Float in Float(5 + pixel / 12) })
      #expect(placed.pixels.prefix(3) == [10, 6, 3])
      #expect(placed.covered.count == 120)
    }
  }

  @Test(arguments: [(26, 36), (27, 37), (21, 30), (90, 31)])
  func aLargerCropHasTheImageInItsMiddle(height: Int, width: Int) throws {
    try MarkedDataset().open { dataset in
      let placed = try image(dataset, crop: (height, width))
      #expect(placed.rows.count == 20 && placed.columns.count == 30)
      #expect(abs(placed.rows.lowerBound - (height - 1 - placed.rows.upperBound)) <= 1)
      #expect(abs(placed.columns.lowerBound - (width - 1 - placed.columns.upperBound)) <= 1)
      let covered = Set(placed.covered)
      #expect(covered.count == 600)
      let misplaced = (0..<height * width).filter { pixel in
        let bytes = Array(placed.pixels[pixel * 3..<pixel * 3 + 3])
        guard covered.contains(pixel) else {
          return bytes != [0, 0, 0] || placed.values[0][pixel] != 0
            || placed.values[3][pixel] != 0 || placed.valid.contains { $0[pixel] != 0 }
        }
        let y = pixel / width - placed.rows.lowerBound
        let x = pixel % width - placed.columns.lowerBound
        return bytes != [UInt8(x + 1), UInt8(y + 1), 3] || placed.values[0][pixel] != 2
      }
      #expect(misplaced.isEmpty)
    }
  }

  @Test func aCropMayBeLargerOneWayAndSmallerTheOther() throws {
    try MarkedDataset().open { dataset in
      let placed = try image(dataset, crop: (24, 10))
      #expect(placed.rows == 2...21 && placed.columns == 0...9)
      #expect(placed.values[3][2 * 10] == 10)
    }
  }
}

@Suite struct AugmentationTests {
  /// So many augmented images.
  private func augmented(_ count: Int, crop: (height: Int, width: Int)? = nil) throws
    -> [PlacedImage]
  {
    try MarkedDataset().open { dataset in
      let source = try BatchSource(
        dataset, batchSize: 10, order: .shuffled, augments: true,
        crop: crop.map { PixelSize(height: $0.height, width: $0.width) }, seed: 3)
      return try (0..<count / 10).flatMap { placedImages(of: try source.batch($0)) }
    }
  }

  @Test func everyImageHasTheCropsSize() throws {
    let own = try augmented(40)
    #expect(own.allSatisfy { $0.height == 20 && $0.width == 30 })
    let cropped = try augmented(40, crop: (13, 41))
    #expect(cropped.allSatisfy { $0.height == 13 && $0.width == 41 })
    #expect(cropped.allSatisfy { $0.pixels.count == 13 * 41 * 3 })
  }

  @Test func scalesGoFromOneHalfToThreeHalves() throws {
    // A crop that every scaled image fits into.
    let images = try augmented(300, crop: (30, 45))
    let widths = images.map(\.columns.count)
    let heights = images.map(\.rows.count)
    #expect(widths.allSatisfy { (15...44).contains($0) })
    #expect(heights.allSatisfy { (10...29).contains($0) })
    for (height, width) in zip(heights, widths) {
      #expect(abs(Double(height) / 20 - Double(width) / 30) < 0.05)
    }
    for bound in [20, 25, 30, 35, 40] {
      let share = Double(widths.count { $0 < bound }) / 300
      #expect(abs(share - (Double(bound) / 30 - 0.5)) < 0.12)
    }
  }

  @Test func imagesSmallerThanTheCropAreCentred() throws {
    let images = try augmented(100, crop: (30, 45))
    for image in images {
      #expect(abs(image.rows.lowerBound - (29 - image.rows.upperBound)) <= 1)
      #expect(abs(image.columns.lowerBound - (44 - image.columns.upperBound)) <= 1)
      let outside = Set(0..<30 * 45).subtracting(image.covered)
      #expect(outside.allSatisfy { image.pixels[$0 * 3..<$0 * 3 + 3].allSatisfy { $0 == 0 } })
    }
  }

  @Test func aboutHalfOfTheImagesAreMirrored() throws {
    let images = try augmented(300)
    #expect((110...190).contains(images.count { $0.isMirrored }))
  }

  @Test func mirroringNegatesXWhereTheEncodingIsSigned() throws {
    let images = try augmented(60)
    for image in images {
      let expected: [Float] = [image.isMirrored ? -0.5 : 0.5, 0.25, 0.75]
      let wrong = image.covered.filter {
        Array(image.values[1][$0 * 3..<$0 * 3 + 3]) != expected
          || Array(image.values[2][$0 * 3..<$0 * 3 + 3]) != [0.5, 0.25, 0.75]
      }
      #expect(wrong.isEmpty)
    }
    #expect(Set(images.map(\.isMirrored)).count == 2)
  }

  @Test(arguments: [(20, 30), (12, 12), (40, 50)])
  func imageAndTargetsStayOnTopOfEachOther(height: Int, width: Int) throws {
    let images = try augmented(60, crop: (height, width))
    for image in images {
      // The image is taken between pixels, the target from the nearest.
      let apart = image.covered.filter { pixel in
        let marks = image.pixels[pixel * 3..<pixel * 3 + 3].map { Float($0) - 1 }
        return abs(marks[0] - image.values[3][pixel]) > 2
          || abs(marks[1] - image.values[4][pixel]) > 2 || marks[2] != image.values[0][pixel]
      }
      #expect(apart.isEmpty)
    }
  }

  @Test func cropsComeFromEverywhere() throws {
    let images = try augmented(300, crop: (10, 10))
    // The middle of the crop, in columns of the original image.
    let middles = images.map { $0.values[3][55] }
    #expect((middles.min() ?? 30) < 7 && (middles.max() ?? 0) > 22)
    let rows = images.map { $0.values[4][55] }
    #expect((rows.min() ?? 20) < 6 && (rows.max() ?? 0) > 14)
    #expect(images.allSatisfy { $0.covered.count == 100 })
  }

  @Test func anImageIsAugmentedAnewEachTime() throws {
    try MarkedDataset(count: 1).open { dataset in
      func images(_ seed: UInt64) throws -> [[UInt8]] {
        let source = try BatchSource(
          dataset, batchSize: 1, order: .sequential, augments: true, crop: nil, seed: seed)
        return try (0..<20).map { try source.batch($0).images }
      }
      let first = try images(1)
      #expect(Set(first).count > 12)
      #expect(try images(1) == first)
      #expect(try images(2) != first)
    }
  }
}
