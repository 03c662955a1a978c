// Predictions and ground truth in memory, and sums over their pixels on all cores.

import Torch

/// A network's predictions for some images. Where their resolution is not the ground truth's, each pixel
/// of the ground truth takes the nearest predicted one: source = ⌊i · in / out⌋.
public struct Prediction: Sendable {
  public let count: Int
  public let channels: Int
  public let height: Int
  public let width: Int
  /// N×channels×h×w.
  let values: [Float]

  /// - Throws: ``TorchError`` when the values do not fill the shape.
  public init(_ values: [Float], count: Int, channels: Int, height: Int, width: Int) throws {
    guard values.count == count * channels * height * width, height > 0, width > 0 else {
      throw TorchError(
        "\(values.count) values do not fill the shape \([count, channels, height, width])")
    }
    self.count = count
    self.channels = channels
    self.height = height
    self.width = width
    self.values = values
  }

  /// - Parameter tensor: N×channels×h×w.
  public init(_ tensor: Tensor) throws {
    let shape = tensor.shape
    guard shape.count == 4 else { throw TorchError("a prediction of shape \(shape)") }
    try self.init(
      tensor.to(.float32).array(), count: shape[0], channels: shape[1], height: shape[2],
      width: shape[3])
  }

  /// The same values for every pixel of `count` images.
  public init(constant values: [Float], count: Int) throws {
    try self.init(
      Array(repeatElement(values, count: count).joined()), count: count, channels: values.count,
      height: 1, width: 1)
  }

  /// Pixels of an image, and how far a pixel's channels lie from each other.
  var plane: Int { height * width }

  /// Where the first channel of a pixel, N×h×w, lies.
  func firstValue(ofPixel pixel: Int) -> Int {
    let (image, place) = pixel.quotientAndRemainder(dividingBy: plane)
    return image * channels * plane + place
  }
}

/// Targets of some images of one size, decoded to physical values.
public struct GroundTruth: Sendable {
  public let height: Int
  public let width: Int
  /// Image by image: H×W×channels.
  let values: [[Float]]
  /// Image by image, H×W: where there is ground truth.
  let valid: [[Bool]]

  public init(height: Int, width: Int, values: [[Float]], valid: [[Bool]]) {
    self.height = height
    self.width = width
    self.values = values
    self.valid = valid
  }

  var count: Int { values.count }
}

/// Images with their predictions, cut into pieces of rows for all cores.
struct PixelPairs: Sendable {
  let prediction: Prediction
  let truth: GroundTruth
  /// For each row of the ground truth the prediction's row, and for each column its column.
  private let rows: [Int]
  private let columns: [Int]
  private let bands: Int

  /// Pixels of a piece; pieces follow from the images' size alone, so that sums over them are the same
  /// on any number of threads.
  private static let pixelsPerPiece = 4096

  /// - Parameter channels: of the prediction, and values of a pixel of the ground truth.
  /// - Throws: ``TorchError`` when one does not belong to the other.
  init(_ prediction: Prediction, _ truth: GroundTruth, channels: (prediction: Int, truth: Int))
    throws
  {
    let pixels = truth.height * truth.width
    guard prediction.count == truth.count, prediction.channels == channels.prediction,
      truth.values.allSatisfy({ $0.count == pixels * channels.truth }),
      truth.valid.count == truth.count, truth.valid.allSatisfy({ $0.count == pixels })
    else {
      throw TorchError(
        "expected \(truth.count) images of \(channels.prediction) channels, found "
          + "\(prediction.count) of \(prediction.channels)")
    }
    self.prediction = prediction
    self.truth = truth
    rows = (0..<truth.height).map { $0 * prediction.height / truth.height }
    columns = (0..<truth.width).map { $0 * prediction.width / truth.width }
    bands = max(1, (pixels + Self.pixelsPerPiece - 1) / Self.pixelsPerPiece)
  }

  /// A piece: some rows of one image.
  struct Piece: Sendable {
    let image: Int
    let rows: Range<Int>
    fileprivate let pairs: PixelPairs

    /// Calls `body` for each pixel with ground truth.
    ///
    /// - Parameter body: with the pixel's place in its image's ground truth, and in the prediction,
    ///   N×h×w.
    @inline(__always)
    func eachPixel(_ body: (_ pixel: Int, _ predicted: Int) -> Void) {
      let (height, width) = (pairs.prediction.height, pairs.prediction.width)
      let first = image * height * width
      pairs.truth.valid[image].withUnsafeBufferPointer { valid in
        pairs.columns.withUnsafeBufferPointer { columns in
          for row in rows {
            let (start, predicted) = (row * columns.count, first + pairs.rows[row] * width)
            for column in columns.indices where valid[start + column] {
              body(start + column, predicted + columns[column])
            }
          }
        }
      }
    }
  }

  /// The results of `body` on every piece, image by image and in each from top to bottom; the pieces
  /// run on all cores.
  func inPieces<Result>(_ body: @Sendable (Piece) -> Result) -> [[Result]] {
    let results = inOrder(truth.count * bands) { number -> Result in
      let (image, band) = number.quotientAndRemainder(dividingBy: bands)
      let (first, last) = (truth.height * band / bands, truth.height * (band + 1) / bands)
      return body(Piece(image: image, rows: first..<last, pairs: self))
    }
    return (0..<truth.count).map { Array(results[$0 * bands..<($0 + 1) * bands]) }
  }
}

/// Pieces of a prediction's pixels, N×h×w, on all cores.
func inPieces<Result>(of pixels: Int, _ body: @Sendable (Range<Int>) -> Result) -> [Result] {
  let size = 4096
  return inOrder((pixels + size - 1) / size) {
    body($0 * size..<min(($0 + 1) * size, pixels))
  }
}

private func inOrder<Result>(_ count: Int, _ body: @Sendable (Int) -> Result) -> [Result] {
  [Result](unsafeUninitializedCapacity: count) { results, initialized in
    nonisolated(unsafe) let results = results
    inParallel(pieces: count) { results.initializeElement(at: $0, to: body($0)) }
    initialized = count
  }
}

/// Sums over some pixels, which can be added to those over others.
protocol Summable {
  init()
  mutating func add(_ other: Self)
}

extension Sequence {
  /// The sum in this order.
  func sum<Sum: Summable>() -> Sum where Element == Sum {
    reduce(into: Sum()) { $0.add($1) }
  }
}

extension Array {
  /// Calls `body` with the sums over each batch of so many images, and the images in it.
  func forEachBatch<Sum: Summable>(_ batchSize: Int, _ body: (Sum, _ images: Int) -> Void)
  where Element == [Sum] {
    for first in stride(from: 0, to: count, by: batchSize) {
      let images = self[first..<Swift.min(first + batchSize, count)]
      body(images.joined().sum(), images.count)
    }
  }
}
