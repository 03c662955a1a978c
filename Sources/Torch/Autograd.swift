// Differentiation, and the scopes that change how operations run on this thread.

import CTorch

extension Tensor {
  /// Marks a leaf whose gradients will be asked for.
  public func requireGradient(_ value: Bool = true) throws {
    try check(ct_set_requires_grad(raw, value))
  }

  public func detached() throws -> Tensor { try returning { ct_detach(&$0, raw) } }

  /// The gradients of this scalar with respect to `inputs`, in their order; nil where the scalar
  /// does not depend on the input.
  ///
  /// - Parameters:
  ///   - retainGraph: keep the graph for a further backward pass over shared activations.
  ///   - ready: called with an input's index and its gradient as soon as that is known, while others
  ///     are still to come; the order is the same wherever the same network runs.
  public func gradients(
    of inputs: [Tensor], retainGraph: Bool = false,
    ready: ((_ index: Int, _ gradient: Tensor) -> Void)? = nil
  ) throws -> [Tensor?] {
    var results = [OpaquePointer?](repeating: nil, count: inputs.count)
    let count = Int32(inputs.count)
    if let ready {
      // What a C function can be handed as one pointer.
      let receiver = Unmanaged.passRetained(GradientReceiver(ready))
      defer { receiver.release() }
      try check(
        ct_gradients(
          &results, raw, inputs.map { $0.raw }, count, retainGraph,
          { index, gradient, receiver in
            guard let receiver, let gradient else { return }
            Unmanaged<GradientReceiver>.fromOpaque(receiver).takeUnretainedValue()
              .receive(Int(index), Tensor(owning: gradient))
          }, receiver.toOpaque()))
    } else {
      try check(ct_gradients(&results, raw, inputs.map { $0.raw }, count, retainGraph, nil, nil))
    }
    return results.map { $0.map(Tensor.init(owning:)) }
  }
}

private final class GradientReceiver {
  let receive: (Int, Tensor) -> Void

  init(_ receive: @escaping (Int, Tensor) -> Void) { self.receive = receive }
}

/// Runs `body` without recording operations for differentiation.
public func withoutGradients<Result>(_ body: () throws -> Result) rethrows -> Result {
  let before = ct_set_grad_enabled(false)
  defer { _ = ct_set_grad_enabled(before) }
  return try body()
}

/// Whether this thread records operations for differentiation.
public var gradientsAreRecorded: Bool { ct_grad_enabled() }

/// The arithmetic in which a network runs; parameters stay float32.
public enum Precision: String, Sendable, CaseIterable {
  case float32, bfloat16
}

/// Runs `body` in the given precision: bfloat16 means libtorch's autocast, which casts
/// convolutions and keeps reductions and losses in float32. Scopes nest.
public func withPrecision<Result>(
  _ precision: Precision, on device: Device, _ body: () throws -> Result
) rethrows -> Result {
  let before = ct_begin_precision(device.raw, precision == .bfloat16)
  defer { ct_end_precision(device.raw, before) }
  return try body()
}
