// A file on its way: a temporary one beside the target, which takes the target's name when it is
// whole. Its lock tells a writer that lives from what a dead one left, also across hosts and
// containers, where numbers of processes tell nothing.

import Foundation
import Synchronization

/// The right to write a file, from the moment it is claimed until it has its name or is given up.
public final class PartialFile: Sendable {
  /// The name under which the file will appear, as the user gave it.
  let path: String
  /// Where that leads.
  let target: String
  let partialPath: String
  let descriptor: Int32
  private let state = Mutex(State.claimed)

  private enum State { case claimed, writing, closed }

  /// Claims a file: while this lives, other processes are refused.
  ///
  /// - Throws: ``ArtifactError`` when somebody else is writing the file, or it cannot be made.
  public init(_ path: String) throws {
    self.path = path
    target = try OutputFile.target(of: path)
    (partialPath, descriptor) = try Self.open(path, target)
    PartialFiles.add(self)
  }

  /// The file to write, by the claim that this process has on it already, or by a new one.
  static func begin(_ path: String) throws -> PartialFile {
    let claim = try PartialFiles.claim(on: OutputFile.target(of: path)) ?? PartialFile(path)
    let isFree = claim.state.withLock { state in
      defer { if state == .claimed { state = .writing } }
      return state == .claimed
    }
    guard isFree else {
      throw ArtifactError(file: path, path: "", reason: "this program is writing it already")
    }
    return claim
  }

  deinit { giveUp() }

  /// Gives the file its name, once every byte is on the disk.
  ///
  /// - Throws: ``ArtifactError`` with the system's reason; then nothing appears.
  func finish() throws {
    guard fsync(descriptor) == 0, rename(partialPath, target) == 0 else {
      let problem = errno
      giveUp()
      throw OutputFile.failure(path, problem)
    }
    // From here on there is nothing to take away, and the lock goes with the descriptor.
    close { _ in }
  }

  /// Takes the temporary file away.
  public func giveUp() { close { unlink($0) } }

  private func close(_ last: (_ partialPath: String) -> Void) {
    state.withLock { state in
      guard state != .closed else { return }
      state = .closed
      last(partialPath)
      PartialFiles.forget(self)
      Foundation.close(descriptor)
    }
  }

  // MARK: - Locks

  /// Makes `.name.partial` and locks it. What a dead process left under that name goes first.
  private static func open(_ path: String, _ target: String) throws -> (String, Int32) {
    let url = URL(fileURLWithPath: target)
    let folder = url.deletingLastPathComponent()
    let partial = folder.appendingPathComponent(".\(url.lastPathComponent).partial").path
    // Another process may take a file for a dead one's between its making and its locking.
    for _ in 0..<100 {
      let descriptor = Foundation.open(
        partial, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o666)
      if descriptor >= 0 {
        switch lock(descriptor) {
        case .mine where isStill(partial, descriptor): return (partial, descriptor)
        case .mine, .others: Foundation.close(descriptor)
        case .unsupported:
          // Nobody can tell whose a file of that name is, so it must not be found.
          unlink(partial)
          Foundation.close(descriptor)
          return try openUnlocked(path, partial)
        }
        continue
      }
      guard errno == EEXIST else { throw OutputFile.failure(path, errno) }
      let left = Foundation.open(partial, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
      if left < 0 {
        if errno == ENOENT { continue }
        throw ArtifactError(
          file: path, path: "", reason: "its temporary file \(partial) is in the way")
      }
      defer { Foundation.close(left) }
      switch lock(left) {
      case .mine: if isStill(partial, left) { unlink(partial) }
      case .others:
        throw ArtifactError(file: path, path: "", reason: "another program is writing it")
      case .unsupported: return try openUnlocked(path, partial)
      }
    }
    throw ArtifactError(file: path, path: "", reason: "other programs keep writing it")
  }

  /// On a file system without locks: a name of one's own, which nobody takes away.
  private static func openUnlocked(_ path: String, _ partial: String) throws -> (String, Int32) {
    let own = "\(partial.dropLast(".partial".count)).\(UUID().uuidString).partial"
    let descriptor = Foundation.open(
      own, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else { throw OutputFile.failure(path, errno) }
    return (own, descriptor)
  }

  private enum Lock { case mine, others, unsupported }

  /// Locks of open file descriptions: they go with the process, and libhdf5, which uses others, does
  /// not meet them.
  private static func lock(_ descriptor: Int32) -> Lock {
    var lock = Foundation.flock()
    lock.l_type = Int16(F_WRLCK)
    lock.l_whence = Int16(SEEK_SET)
    // F_OFD_SETLK, which glibc hides from Swift.
    if fcntl(descriptor, 37, &lock) == 0 { return .mine }
    return [EAGAIN, EACCES].contains(errno) ? .others : .unsupported
  }

  /// Whether a name still leads to an open file.
  private static func isStill(_ path: String, _ descriptor: Int32) -> Bool {
    var (named, open) = (stat(), stat())
    return lstat(path, &named) == 0 && fstat(descriptor, &open) == 0
      && named.st_ino == open.st_ino && named.st_dev == open.st_dev
  }
}

/// The temporary files of this process, so that an interrupted tool can take them away.
public enum PartialFiles {
  /// By where they lead. They live elsewhere.
  private static let claims = Mutex<[String: Claim]>([:])

  private struct Claim: Sendable {
    weak var file: PartialFile?
    let partialPath: String
  }

  static func add(_ file: PartialFile) {
    claims.withLock {
      $0[file.target] = Claim(file: file, partialPath: file.partialPath)
    }
  }

  static func claim(on target: String) -> PartialFile? {
    claims.withLock { $0[target]?.file }
  }

  static func forget(_ file: PartialFile) {
    claims.withLock { claims in
      if claims[file.target]?.partialPath == file.partialPath { claims[file.target] = nil }
    }
  }

  public static func removeAll() {
    claims.withLock { claims in
      for claim in claims.values { unlink(claim.partialPath) }
      claims = [:]
    }
  }
}
