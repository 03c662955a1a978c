// State dicts: what PyTorch wrote, what PyTorch reads, and files that are damaged or mean harm.

import Exchange
import Foundation
import TestSupport
import Testing
import Torch

private let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
  .deletingLastPathComponent().appendingPathComponent("Fixtures/pytorch").path

/// Reads one of the files that Fixtures/pytorch/make.py made.
private func fixture(_ name: String) throws -> StateDict { try .read(folder + "/" + name) }

/// The values of a tensor of any type, with their shape.
private struct Content: Equatable {
  let shape: [Int]
  let type: DType
  let values: [Double]

  init(_ shape: [Int], _ values: [Double], _ type: DType = .float32) {
    (self.shape, self.type, self.values) = (shape, type, values)
  }

  init(_ tensor: Tensor) throws {
    self.init(tensor.shape, try tensor.to(.float64).array(), tensor.dtype)
  }
}

private func contents(_ dict: StateDict) throws -> [String: Content] {
  try Dictionary(uniqueKeysWithValues: dict.tensors.map { ($0.name, try Content($0.tensor)) })
}

/// Those of make.py.
private let everyType: [String: Content] = [
  "float32": Content([2, 3], [-2, -1, 0, 1, 2, 3]),
  "float64": Content([2, 3], [-0.5, -0.25, 0, 0.25, 0.5, 0.75], .float64),
  "float16": Content([2, 3], [-0.5, -0.25, 0, 0.25, 0.5, 0.75]),
  "bfloat16": Content([2, 3], [-0.5, -0.25, 0, 0.25, 0.5, 0.75]),
  "int64": Content([], [1_099_511_627_776], .int64),
  "int32": Content([3], [-2, -1, 0], .int64),
  "int16": Content([3], [-2, -1, 0], .int64),
  "int8": Content([3], [-2, -1, 0], .int64),
  "uint8": Content([3], [254, 255, 0], .uint8),
  "bool": Content([3], [1, 0, 1], .bool),
  "empty": Content([0, 3], []),
  "channels_last": Content([1, 2, 2, 3], (0..<12).map { Double($0 - 2) }),
  "view": Content([3, 2], [4, 10, 6, 12, 8, 14]),
  "tied": Content([4, 6], (0..<24).map { Double($0 - 2) }),
  "expanded": Content([2, 3], [1, 1, 1, 1, 1, 1]),
]

private func expectExchangeError(
  _ location: SourceLocation = #_sourceLocation, _ body: () throws -> Void
) -> String {
  do {
    try body()
    Issue.record("nothing was thrown", sourceLocation: location)
  } catch let error as ExchangeError {
    #expect(
      !error.description.isEmpty && !error.description.contains("\n"), sourceLocation: location)
    return error.description
  } catch {
    Issue.record("not a ExchangeError: \(error)", sourceLocation: location)
  }
  return ""
}

@Suite struct StateDictReadingTests {
  @Test(arguments: ["types.pth", "unchecked.pth"]) func everyTypeIsRead(name: String) throws {
    let dict = try fixture(name)
    #expect(try contents(dict) == everyType)
    #expect(dict.tensors.map(\.name).prefix(3) == ["float32", "float64", "float16"])
    #expect(dict.key == nil)
    #expect(dict.skipped == ["complex64"])
  }

  @Test func theFormatBeforeZipIsRead() throws {
    let old = try fixture("old.pth")
    #expect(try contents(old) == everyType)
    #expect(old.skipped == ["count", "5"])
    let text = expectExchangeError { _ = try fixture("complex.pth") }
    #expect(text.contains("of a type that is not read"), "so its size is unknown")
    let dict = try fixture("python2.pth")
    #expect(try contents(dict) == ["weight": Content([3], [-2, -1, 0])])
    #expect(dict.skipped == ["size"])
  }

  @Test func whatLiesBesideTheStateDictIsNamed() throws {
    let dict = try fixture("checkpoint.pth")
    #expect(dict.key == "state_dict")
    #expect(dict.skipped == ["epoch", "arguments", "optimizer", "seen", "best"])
    #expect(
      try contents(dict) == [
        "module.weight": Content([2], [1, 1]), "module.bias": Content([2], [0, 0]),
        "module.running_mean": Content([2], [0, 0]), "module.running_var": Content([2], [1, 1]),
        "module.num_batches_tracked": Content([], [0], .int64),
      ])
  }

  @Test(arguments: [3, 4, 5]) func pythonsNewerProtocolsAreRead(version: Int) throws {
    let dict = try fixture("protocol\(version).pth")
    #expect(dict.key == "model")
    #expect(dict.skipped == ["parameter"])
    #expect(try contents(dict)["module.running_var"] == Content([2], [1, 1]))
  }

  @Test(arguments: [
    ("module.pth", "an object of torch.nn.modules.container.Sequential"),
    ("script.pt", "a TorchScript program"), ("empty.pth", "holds no dict of tensors"),
    ("make.py", "is no file of torch.save"), ("none.pth", "no such file"), (".", "is not a file"),
  ]) func otherFilesAreNamed(name: String, reason: String) throws {
    let text = expectExchangeError { _ = try fixture(name) }
    #expect(text.contains(reason))
  }
}

@Suite struct StateDictWritingTests {
  private func tensors() throws -> [(name: String, tensor: Tensor)] {
    let values = (0..<24).map { Float($0) - 2 }
    return [
      ("layer.weight", try Tensor(values, shape: [2, 3, 2, 2]).channelsLast()),
      ("bytes", try Tensor([0, 7, 255] as [UInt8], shape: [3])),
      ("mask", try Tensor([0, 1] as [UInt8], shape: [2, 1]).to(.bool)),
      ("count", try Tensor([-1 << 40] as [Int64], shape: [])),
      ("double", try Tensor([0.1, -.infinity], shape: [1, 2])),
      ("half", try Tensor([0.5, 256, -3] as [Float], shape: [3]).to(.bfloat16)),
      ("none", try Tensor([] as [Float], shape: [0, 4])),
      ("größe 大", try Tensor.full(1, shape: [1])),
    ]
  }

  @Test func whatIsWrittenIsReadAgain() throws {
    try withFolder { folder in
      let path = folder + "/dict.pth"
      let tensors = try tensors()
      try Data(StateDict.bytes(of: tensors)).write(to: URL(fileURLWithPath: path))
      let dict = try StateDict.read(path)
      #expect(dict.tensors.map(\.name) == tensors.map(\.name))
      #expect(dict.key == nil && dict.skipped == [])
      for (read, written) in zip(dict.tensors, tensors) {
        let found = try Content(read.tensor)
        let expected = try Content(written.tensor)
        #expect(found.shape == expected.shape && found.values == expected.values)
        #expect(found.type == (written.name == "half" ? .float32 : expected.type))
      }
    }
  }

  /// Where the Python files of libtorch's wheel lie.
  private static let wheel =
    ProcessInfo.processInfo.environment["LIBTORCH"].map {
      URL(fileURLWithPath: $0).deletingLastPathComponent().path
    } ?? URL(fileURLWithPath: folder + "/../../../.deps").standardized.path

  private static func python(_ program: String, _ arguments: [String] = []) throws -> Outcome {
    try run(
      "/usr/bin/env", ["python3", "-c", program] + arguments, in: "/",
      environment: ["PYTHONPATH": wheel, "PYTHONDONTWRITEBYTECODE": "1"])
  }

  private static let hasTorch = (try? python("import torch").status) == 0

  @Test(.enabled(if: hasTorch, "needs Python's torch package"))
  func pyTorchReadsWhatIsWritten() throws {
    try withFolder { folder in
      let path = folder + "/dict.pth"
      try Data(StateDict.bytes(of: tensors())).write(to: URL(fileURLWithPath: path))
      let program = """
        import sys, torch
        for mapped in (False, True):
            dict = torch.load(sys.argv[1], weights_only=True, mmap=mapped)
            for name, t in dict.items():
                print(name, str(t.dtype)[6:], list(t.shape), t.flatten().tolist(), t.is_contiguous())
        import zipfile
        print(zipfile.ZipFile(sys.argv[1]).testzip())
        """
      let outcome = try Self.python(program, [path])
      let expected = """
        layer.weight float32 [2, 3, 2, 2] \((0..<24).map { Double($0 - 2) }) True
        bytes uint8 [3] [0, 7, 255] True
        mask bool [2, 1] [False, True] True
        count int64 [] [-1099511627776] True
        double float64 [1, 2] [0.1, -inf] True
        half bfloat16 [3] [0.5, 256.0, -3.0] True
        none float32 [0, 4] [] True
        größe 大 float32 [1] [1.0] True

        """
      #expect(outcome.stdout == expected + expected + "None\n", "\(outcome.stderr)")
    }
  }
}

@Suite struct HostileStateDictTests {
  /// An error or a result that is not far larger than the file.
  private func survives(_ bytes: [UInt8]) throws -> Bool {
    do {
      let dict = try StateDict.read(bytes)
      let elements = dict.tensors.reduce(0) { $0 + $1.tensor.count }
      #expect(elements <= 16 * bytes.count)
      #expect(Set(dict.tensors.map(\.name)).count == dict.tensors.count)
      return true
    } catch let error as ExchangeError {
      #expect(!error.description.isEmpty && !error.description.contains("\n"))
      return false
    }
  }

  private static let files = [
    "types.pth", "unchecked.pth", "python2.pth", "checkpoint.pth", "protocol4.pth",
  ]

  @Test(arguments: files) func damagedFilesAreErrorsOrResults(name: String) throws {
    let good = [UInt8](try bytes(folder + "/" + name))
    var random = SeededRandom(7)
    var readable = 0
    for _ in 0..<10_000 where try survives(damaged(good, &random)) { readable += 1 }
    #expect((1..<9_900).contains(readable))
  }

  @Test(arguments: files) func cutFilesAreErrors(name: String) throws {
    let good = [UInt8](try bytes(folder + "/" + name))
    // An old file's last bytes are its last tensor's.
    for length in 0..<good.count {
      #expect(try !survives(Array(good.prefix(length))), "\(length) bytes")
    }
    #expect(try survives(good))
  }

  /// A file of the old format around a pickle, with the storage "0" of four float32.
  private func file(_ pickle: String) -> [UInt8] {
    func bytes(_ text: String) -> [UInt8] { text.unicodeScalars.map { UInt8($0.value) } }
    let start = bytes(
      "\u{80}\u{2}\u{8A}\u{A}\u{6C}\u{FC}\u{9C}\u{46}\u{F9}\u{20}\u{6A}\u{A8}\u{50}\u{19}.")
    let keys = bytes("\u{80}\u{2}]X\u{1}\0\0\00a.")
    let storage: [UInt8] = [4, 0, 0, 0, 0, 0, 0, 0] + [UInt8](repeating: 0, count: 16)
    return start + bytes("N.N.") + bytes(pickle) + keys + storage
  }

  private let storage =
    "(X\u{7}\0\0\0storagectorch\nFloatStorage\nX\u{1}\0\0\00X\u{3}\0\0\0cpuK\u{4}tQ"

  /// A tensor of the storage; what comes behind the storage as operations.
  private func tensor(_ view: String) -> String {
    "ctorch._utils\n_rebuild_tensor\n(" + storage + view + "tR"
  }

  private func entry(_ value: String) -> String { "X\u{1}\0\0\0a" + value + "s" }

  @Test func theseFilesAreReadWhenTheyMeanNoHarm() throws {
    let good = file("}" + entry(tensor("K\u{1}K\u{3}\u{85}K\u{1}\u{85}")) + ".")
    #expect(try StateDict.read(good).tensors.map(\.tensor.shape) == [[3]])
    // Of equal keys the last.
    let twice =
      entry(tensor("K\0K\u{2}\u{85}K\u{1}\u{85}"))
      + entry(tensor("K\0K\u{1}\u{85}K\u{1}\u{85}"))
    #expect(
      try StateDict.read(file("}" + twice + ".")).tensors.map(\.tensor.shape) == [[1]])
  }

  struct View: Sendable, CustomTestStringConvertible {
    let testDescription: String
    /// Offset, sizes and strides.
    let operations: String
    var reason = "does not fit its storage"
  }

  static let views = [
    View(testDescription: "beyond the last", operations: "K\u{2}K\u{3}\u{85}K\u{1}\u{85}"),
    View(testDescription: "every second of three", operations: "K\0K\u{3}\u{85}K\u{2}\u{85}"),
    View(
      testDescription: "before the first",
      operations: "J\u{FF}\u{FF}\u{FF}\u{FF}K\u{3}\u{85}K\u{1}\u{85}"),
    View(
      testDescription: "−1 elements", operations: "K\0J\u{FF}\u{FF}\u{FF}\u{FF}\u{85}K\u{1}\u{85}"),
    View(
      testDescription: "backwards", operations: "K\u{2}K\u{2}\u{85}J\u{FF}\u{FF}\u{FF}\u{FF}\u{85}"),
    View(
      testDescription: "one element very often",
      operations: "K\0J\u{FF}\u{FF}\u{FF}\u{7F}\u{85}K\0\u{85}", reason: "far larger than the file"),
    View(
      testDescription: "2⁶² × 2⁶² × 0 elements",
      operations: "K\0\u{8A}\u{8}\0\0\0\0\0\0\0\u{40}\u{8A}\u{8}\0\0\0\0\0\0\0\u{40}K\0\u{87}"
        + "K\0K\0K\0\u{87}"),
    View(
      testDescription: "2⁶² steps of 2⁶²",
      operations: "K\0\u{8A}\u{8}\0\0\0\0\0\0\0\u{40}\u{85}\u{8A}\u{8}\0\0\0\0\0\0\0\u{40}\u{85}"),
    View(
      testDescription: "a length above 64 bits",
      operations: "K\0\u{8A}\u{9}\0\0\0\0\0\0\0\0\u{1}\u{85}K\u{1}\u{85}",
      reason: "the pickle is damaged"),
    View(
      testDescription: "two sizes, one stride", operations: "K\0K\u{2}K\u{2}\u{86}K\u{1}\u{85}",
      reason: "the pickle is damaged"),
    View(
      testDescription: "65 dimensions",
      operations: "K\0(" + String(repeating: "K\u{1}", count: 65) + "t("
        + String(repeating: "K\0", count: 65) + "t", reason: "the pickle is damaged"),
  ]

  @Test(arguments: views) func viewsBeyondTheStorageAreErrors(view: View) throws {
    let text = expectExchangeError {
      _ = try StateDict.read(file("}" + entry(tensor(view.operations)) + "."))
    }
    #expect(text.contains(view.reason))
  }

  @Test func nothingIsRun() throws {
    try withFolder { folder in
      let command = "touch \(folder)/run"
      let call =
        "cposix\nsystem\nX" + String(UnicodeScalar(UInt8(command.utf8.count))) + "\0\0\0" + command
        + "\u{85}R"
      let good = "X\u{1}\0\0\0b" + tensor("K\0K\u{1}\u{85}K\u{1}\u{85}") + "s"
      let dict = try StateDict.read(file("}" + entry(call) + good + "."))
      #expect(dict.tensors.map(\.name) == ["b"] && dict.skipped == ["a"])
      #expect(try TestSupport.contents(folder) == [])
    }
  }

  /// A million levels, references in circles, and small files that would stand for large objects.
  @Test func nestingAndRepetitionAreHarmless() throws {
    let million = 1_000_000
    let deep = ")" + String(repeating: "\u{85}", count: million)
    let lists = String(repeating: "]", count: million) + String(repeating: "a", count: million - 1)
    let circle = "]q\0h\0a"
    let long = "X" + "\0\0\u{10}\0" + String(repeating: "x", count: 1 << 20) + "q\0"
    let names = "0" + String(repeating: "h\0h\0\u{93}", count: 100_000)
    let pairs =
      "](" + String(repeating: "N", count: million) + "eq\0"
      + String(repeating: "ccollections\nOrderedDict\nh\0\u{85}R", count: 20_000)
    for value in [deep, lists, circle, long + names, pairs] {
      _ = expectExchangeError { _ = try StateDict.read(file(value + ".")) }
    }
    for value in [deep, lists, circle] {
      let good = "X\u{1}\0\0\0b" + tensor("K\0K\u{1}\u{85}K\u{1}\u{85}") + "s"
      let dict = try StateDict.read(file("}" + entry(value) + good + "."))
      #expect(dict.skipped == ["a"])
    }
  }

  @Test func picklesThatMeanNothingAreErrors() throws {
    let texts = ["R", "(.", "h\u{7}", "t", "s", "(u", "}(K\u{1}u", "i", "}b", "Ka", "", "}K\u{1}"]
      .map { pickle in
        expectExchangeError { _ = try StateDict.read(file(pickle + ".")) }
      }
    #expect(texts.prefix(9).allSatisfy { $0.contains("pickle") })
    let endless = String(repeating: "N0", count: 6_000_000)
    let text = expectExchangeError { _ = try StateDict.read(file(endless)) }
    #expect(text == "the pickle is too long")
  }
}
