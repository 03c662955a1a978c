// The index files that AdaShare's data sets come with (github.com/sunxm2357/AdaShare).

import Artifacts
import Foundation

/// Which files belong together, split by split: JSON of the form
/// `{"train": [["image.png", "seg.png"], ...], "test": [...]}`.
///
/// The published code validates on the test images. Hence, where there is no validation split, the
/// test split becomes it.
struct AdaShareIndex {
  /// The splits that have rows; train is among them. The first `columns` entries of a row are paths
  /// relative to the input folder.
  let splits: [(split: Split, rows: [[String]])]

  /// - Throws: ``InputError`` naming the file, and the split and the row (from 1) that are wrong.
  init(_ path: String, columns: Int) throws {
    func failure(_ reason: String) -> InputError {
      InputError(file: path, reason: reason)
    }
    let data = Data(try InputFile(path).readAll())
    guard let lists = try? JSONSerialization.jsonObject(with: data) as? [String: Any] else {
      throw failure("not a JSON object with a list of samples per split")
    }
    func rows(_ name: String) throws -> [[String]] {
      guard let list = lists[name] else { return [] }
      guard let rows = list as? [Any] else { throw failure("'\(name)' is not a list") }
      return try rows.enumerated().map { index, row in
        guard let names = row as? [String], names.count >= columns else {
          throw failure("'\(name)', row \(index + 1): expected \(columns) file names")
        }
        return names
      }
    }
    let train = try rows("train")
    guard !train.isEmpty else { throw failure("lists no samples under 'train'") }
    let (val, validation) = (try rows("val"), try rows("validation"))
    guard val.isEmpty || validation.isEmpty else {
      throw failure("has both 'val' and 'validation'; keep one")
    }
    let test = try rows("test")
    let held = val + validation
    let parts: [(split: Split, rows: [[String]])] =
      held.isEmpty
      ? [(.train, train), (.validation, test)]
      : [(.train, train), (.validation, held), (.test, test)]
    splits = parts.filter { !$0.rows.isEmpty }
  }
}
