// The reference numbers under Tests/Fixtures/reference, and how to read them.

import Foundation
import HDF5

/// One case of what the published implementation computes on small inputs.
public struct ReferenceCase: Sendable, CustomStringConvertible {
  public let name: String
  /// In head order.
  public let tasks: [String]

  public static let all = [
    ReferenceCase(name: "nyuv2", tasks: ["seg", "sn"]),
    ReferenceCase(name: "cityscapes", tasks: ["seg", "depth"]),
    ReferenceCase(name: "taskonomy", tasks: ["seg", "sn", "depth", "keypoint", "edge"]),
  ]

  public var description: String { name }

  public var dataset: String { path("dataset.h5") }
  public var model: String { path("model.h5") }
  public var expected: String { path("expected.h5") }

  private func path(_ file: String) -> String { Fixtures.reference + "/\(name)/\(file)" }

  /// What must come out.
  public func openExpected() throws -> Group { try File.open(expected).root }
}

public enum Fixtures {
  public static let reference = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent()
    .appendingPathComponent("Fixtures/reference").path
  /// Parameter counts and ERK densities of the networks of published size.
  public static let fullSize = reference + "/erk-full-size.json"
}

extension Group {
  /// The values of a dataset of numbers.
  public func floats(_ path: String) throws -> [Float] { try dataset(path).read(as: Float.self) }

  public func doubles(_ path: String) throws -> [Double] { try dataset(path).read(as: Double.self) }
}
