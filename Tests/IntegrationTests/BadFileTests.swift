// Files that are no files of the right kind: one line on stderr, status 1, and nothing written.

import Foundation
import Testing

@Suite(.serialized) struct BadFileTests {
  @Test("A file that is not there", arguments: Inputs.Reader.all)
  func missing(_ reader: Inputs.Reader) throws {
    let inputs = try Inputs()
    try FileManager.default.removeItem(atPath: inputs.folder.path(reader.file))
    #expect(try inputs.failure(of: reader) == "no such file")
  }

  @Test("A folder", arguments: [Inputs.Reader.data, .masks])
  func folder(_ reader: Inputs.Reader) throws {
    let inputs = try Inputs()
    try FileManager.default.removeItem(atPath: inputs.folder.path(reader.file))
    try inputs.folder.makeFolder(reader.file)
    #expect(try inputs.failure(of: reader) == "is a folder")
  }

  @Test("A file that is not HDF5", arguments: [Inputs.Reader.data, .metrics])
  func notHDF5(_ reader: Inputs.Reader) throws {
    let inputs = try Inputs()
    try inputs.folder.write("seg,sn\n0.25,0.75\n", to: reader.file)
    #expect(try inputs.failure(of: reader) == "not an HDF5 file")
  }

  @Test("An empty file", arguments: [Inputs.Reader.data, .model])
  func empty(_ reader: Inputs.Reader) throws {
    let inputs = try Inputs()
    try inputs.folder.write("", to: reader.file)
    #expect(try inputs.failure(of: reader) == "not an HDF5 file")
  }

  @Test("A file that lacks its end", arguments: [Inputs.Reader.data, .scores])
  func truncated(_ reader: Inputs.Reader) throws {
    let inputs = try Inputs()
    let bytes = try inputs.folder.bytes(reader.file)
    try inputs.folder.write(bytes.prefix(bytes.count / 2), to: reader.file)
    #expect(try inputs.failure(of: reader).hasPrefix("truncated or damaged: "))
  }

  @Test("A file of another kind", arguments: Inputs.Reader.all)
  func otherKind(_ reader: Inputs.Reader) throws {
    let inputs = try Inputs()
    let other = reader.format == "model" ? "scores" : "model"
    try inputs.folder.write(try inputs.folder.bytes(other + ".h5"), to: reader.file)
    let wanted = "expected a \(reader.format) file, found a \(other) file"
    #expect(try inputs.failure(of: reader) == wanted)
  }

  @Test("An HDF5 file of something else", arguments: [Inputs.Reader.data, .metrics])
  func foreign(_ reader: Inputs.Reader) throws {
    let inputs = try Inputs()
    try inputs.folder.edit(reader.file, Edit().removing("/@format"))
    let wanted = "not a \(reader.format) file (it has no attribute 'format')"
    #expect(try inputs.failure(of: reader) == wanted)
  }

  @Test("A file of a newer format version", arguments: [Inputs.Reader.data, .model])
  func newer(_ reader: Inputs.Reader) throws {
    let inputs = try Inputs()
    try inputs.folder.edit(reader.file, Edit().setting("/@format_version", .integer(2)))
    #expect(
      try inputs.failure(of: reader)
        == "format_version 2 is newer than this tool reads (1); use a newer disparse")
  }

  @Test("A file without its format version", arguments: [Inputs.Reader.data, .scores])
  func versionless(_ reader: Inputs.Reader) throws {
    let inputs = try Inputs()
    try inputs.folder.edit(reader.file, Edit().removing("/@format_version"))
    #expect(try inputs.failure(of: reader) == "/@format_version: missing attribute")
  }
}
