// Taskonomy's official splits: which buildings are for training, validation and test.

import Artifacts
import Foundation

/// A table `id,train,val,test` with a building and 0 or 1 for each split in every row.
struct TaskonomySplit {
  /// In the file's order; a building that is in no split is left out.
  let buildings: [(name: String, split: Split)]

  private static let header = ["id", "train", "val", "test"]

  /// - Throws: ``InputError`` naming the file and the line.
  init(_ path: String) throws {
    func failure(_ line: Int, _ reason: String) -> InputError {
      InputError(file: path, reason: "line \(line): \(reason)")
    }
    // The official files end their lines with bare carriage returns.
    let lines = String(decoding: try InputFile(path).readAll(), as: UTF8.self)
      .split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
      .map { line in
        line.split(separator: ",", omittingEmptySubsequences: false)
          .map { $0.trimmingCharacters(in: .whitespaces) }
      }
    guard lines.first == Self.header else {
      throw failure(1, "expected the header \(Self.header.joined(separator: ","))")
    }
    var buildings: [(name: String, split: Split)] = []
    var seen: Set<String> = []
    for (number, fields) in zip(1..., lines).dropFirst() where fields != [""] {
      let flags = fields.dropFirst()
      guard fields.count == Self.header.count, let name = fields.first, !name.isEmpty,
        flags.allSatisfy({ $0 == "0" || $0 == "1" })
      else { throw failure(number, "expected a building and three times 0 or 1") }
      guard seen.insert(name).inserted else { throw failure(number, "\(name) is listed twice") }
      let splits = zip(Split.allCases, flags).filter { $1 == "1" }.map { $0.0 }
      guard splits.count <= 1 else { throw failure(number, "\(name) is in several splits") }
      buildings += splits.map { (name, $0) }
    }
    self.buildings = buildings
  }
}
