// Step: one node of an ONNX file, with its attributes checked on the way out.

import Foundation

struct Step {
  /// Its name in the file, or that of its first result.
  let name: String
  /// The module of the PyTorch network that it comes from, dotted, where the exporter tells.
  let module: String
  let operation: String
  /// Names; empty where an input is left out.
  let inputs: [String]
  let outputs: [String]
  /// The version of the operators that the file is written for.
  let opset: Int
  private let attributes: [String: ONNXAttribute]

  init(_ node: ONNXNode, opset: Int) {
    name = node.name.isEmpty ? node.outputs.first { !$0.isEmpty } ?? "" : node.name
    operation =
      ["", "ai.onnx"].contains(node.domain) ? node.operation : "\(node.domain).\(node.operation)"
    module = Self.module(of: node, name)
    inputs = node.inputs
    outputs = node.outputs
    self.opset = opset
    attributes = Dictionary(node.attributes.map { ($0.name, $0) }, uniquingKeysWith: { $1 })
  }

  func failure(_ reason: String) -> ExchangeError {
    ExchangeError("node \(name) (\(operation)): \(reason)")
  }

  func has(_ name: String) -> Bool { attributes[name] != nil }

  func int(_ name: String) throws -> Int? {
    try attribute(name, .int).map { Int($0.int) }
  }

  func ints(_ name: String) throws -> [Int]? {
    try attribute(name, .ints).map { $0.ints.map { Int($0) } }
  }

  /// As it is written with the digits that a float32 has: 1e-5, not 9.99999974e-06.
  func double(_ name: String) throws -> Double? {
    try attribute(name, .float).map { inDecimal($0.float) }
  }

  func float(_ name: String) throws -> Float? { try attribute(name, .float)?.float }

  func floats(_ name: String) throws -> [Float]? { try attribute(name, .floats)?.floats }

  func string(_ name: String) throws -> String? {
    try attribute(name, .string).map { String(decoding: $0.string, as: UTF8.self) }
  }

  func tensor(_ name: String) throws -> ONNXTensor? { try attribute(name, .tensor)?.tensor }

  private func attribute(_ name: String, _ kind: ONNXAttribute.Kind) throws -> ONNXAttribute? {
    guard let attribute = attributes[name] else { return nil }
    guard attribute.kind == kind else { throw failure("its \(name) has another type than \(kind)") }
    return attribute
  }

  /// From the scopes that the one exporter notes (['', 'layer1', 'layer1.0', 'conv2d']), or the path
  /// that the other makes the name of (/layer1/layer1.0/Conv).
  private static func module(of node: ONNXNode, _ name: String) -> String {
    if let scopes = node.metadata.first(where: { $0.key == "pkg.torch.onnx.name_scopes" })?.value {
      let modules = scopes.matches(of: #/'([^']*)'/#).dropLast().map { String($0.1) }
      return modules.last ?? ""
    }
    guard name.hasPrefix("/") else { return name.replacing("/", with: ".") }
    var module = ""
    for part in name.split(separator: "/").dropLast() {
      // A sequence's children are called with its name before theirs.
      if part.hasPrefix(module + ".") || module.isEmpty {
        module = String(part)
      } else {
        module += "." + part
      }
    }
    return module
  }
}

/// The shortest decimal number that rounds to a float32.
func inDecimal(_ value: Float) -> Double { Double(value.description) ?? Double(value) }
