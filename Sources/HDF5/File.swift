// Opens, creates, flushes and closes HDF5 files.

import CHDF5
import Foundation

/// An open HDF5 file. It closes itself when it and all its groups and datasets are gone; call
/// `close()` after writing, since only that can report a failure.
public final class File: Sendable {
  /// The path as given.
  public let path: String
  /// The group "/".
  public let root: Group
  private let handle: Handle

  /// - Parameter place: what errors call the file.
  private init(_ id: hid_t, path: String, at place: Place, isWritten: Bool) throws {
    self.path = path
    let flush: Handle.Action = { H5Fflush($0, H5F_SCOPE_GLOBAL) }
    handle = Handle(
      file: id, at: place, flush: isWritten ? flush : nil,
      close: isWritten ? File.closeAndUnlock : H5Fclose)
    root = try Group.open("/", at: Place(file: place.file, path: "/"), from: handle)
  }

  /// Opens a file for reading.
  ///
  /// Throws "no such file", "is a folder", "is not a plain file", "permission denied", "not an HDF5 file",
  /// "truncated or damaged: …" or "locked by a program that is writing it".
  public static func open(_ path: String) throws -> File {
    let place = Place(file: path)
    forgetExternalLinks()
    silenceErrorPrinting()
    // Opening a pipe would wait for ever.
    var status = stat()
    if stat(path, &status) == 0, ![S_IFREG, S_IFDIR].contains(status.st_mode & S_IFMT) {
      throw place.error("is not a plain file")
    }
    func attempt(locks: Bool) throws -> (id: hid_t, failure: Failure?) {
      let access = try accessList(place, locks: locks)
      defer { H5Pclose(access) }
      let id = H5Fopen(path, chdf5_read_only(), access)
      return (id, id < 0 ? Failure.latest() : nil)
    }
    var (id, failure) = try attempt(locks: true)
    // Some file systems have no locks, and then nobody can hold one.
    if let found = failure, found.concernsLock, !found.isLockedByOthers {
      (id, failure) = try attempt(locks: false)
    }
    if let failure { throw place.error(openReason(path, failure)) }
    return try File(id, path: path, at: place, isWritten: false)
  }

  /// A link into another file would let whoever made this one choose what of the user's is read.
  private static func forgetExternalLinks() { _ = externalLinksForgotten }
  private static let externalLinksForgotten: Bool = {
    silenceErrorPrinting()
    return H5Lunregister(H5L_TYPE_EXTERNAL) >= 0
  }()

  /// Creates a file, or empties an existing one, in a format that HDF5 1.8 and later read.
  ///
  /// Throws "no such folder", "is a folder", "permission denied", or the system's reason.
  ///
  /// - Parameters:
  ///   - name: what errors call the file, where it gets another name once it is whole.
  ///   - holdsVirtual: whether it may hold virtual datasets, which HDF5 1.10 and later read.
  ///   - locks: whether libhdf5 keeps other programs out while it writes.
  ///   - hasFewChunks: whether datasets have a few chunks each, for which libhdf5's usual 4 KiB of index
  ///     per dataset are too many.
  public static func create(
    _ path: String, called name: String? = nil, holdsVirtual: Bool = false, locks: Bool = true,
    hasFewChunks: Bool = false
  ) throws -> File {
    let place = Place(file: name ?? path)
    forgetExternalLinks()
    let access = try accessList(place, locks: locks)
    defer { H5Pclose(access) }
    try makeFirstBlock(path, place)
    // The low bound is V18 too: only its object headers hold attributes over 64 KiB.
    let newest = holdsVirtual ? H5F_LIBVER_V110 : H5F_LIBVER_V18
    try place.check("create") { H5Pset_libver_bounds(access, H5F_LIBVER_V18, newest) }
    let creation = try creationList(chdf5_file_create(), at: place)
    defer { H5Pclose(creation) }
    if hasFewChunks {
      try place.check("create") { H5Pset_istore_k(creation, 1) }
      // The object that records this is made by libhdf5's own list, which keeps times.
      try place.check("create") {
        H5Pset_obj_track_times(chdf5_default_group_create(), false)
      }
    }
    let id = try place.check("create") { H5Fcreate(path, chdf5_truncate(), creation, access) }
    return try File(id, path: path, at: place, isWritten: true)
  }

  /// Writes everything buffered to the file. Throws if that fails, such as "cannot flush: No
  /// space left on device".
  ///
  /// Once something could not be written the file is lost: every later call on it throws the
  /// first failure, `close()` included.
  public func flush() throws {
    try handle.flush()
  }

  /// Flushes and closes the file; its groups and datasets throw "the file is closed" from then
  /// on. Throws if anything could not be written; the file is closed nonetheless. A second call
  /// does nothing.
  public func close() throws {
    try handle.close()
  }

  /// Closes a file and gives its lock back. libhdf5 leaves that to the end of the descriptor, which
  /// a program that was started meanwhile inherits, and with it the lock.
  private static func closeAndUnlock(_ id: hid_t) -> herr_t {
    var descriptor: UnsafeMutableRawPointer?
    H5Fget_vfd_handle(id, chdf5_default(), &descriptor)
    let copy = descriptor.map { fcntl($0.load(as: CInt.self), F_DUPFD_CLOEXEC, 0) } ?? -1
    defer {
      if copy >= 0 {
        flock(copy, LOCK_UN)
        Foundation.close(copy)
      }
    }
    return H5Fclose(id)
  }

  /// Makes the file access list of all files: closing a file closes the objects in it.
  private static func accessList(_ place: Place, locks: Bool) throws -> hid_t {
    var isThreadSafe = false
    try place.check("open") { H5is_library_threadsafe(&isThreadSafe) }
    guard isThreadSafe else { throw place.error("libhdf5 was built without thread safety") }
    let list = try place.check("open") { H5Pcreate(chdf5_file_access()) }
    H5Pset_fclose_degree(list, H5F_CLOSE_STRONG)
    H5Pset_file_locking(list, locks, true)
    return list
  }

  /// Makes the file if need be and has the system set aside its first block; libhdf5 is left in
  /// disorder, up to a crash at exit, if it cannot write a new file at all.
  private static func makeFirstBlock(_ path: String, _ place: Place) throws {
    let descriptor = Foundation.open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0o666)
    let failure = descriptor < 0 ? errno : posix_fallocate(descriptor, 0, 4096)
    if descriptor >= 0 { Foundation.close(descriptor) }
    switch failure {
    case 0: return
    case ENOENT, ENOTDIR: throw place.error("no such folder")
    default: throw place.error(reason(failure))
    }
  }

  private static func openReason(_ path: String, _ failure: Failure) -> String {
    var isFolder: ObjCBool = false
    let exists = FileManager.default.fileExists(atPath: path, isDirectory: &isFolder)
    if isFolder.boolValue { return "is a folder" }
    if failure.isLockedByOthers { return HDF5Error.locked }
    if let number = failure.number {
      return number == ENOENT || number == ENOTDIR ? "no such file" : reason(number)
    }
    if !exists { return "no such file" }
    let isHDF5 = H5Fis_hdf5(path)
    return isHDF5 == 0 ? "not an HDF5 file" : "truncated or damaged: \(failure.text)"
  }

  private static func reason(_ number: CInt) -> String {
    switch number {
    case EACCES, EPERM: "permission denied"
    case EISDIR: "is a folder"
    default: String(cString: strerror(number))
    }
  }
}

/// Makes a creation list of a class (file, group or dataset) whose objects keep no times, so
/// that the same content gives the same bytes. The caller closes it.
func creationList(_ listClass: hid_t, at place: Place) throws -> hid_t {
  let list = try place.check("create") { H5Pcreate(listClass) }
  guard H5Pset_obj_track_times(list, false) >= 0 else {
    let error = place.error("cannot create: \(Failure.latest().text)")
    H5Pclose(list)
    throw error
  }
  return list
}
