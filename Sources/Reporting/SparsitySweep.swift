// Models of the same methods at several sparsities, told apart by their labels.

import Artifacts
import Foundation

/// A method at its sparsities.
package struct SweptMethod {
  package let name: String
  /// By rising sparsity.
  package let models: [EvaluatedModel]
}

/// Models in groups whose labels differ in nothing but a number at their end: `disparse-0.5` and
/// `disparse-0.9` are the method `disparse`. The sparsity itself is the file's.
package struct SparsitySweep {
  /// With pruned models, in the order of their first one.
  package let methods: [SweptMethod]
  /// Models that are not pruned.
  package let references: [EvaluatedModel]

  package init(_ models: [EvaluatedModel]) {
    references = models.filter { $0.metrics.size.sparsity <= 0 }
    let pruned = models.filter { $0.metrics.size.sparsity > 0 }
    var names: [String] = []
    for model in pruned where !names.contains(Self.method(model.label)) {
      names.append(Self.method(model.label))
    }
    methods = names.map { name in
      SweptMethod(
        name: name,
        models: pruned.filter { Self.method($0.label) == name }.sorted {
          $0.metrics.size.sparsity < $1.metrics.size.sparsity
        })
    }
  }

  /// Whether any method has several sparsities.
  package var isSweep: Bool {
    methods.contains { Set($0.models.map { Self.rounded($0.metrics.size.sparsity) }).count > 1 }
  }

  /// All that occur, to a tenth of a percent, rising.
  var sparsities: [Double] {
    Set(methods.flatMap(\.models).map { Self.rounded($0.metrics.size.sparsity) }).sorted()
  }

  /// The sparsities as marks of an axis, and its ends.
  var places: (tics: [(label: String, place: Double)], range: ClosedRange<Double>) {
    let tics = sparsities.map { sparsity in
      (
        label: String(format: "%.4g %%", (1000 * sparsity).rounded() / 10),
        place: Self.place(sparsity)
      )
    }
    let (low, high) = (tics.first?.place ?? 0, tics.last?.place ?? 1)
    let margin = max(0.05 * (high - low), 0.01)
    return (tics, low - margin...high + margin)
  }

  /// A sparsity's place on an axis: evenly spaced for 50, 75, 87.5 %.
  static func place(_ sparsity: Double) -> Double { -log10(max(1 - sparsity, 1e-6)) }

  private static func rounded(_ sparsity: Double) -> Double { (1000 * sparsity).rounded() / 1000 }

  /// A label without the number at its end.
  package static func method(_ label: String) -> String {
    guard let dash = label.lastIndex(of: "-"), dash != label.startIndex,
      Double(label[label.index(after: dash)...]) != nil
    else { return label }
    return String(label[..<dash])
  }
}
