// What any file to be written must meet, and writing text as safely as the HDF5 files.

import Foundation

public enum OutputFile {
  /// Tells before hours of work whether a file can be written; renaming over a device or a pipe
  /// would destroy it.
  ///
  /// - Throws: ``ArtifactError`` when there is no such folder, or something other than a plain file
  ///   has the name.
  public static func check(_ path: String) throws {
    let folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
    guard access(folder, W_OK | X_OK) == 0 else { throw failure(path, errno) }
    var status = stat()
    guard stat(path, &status) == 0 else { return }
    switch status.st_mode & S_IFMT {
    case S_IFREG: return
    case S_IFDIR: throw ArtifactError(file: path, path: "", reason: "is a folder")
    default: throw ArtifactError(file: path, path: "", reason: "is not a plain file")
    }
  }

  /// The name of a file that belongs to another: model.h5 with "-best" is model-best.h5.
  public static func path(beside path: String, _ suffix: String) -> String {
    let stem = path.hasSuffix(".h5") ? String(path.dropLast(3)) : path
    return stem + suffix + ".h5"
  }

  /// Removes a plain file that is there from before.
  ///
  /// - Throws: as ``check(_:)``, and when the file cannot be removed.
  public static func remove(_ path: String) throws {
    try check(path)
    if unlink(path) != 0, errno != ENOENT { throw failure(path, errno) }
  }

  /// Whether two paths lead to the same file, which need not be there.
  public static func isSame(_ path: String, _ other: String) -> Bool {
    func resolved(_ path: String) -> String {
      URL(fileURLWithPath: path).resolvingSymlinksInPath().path
    }
    return resolved(path) == resolved(other)
  }

  /// The last part of a path.
  static func name(of path: String) -> String { URL(fileURLWithPath: path).lastPathComponent }

  /// Writes a text so that it appears whole or not at all.
  ///
  /// - Throws: ``ArtifactError`` with the system's reason; then nothing appears.
  public static func write(_ text: String, to path: String) throws {
    try check(path)
    let partial = PartialFiles.path(for: path)
    PartialFiles.add(partial)
    defer { PartialFiles.remove(partial) }
    let descriptor = open(partial, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else { throw failure(path, errno) }
    var problem: Int32 = 0
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty, problem == 0 {
      let written = rest.withUnsafeBytes { Foundation.write(descriptor, $0.baseAddress, $0.count) }
      if written >= 0 { rest = rest.dropFirst(written) } else if errno != EINTR { problem = errno }
    }
    if problem == 0, fsync(descriptor) != 0 { problem = errno }
    if close(descriptor) != 0, problem == 0 { problem = errno }
    if problem == 0, rename(partial, path) != 0 { problem = errno }
    if problem != 0 { throw failure(path, problem) }
  }

  private static func failure(_ path: String, _ number: Int32) -> ArtifactError {
    let isMissing = number == ENOENT || number == ENOTDIR
    return ArtifactError(
      file: path, path: "",
      reason: isMissing ? "no such folder" : "cannot write: \(String(cString: strerror(number)))")
  }
}
