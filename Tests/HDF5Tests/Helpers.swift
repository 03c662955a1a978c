// What the tests share: temporary folders and a look at the thrown error.

import Foundation
import HDF5
import TestSupport
import Testing

/// Calls `body` with the path of a new folder, which is removed afterwards.
func withFolder<R>(_ body: (String) throws -> R) throws -> R {
  let folder = FileManager.default.temporaryDirectory.path + "/hdf5-tests-" + UUID().uuidString
  try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
  defer { try? FileManager.default.removeItem(atPath: folder) }
  return try body(folder)
}

/// Calls `body` with a new HDF5 file in a folder of its own, and closes it.
func withNewFile<R>(_ body: (File) throws -> R) throws -> R {
  try withFolder { folder in
    let file = try File.create(folder + "/new.h5")
    let result = try body(file)
    try file.close()
    return result
  }
}

/// The reason of the HDF5Error that `body` throws; "" if it throws none.
func reason(_ body: () throws -> Void) -> String {
  failure(body)?.reason ?? ""
}

func failure(_ body: () throws -> Void) -> HDF5Error? {
  do {
    try body()
    Issue.record("nothing was thrown")
    return nil
  } catch let error as HDF5Error {
    return error
  } catch {
    Issue.record("not an HDF5Error: \(error)")
    return nil
  }
}

func bytes(_ path: String) throws -> Data {
  try Data(contentsOf: URL(fileURLWithPath: path))
}

/// Runs a program and returns its exit status and what it printed.
@discardableResult
func run(_ program: String, _ arguments: String...) throws -> (status: Int32, output: String) {
  let outcome = try TestSupport.run(program, arguments, in: "/")
  return (outcome.status, outcome.stdout + outcome.stderr)
}
