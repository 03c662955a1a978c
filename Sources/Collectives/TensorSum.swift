// TensorSum: tensors summed over the processes, while more of them come.

import Torch

/// Sums tensors over the processes of a run: large ones alone, others in buckets, of which one that is
/// full is on its way while the next is filled. All processes add tensors of the same shapes in
/// the same order.
public final class TensorSum {
  private let group: ProcessGroup
  private let capacity: Int
  /// What is on its way.
  private var loads: [Load] = []
  /// What is being filled.
  private var bucket: Load?
  private var places: [(load: Load, start: Int, like: Tensor)] = []

  /// Values that travel together.
  private final class Load {
    let values: UnsafeMutablePointer<Float>
    var count: Int
    var exchange: ProcessGroup.Exchange?
    /// Whose values they are; nil of a bucket, which has memory of its own.
    let tensor: Tensor?

    /// An empty bucket.
    init(capacity: Int) { (values, count, tensor) = (.allocate(capacity: capacity), 0, nil) }

    init(_ tensor: Tensor, at values: UnsafeMutablePointer<Float>) {
      (self.values, count, self.tensor) = (values, tensor.count, tensor)
    }

    deinit { if tensor == nil { values.deallocate() } }
  }

  /// - Parameter capacity: values of a bucket. A tensor of half as many or more is large.
  public init(_ group: ProcessGroup, capacity: Int = 1 << 22) {
    self.group = group
    self.capacity = capacity
  }

  /// - Parameters:
  ///   - like: of the tensor's shape; the sum lies in memory as it does.
  ///   - inPlace: whether nobody else uses the tensor, so that a large one may turn into its sum.
  public func add(_ tensor: Tensor, like: Tensor, inPlace: Bool = false) throws {
    let count = like.count
    // What travels alone follows from its size, which all processes see alike; where it lies does not.
    if count >= capacity / 2 {
      if inPlace, let values = try tensor.memory(like: like) {
        let load = Load(tensor, at: values)
        places.append((load, 0, like))
        send(load)
      } else {
        let load = Load(capacity: count)
        try pack(tensor, like, into: load)
        send(load)
      }
    } else {
      if let full = bucket, full.count + count > capacity {
        send(full)
        bucket = nil
      }
      let bucket = bucket ?? Load(capacity: capacity)
      self.bucket = bucket
      try pack(tensor, like, into: bucket)
    }
    if let last = loads.last, var exchange = last.exchange {
      group.advance(&exchange)
      last.exchange = exchange
    }
  }

  private func pack(_ tensor: Tensor, _ like: Tensor, into load: Load) throws {
    try tensor.pack(to: load.values + load.count, like: like)
    places.append((load, load.count, like))
    load.count += like.count
  }

  private func send(_ load: Load) {
    load.exchange = group.beginSum(load.values, count: load.count)
    loads.append(load)
  }

  /// The sums, in the order in which their tensors were added. Call once.
  public func finish() throws -> [Tensor] {
    if let bucket { send(bucket) }
    for load in loads {
      if var exchange = load.exchange { group.wait(for: &exchange) }
    }
    return try places.map { load, start, like in
      try load.tensor ?? .unpacked(load.values + start, like: like)
    }
  }
}

extension ProcessGroup {
  /// The sums of tensors over all processes.
  public func sum(_ tensors: [Tensor]) throws -> [Tensor] {
    guard size > 1 else { return tensors }
    let sum = TensorSum(self)
    for tensor in tensors { try sum.add(tensor, like: tensor) }
    return try sum.finish()
  }
}
