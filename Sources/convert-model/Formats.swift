// What convert-model reads and writes, by the files' names, and options in words.

import ArgumentParser
import Artifacts
import Exchange
import Graphs

/// The formats of networks and weights.
enum FileFormat {
  case model, onnx, pth, safetensors

  /// - Throws: ValidationError for a name that says nothing.
  init(of path: String) throws {
    switch path.split(separator: ".").last?.lowercased() {
    case "h5", "hdf5": self = .model
    case "onnx": self = .onnx
    case "pth", "pt": self = .pth
    case "safetensors": self = .safetensors
    default:
      throw ValidationError("\(path): its name must end in .h5, .onnx, .pth, .pt or .safetensors")
    }
  }

  var outputKind: OutputKind {
    switch self {
    case .model: .artifact(.model)
    case .onnx: .onnx
    case .pth: .pth
    case .safetensors: .safetensors
    }
  }
}

/// TASK=OUTPUT, separated by commas.
struct HeadList: ExpressibleByArgument {
  let heads: [Graph.Output]

  init?(argument: String) {
    let pairs = argument.split(separator: ",", omittingEmptySubsequences: false).map {
      $0.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
    }
    guard pairs.allSatisfy({ $0.count == 2 && !$0[0].isEmpty && !$0[1].isEmpty }) else {
      return nil
    }
    heads = pairs.map { Graph.Output(task: String($0[0]), node: String($0[1])) }
  }
}

/// A number, or three by channel.
struct NumberList: ExpressibleByArgument {
  let three: [Double]

  init?(argument: String) {
    let parts = argument.split(separator: ",", omittingEmptySubsequences: false)
    let numbers = parts.compactMap { Double($0) }.filter(\.isFinite)
    guard numbers.count == parts.count, [1, 3].contains(numbers.count) else { return nil }
    three = numbers.count == 3 ? numbers : [numbers[0], numbers[0], numbers[0]]
  }
}

extension RenameRule: ExpressibleByArgument {
  public init?(argument: String) { try? self.init(argument) }
}

extension ImageInput.Order: ExpressibleByArgument {}
