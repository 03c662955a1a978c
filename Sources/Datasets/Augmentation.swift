// Augmentation: scaling, mirroring and cropping an image together with its targets.

import Artifacts

/// A size in pixels, written HxW.
public struct PixelSize: Equatable, Sendable, LosslessStringConvertible {
  public let height: Int
  public let width: Int

  public init(height: Int, width: Int) {
    self.height = height
    self.width = width
  }

  /// - Parameter description: such as 256x512; each at most 65536.
  public init?(_ description: String) {
    let parts = description.split(separator: "x", omittingEmptySubsequences: false)
    guard parts.count == 2, let height = Int(parts[0]), let width = Int(parts[1]),
      (1...65536).contains(height), (1...65536).contains(width)
    else { return nil }
    self.init(height: height, width: width)
  }

  public var description: String { "\(height)x\(width)" }
}

/// How a sample is laid out in its crop: scaled, maybe mirrored, then shifted.
struct Placement {
  /// Size after scaling.
  let scaled: PixelSize
  let mirrored: Bool
  /// The scaled image's pixel at the crop's origin; negative where the crop reaches beyond.
  let top: Int
  let left: Int

  /// Unscaled and centred.
  static func centred(_ size: PixelSize, in crop: PixelSize) -> Placement {
    Placement(
      scaled: size, mirrored: false, top: (size.height - crop.height) / 2,
      left: (size.width - crop.width) / 2)
  }

  /// Scale uniform in [0.5, 1.5), mirrored half of the time, the crop anywhere; an image smaller
  /// than the crop is centred (the published training's augmentation).
  static func random(
    _ size: PixelSize, in crop: PixelSize, using random: inout some RandomNumberGenerator
  ) -> Placement {
    let scale = Double.random(in: 0.5..<1.5, using: &random)
    let mirrored = Bool.random(using: &random)
    let scaled = PixelSize(
      height: max(1, Int(Double(size.height) * scale)),
      width: max(1, Int(Double(size.width) * scale)))
    func shift(_ length: Int, _ crop: Int) -> Int {
      length > crop ? Int.random(in: 0...length - crop, using: &random) : (length - crop) / 2
    }
    return Placement(
      scaled: scaled, mirrored: mirrored, top: shift(scaled.height, crop.height),
      left: shift(scaled.width, crop.width))
  }
}

extension Sample {
  /// The part of the placed sample that the crop shows: the image bilinearly, the targets by nearest
  /// neighbour; beyond the image raw 0 and no ground truth.
  ///
  /// - Parameters:
  ///   - channels: values per pixel of each target.
  ///   - signedX: for each target, whether mirroring negates its first component.
  func cropped(to crop: PixelSize, _ placement: Placement, channels: [Int], signedX: [Bool])
    -> Sample
  {
    if placement.scaled == crop, crop.height == height, crop.width == width, !placement.mirrored {
      return self
    }
    var result = Sample(
      height: crop.height, width: crop.width,
      image: [UInt8](repeating: 0, count: crop.height * crop.width * 3),
      targets: zip(targets, channels).map { _, channels in
        TargetMap(
          values: [Float](repeating: 0, count: crop.height * crop.width * channels),
          valid: [Bool](repeating: false, count: crop.height * crop.width))
      })
    let rows = Axis(
      length: height, scaled: placement.scaled.height, shift: placement.top, crop: crop.height,
      mirrored: false)
    let columns = Axis(
      length: width, scaled: placement.scaled.width, shift: placement.left, crop: crop.width,
      mirrored: placement.mirrored)
    image.withUnsafeBufferPointer { source in
      result.image.withUnsafeMutableBufferPointer { cropped in
        for y in rows.covered {
          let row = rows.taps[y]
          let (top, bottom) = (row.low * width, row.high * width)
          for x in columns.covered {
            let column = columns.taps[x]
            let place = (y * crop.width + x) * 3
            for c in 0..<3 {
              func between(_ row: Int) -> Float {
                let low = Float(source[(row &+ column.low) &* 3 &+ c])
                return low + (Float(source[(row &+ column.high) &* 3 &+ c]) - low) * column.weight
              }
              let (above, below) = (between(top), between(bottom))
              let value = above + (below - above) * row.weight
              // Of 0...255, so it fits.
              cropped[place &+ c] = UInt8(truncatingIfNeeded: Int32(value + 0.5))
            }
          }
        }
      }
    }
    for task in targets.indices {
      let n = channels[task]
      let flips = placement.mirrored && signedX[task]
      let target = targets[task]
      copyNearest(target.values, to: &result.targets[task].values, channels: n, rows, columns)
      copyNearest(target.valid, to: &result.targets[task].valid, channels: 1, rows, columns)
      if flips {
        for y in rows.covered {
          for x in columns.covered {
            result.targets[task].values[(y * crop.width + x) * n].negate()
          }
        }
      }
    }
    return result
  }
}

/// Copies the pixels that a crop shows, each of the source's nearest pixel.
private func copyNearest<T>(
  _ source: [T], to cropped: inout [T], channels: Int, _ rows: Axis, _ columns: Axis
) {
  source.withUnsafeBufferPointer { source in
    cropped.withUnsafeMutableBufferPointer { cropped in
      columns.taps.withUnsafeBufferPointer { taps in
        @inline(__always) func copy(channels: Int) {
          for y in rows.covered {
            let from = rows.taps[y].nearest * columns.length
            let to = y * taps.count
            for x in columns.covered {
              let pixel = (from &+ taps[x].nearest) &* channels
              for c in 0..<channels {
                cropped[(to &+ x) &* channels &+ c] = source[pixel &+ c]
              }
            }
          }
        }
        // Faster with a known number of channels.
        if channels == 1 { copy(channels: 1) } else { copy(channels: 3) }
      }
    }
  }
}

/// Where the pixels of a crop come from along one axis.
private struct Axis {
  struct Tap {
    /// The two source pixels between which a pixel's centre lies, and the share of the second.
    var low = 0
    var high = 0
    var weight: Float = 0
    /// ⌊i · in / out⌋.
    var nearest = 0
  }

  /// The source's pixels.
  let length: Int
  /// Of each of the crop's pixels.
  var taps: [Tap]
  /// The crop's pixels that lie inside the image.
  let covered: Range<Int>

  init(length: Int, scaled: Int, shift: Int, crop: Int, mirrored: Bool) {
    self.length = length
    let first = max(0, -shift)
    covered = first..<max(first, min(crop, scaled - shift))
    taps = [Tap](repeating: Tap(), count: crop)
    let ratio = Double(length) / Double(scaled)
    for index in covered {
      let place = index + shift
      let pixel = mirrored ? scaled - 1 - place : place
      let centre = min(max((Double(pixel) + 0.5) * ratio - 0.5, 0), Double(length - 1))
      let low = Int(centre)
      taps[index] = Tap(
        low: low, high: min(low + 1, length - 1), weight: Float(centre - Double(low)),
        nearest: pixel * length / scaled)
    }
  }
}
