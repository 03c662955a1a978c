// What torch.save makes: a pickle of the objects, and beside it the numbers of their tensors.

import Torch

struct TorchFile {
  let pickle: Pickle
  /// Bytes of the whole file.
  let size: Int
  private let storages: [String: ArraySlice<UInt8>]

  /// - Throws: ``FormatError`` when it is damaged or not of torch.save.
  init(_ bytes: [UInt8]) throws {
    size = bytes.count
    if ZipArchive.isArchive(bytes) {
      (pickle, storages) = try Self.zipped(bytes)
    } else if bytes.starts(with: Self.oldMagic) {
      (pickle, storages) = try Self.old(bytes)
    } else {
      throw FormatError("is no file of torch.save")
    }
  }

  func storage(_ key: String) throws -> ArraySlice<UInt8> {
    guard let bytes = storages[key] else { throw FormatError("storage \(key) is missing") }
    return bytes
  }

  /// A zip archive with a folder that has any name: in it data.pkl, and the storages in data/.
  private static func zipped(_ bytes: [UInt8]) throws -> (Pickle, [String: ArraySlice<UInt8>]) {
    let files = try ZipArchive(bytes).files
    guard let name = files.keys.filter({ $0.hasSuffix("/data.pkl") }).min(),
      let content = files[name]
    else { throw FormatError("is no file of torch.save: it has no uncompressed data.pkl") }
    let folder = name.dropLast("data.pkl".count)
    guard files[folder + "constants.pkl"] == nil else {
      throw FormatError("is a TorchScript program, not a state dict: save model.state_dict()")
    }
    if let order = files[folder + "byteorder"], !order.elementsEqual("little".utf8) {
      throw FormatError("has its numbers in big-endian byte order")
    }
    var reader = ByteReader(content)
    let pickle = try Pickle(&reader)
    let storages = files.compactMap { name, content in
      name.hasPrefix(folder + "data/")
        ? (String(name.dropFirst(folder.count + "data/".count)), content) : nil
    }
    return (pickle, Dictionary(storages) { first, _ in first })
  }

  /// The pickle of the number 0x1950A86A20F9469CFC6C.
  private static let oldMagic: [UInt8] = [
    0x80, 2, 0x8A, 10, 0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19,
  ]

  /// The format before PyTorch 1.6: pickles of a magic number, the version, the machine, the
  /// objects, and the storages' keys; then each storage's count and elements.
  private static func old(_ bytes: [UInt8]) throws -> (Pickle, [String: ArraySlice<UInt8>]) {
    var reader = ByteReader(bytes[...])
    for _ in 0..<3 { _ = try Pickle(&reader) }
    let pickle = try Pickle(&reader)
    let keys = try Pickle(&reader)
    let types = Dictionary(pickle.storages.map { ($0.key, $0.type) }) { first, _ in first }
    var storages: [String: ArraySlice<UInt8>] = [:]
    for key in keys.elements(of: keys.root) ?? [] {
      guard case .string(let key) = key, let type = types[key] ?? nil else {
        throw FormatError("a storage is of a type that is not read")
      }
      let count = try reader.count(UInt64.self)
      let (length, overflow) = count.multipliedReportingOverflow(by: type.size)
      guard !overflow else { throw FormatError("the file ends too early") }
      storages[key] = try reader.bytes(length)
    }
    return (pickle, storages)
  }

  /// The file of a dict of tensors.
  static func bytes(_ tensors: [(name: String, tensor: Tensor)]) throws -> [UInt8] {
    var files = [("data.pkl", pickle(tensors)), ("byteorder", Array("little".utf8))]
    for (index, (_, tensor)) in tensors.enumerated() {
      files.append(("data/\(index)", try tensor.storedBytes()))
    }
    files.append(("version", Array("3\n".utf8)))
    return try ZipArchive.archive(files.map { ("archive/" + $0.0, $0.1) })
  }

  /// In Python's second protocol, which every version of PyTorch reads.
  private static func pickle(_ tensors: [(name: String, tensor: Tensor)]) -> [UInt8] {
    var out = ByteWriter()
    func operation(_ name: Character) { out.bytes += name.unicodeScalars.map { UInt8($0.value) } }
    func global(_ module: String, _ name: String) {
      out.bytes += Array("c\(module)\n\(name)\n".utf8)
    }
    func string(_ text: String) {
      operation("X")
      out.write(UInt32(text.utf8.count))
      out.bytes += Array(text.utf8)
    }
    func integer(_ value: Int) {
      out.bytes += [0x8A, 8]
      out.write(Int64(value))
    }
    func tuple(_ values: [Int]) {
      operation("(")
      values.forEach(integer)
      operation("t")
    }
    out.bytes += [0x80, 2]
    operation("}")
    for (index, (name, tensor)) in tensors.enumerated() {
      let shape = tensor.shape
      string(name)
      global("torch._utils", "_rebuild_tensor_v2")
      operation("(")
      operation("(")
      string("storage")
      global("torch", StoredType(tensor.dtype).rawValue)
      string(String(index))
      string("cpu")
      integer(tensor.count)
      operation("t")
      operation("Q")
      integer(0)
      tuple(shape)
      tuple(shape.indices.map { shape[($0 + 1)...].reduce(1, *) })
      // No gradient wanted, no hooks.
      out.bytes += [0x89]
      global("collections", "OrderedDict")
      operation(")")
      operation("R")
      operation("t")
      operation("R")
      operation("s")
    }
    operation(".")
    return out.bytes
  }
}
