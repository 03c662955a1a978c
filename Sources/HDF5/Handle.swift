// Owns one libhdf5 identifier of a file, group or dataset and closes it exactly once.

import CHDF5
import Foundation
import Synchronization

/// The owner of an open HDF5 object; opaque outside this module.
///
/// Handles, and the files, groups and datasets made of them, may be used from several threads:
/// `File` refuses a libhdf5 that was not built thread-safe, whose calls take one global lock.
public final class Handle: Sendable {
  typealias Action = @Sendable (hid_t) -> herr_t

  private struct State {
    var id: hid_t?
    /// What could not be written to the file; from then on every call on the file throws it.
    var failure: HDF5Error?
  }

  let place: Place
  /// The file's handle, which outlives its objects; nil if this is that handle.
  private let file: Handle?
  private let state: Mutex<State>
  /// Writes what is buffered; nil if nothing ever is.
  private let flushing: Action?
  private let closing: Action

  /// Takes ownership of the identifier of a file, which is written if there is a `flush`.
  init(file id: hid_t, at place: Place, flush: Action?, close: @escaping Action) {
    self.place = place
    file = nil
    state = Mutex(State(id: id))
    flushing = flush
    closing = close
  }

  /// Takes ownership of the identifier of an object in the file of `parent`.
  init(
    _ id: hid_t, at place: Place, in parent: Handle, flush: Action? = nil,
    close: @escaping Action
  ) {
    self.place = place
    file = parent.root
    state = Mutex(State(id: id))
    flushing = parent.root.isWritten ? flush : nil
    closing = close
  }

  deinit {
    do { try close() } catch let error as HDF5Error { file?.abandon(error) } catch {}
  }

  /// The handle of the file this object is in.
  var root: Handle { file ?? self }

  private var isOpen: Bool { state.withLock { $0.id != nil } }
  private var isWritten: Bool { flushing != nil }

  /// Runs one libhdf5 call on the identifier, which stays open meanwhile. If the result is
  /// negative, throws "cannot `task`: …" at `place`, or at the handle's own place.
  @discardableResult
  func call<R: SignedInteger>(
    _ task: String, at place: Place? = nil, _ body: (hid_t) throws -> R
  ) throws -> R {
    let place = place ?? self.place
    guard root.isOpen, let id = state.withLock({ $0.id }) else {
      throw place.error("the file is closed")
    }
    if let failure = root.state.withLock({ $0.failure }) { throw failure }
    do {
      return try withExtendedLifetime(self) { try place.check(task) { try body(id) } }
    } catch let error as HDF5Error {
      if error.isFromSystem { root.abandon(error) }
      throw error
    }
  }

  /// Writes what is buffered.
  func flush() throws {
    try call("flush", flushing ?? { _ in 0 })
  }

  /// Flushes and closes the identifier. Does nothing if that has been done, or if the file was
  /// closed, which closes its objects.
  func close() throws {
    guard root.isOpen, isOpen else { return }
    let flushed = Result { try flush() }
    let id = state.withLock { state in
      defer { state.id = nil }
      return state.id
    }
    guard let id else { return }
    let closed = Result { try place.check("close") { closing(id) } }
    try flushed.get()
    _ = try closed.get()
  }

  /// Gives up a file that could not be written, for the reason `failure`.
  ///
  /// libhdf5 crashes when it closes a file and cannot write what it has buffered. Hence its file
  /// descriptor is made to lead to memory, where that succeeds, and is freed by closing.
  private func abandon(_ failure: HDF5Error) {
    guard isWritten else { return }
    let id = state.withLock { state -> hid_t? in
      defer { state.failure = state.failure ?? failure }
      return state.failure == nil ? state.id : nil
    }
    var descriptor: UnsafeMutableRawPointer?
    guard let id, H5Fget_vfd_handle(id, chdf5_default(), &descriptor) >= 0, let descriptor
    else { return }
    let memory = chdf5_memory_file()
    guard memory >= 0 else { return }
    dup2(memory, descriptor.load(as: CInt.self))
    Foundation.close(memory)
  }

  /// Gathers, sorted bytewise, the names that a libhdf5 iteration hands to `appendName` along
  /// with the pointer given here.
  func names(
    _ task: String, _ iterate: (hid_t, _ names: UnsafeMutableRawPointer) -> herr_t
  ) throws -> [String] {
    var names: [String] = []
    _ = try withUnsafeMutablePointer(to: &names) { names in
      try call(task) { iterate($0, names) }
    }
    return names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
  }
}

/// The part of an iteration's callback that keeps a name and goes on.
func appendName(_ name: UnsafePointer<CChar>?, to names: UnsafeMutableRawPointer?) -> herr_t {
  if let name, let names {
    names.assumingMemoryBound(to: [String].self).pointee.append(String(cString: name))
  }
  return 0
}
