// Turns libhdf5's error stack into one Swift error that says which file, which path and why.

import CHDF5
import Foundation

/// A failed HDF5 operation: where it happened and a reason a person can act on.
public struct HDF5Error: Error, CustomStringConvertible, Sendable {
  /// The file's path, as given to `File.open` or `File.create`.
  public let file: String
  /// The object ("/train/image"), the attribute ("/train@units"), or "" when about the file.
  public let path: String
  /// What went wrong, such as "missing dataset" or "cannot write: No space left on device".
  public let reason: String
  /// Whether the operating system is the cause, as when a disk is full.
  let isFromSystem: Bool

  static let locked = "locked by a program that is writing it"

  /// Whether the file could not be opened because somebody is writing it.
  public var isLocked: Bool { reason == Self.locked }

  public init(file: String, path: String, reason: String) {
    self.init(file: file, path: path, reason: reason, isFromSystem: false)
  }

  init(file: String, path: String, reason: String, isFromSystem: Bool) {
    self.file = file
    self.path = path
    self.reason = reason
    self.isFromSystem = isFromSystem
  }

  public var description: String {
    path.isEmpty ? "\(file): \(reason)" : "\(file): \(path): \(reason)"
  }
}

/// Where in which file an operation takes place; the source of every error.
struct Place: Sendable {
  let file: String
  var path = ""

  func error(_ reason: String, isFromSystem: Bool = false) -> HDF5Error {
    HDF5Error(file: file, path: path, reason: reason, isFromSystem: isFromSystem)
  }

  /// The place of the object `name` below the group at this place.
  func child(_ name: String) -> Place {
    let steps = name.split(separator: "/").joined(separator: "/")
    if name.hasPrefix("/") { return Place(file: file, path: "/" + steps) }
    return Place(file: file, path: path == "/" ? "/" + steps : path + "/" + steps)
  }

  func attribute(_ name: String) -> Place {
    Place(file: file, path: path + "@" + name)
  }

  /// Runs one libhdf5 call and returns its result; throws "cannot `task`: …" if it is negative.
  @discardableResult
  func check<R: SignedInteger>(_ task: String, _ call: () throws -> R) throws -> R {
    silenceErrorPrinting()
    let result = try call()
    if result >= 0 { return result }
    let failure = Failure.latest()
    throw error("cannot \(task): \(failure.text)", isFromSystem: failure.number != nil)
  }
}

/// Keeps libhdf5 from printing its error stack. The setting belongs to the calling thread, hence
/// it is made anew before each call; it costs no more than a flag.
func silenceErrorPrinting() {
  H5Eset_auto2(chdf5_default_stack(), nil, nil)
}

/// What the calling thread's error stack says about the call that just failed.
struct Failure {
  /// The system's error number, when the system caused the failure.
  let number: Int32?
  /// The system's message if there is one, else the innermost description on the stack.
  let text: String
  /// All descriptions, innermost first.
  let stack: [String]

  var concernsLock: Bool { stack.contains { $0.contains("unable to lock file") } }
  var isLockedByOthers: Bool { concernsLock && [EAGAIN, EWOULDBLOCK].contains(number ?? 0) }

  /// Reads the stack; call it before any other libhdf5 function, which would clear the stack.
  static func latest() -> Failure {
    var stack: [String] = []
    withUnsafeMutablePointer(to: &stack) { stack in
      _ = H5Ewalk2(
        chdf5_default_stack(), H5E_WALK_UPWARD,
        { _, entry, data in
          guard let description = entry?.pointee.desc, let data else { return 0 }
          data.assumingMemoryBound(to: [String].self).pointee.append(String(cString: description))
          return 0
        }, stack)
    }
    for line in stack {
      if let system = systemError(in: line) {
        return Failure(number: system.number, text: system.message, stack: stack)
      }
    }
    let innermost = stack.first { !$0.isEmpty } ?? "unknown HDF5 error"
    return Failure(number: nil, text: innermost, stack: stack)
  }

  /// Finds "errno = 28, error message = 'No space left on device'" in a description.
  private static func systemError(in line: String) -> (number: Int32, message: String)? {
    guard let start = line.range(of: "errno = "),
      let middle = line.range(of: ", error message = '", range: start.upperBound..<line.endIndex),
      let end = line.range(of: "'", range: middle.upperBound..<line.endIndex),
      let number = Int32(line[start.upperBound..<middle.lowerBound]), number != 0
    else { return nil }
    return (number, String(line[middle.upperBound..<end.lowerBound]))
  }
}
