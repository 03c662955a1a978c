// State dicts: the tensors by name that torch.save writes of a model, read and written without
// Python. Nothing in such a file is ever run.

import Foundation
import Torch

/// The tensors of a checkpoint.
public struct StateDict {
  /// By name, each name once, in the file's order.
  public let tensors: [(name: String, tensor: Tensor)]
  /// The key of the checkpoint under which they lay; nil where the file is the state dict itself.
  public let key: String?
  /// What else was in the checkpoint and in the state dict: names of entries that are no tensors,
  /// and of tensors of types that are not read (complex, quantized, sparse).
  public let skipped: [String]

  /// Reads a file of torch.save, of PyTorch 1.6 or later or in the older format: a dict of tensors,
  /// or a dict with such a dict under `state_dict` or `model`. Names come as they are.
  ///
  /// float16 and bfloat16 come as float32, integers other than uint8 as int64.
  ///
  /// - Throws: ``ExchangeError`` when the file cannot be read, is damaged, or holds no tensors.
  public static func read(_ path: String) throws -> StateDict {
    try read([UInt8](regularFile(URL(fileURLWithPath: path))))
  }

  /// Reads the bytes of such a file.
  public static func read(_ bytes: [UInt8]) throws -> StateDict {
    do {
      return try StateDict(TorchFile(bytes))
    } catch let error as FormatError {
      throw ExchangeError(error.reason)
    } catch let error as TorchError {
      throw ExchangeError(error.description)
    }
  }

  private init(_ file: TorchFile) throws {
    let pickle = file.pickle
    guard let whole = pickle.entries(of: pickle.root) else {
      guard case .object(let type) = pickle.root else {
        throw FormatError("holds no dict of tensors")
      }
      let name = type.replacing(" ", with: ".")
      throw FormatError("holds an object of \(name), not a state dict: save model.state_dict()")
    }
    func text(_ key: Pickle.Value) -> String {
      switch key {
      case .string(let name): name
      case .integer(let number): String(number)
      default: "an entry without a name"
      }
    }
    func hasTensors(_ entries: [(key: Pickle.Value, value: Pickle.Value)]) -> Bool {
      entries.contains { if case .tensor = $0.value { true } else { false } }
    }
    let wrapper = ["state_dict", "model"].lazy.compactMap { wanted in
      whole.first { text($0.key) == wanted }
        .flatMap { pickle.entries(of: $0.value) }
        .flatMap { hasTensors($0) ? (key: wanted, entries: $0) : nil }
    }.first
    key = wrapper?.key
    let entries = wrapper?.entries ?? whole
    guard hasTensors(entries) else { throw FormatError("holds no dict of tensors") }

    var tensors: [(name: String, tensor: Tensor)] = []
    var places: [String: Int] = [:]
    var skipped = wrapper == nil ? [] : whole.map { text($0.key) }.filter { $0 != wrapper?.key }
    // Views can overlap, tied weights do; but not so often that a small file fills the memory.
    var budget = 16 * file.size
    for (key, value) in entries {
      guard case .tensor(let place) = value, case .string(let name) = key,
        let type = pickle.tensors[place].storage.type
      else {
        skipped.append(text(key))
        continue
      }
      let stored = pickle.tensors[place]
      budget -= try stored.elementCount() * type.size
      guard budget >= 0 else { throw FormatError("its tensors are far larger than the file") }
      let tensor = try stored.tensor(type, file.storage(stored.storage.key))
      // Of equal keys Python keeps the last.
      if let place = places[name] {
        tensors[place].tensor = tensor
      } else {
        places[name] = tensors.count
        tensors.append((name, tensor))
      }
    }
    self.tensors = tensors
    self.skipped = skipped
  }

  /// The file that torch.save(state_dict) writes; torch.load(path, weights_only=True) reads it.
  ///
  /// - Throws: ``ExchangeError`` for what does not fit into such a file.
  public static func bytes(of tensors: [(name: String, tensor: Tensor)]) throws -> [UInt8] {
    do {
      return try TorchFile.bytes(tensors)
    } catch let error as FormatError {
      throw ExchangeError(error.reason)
    } catch let error as TorchError {
      throw ExchangeError(error.description)
    }
  }
}
