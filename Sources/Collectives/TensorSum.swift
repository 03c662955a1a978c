// TensorSum: tensors summed over the processes, while more of them come.

import Torch

/// Sums tensors over the processes of a run in buckets: one that is full is on its way while the next
/// is filled. All processes add tensors of the same shapes in the same order.
public final class TensorSum {
  private let group: ProcessGroup
  private let capacity: Int
  private var buckets: [Bucket] = []
  private var places: [(bucket: Int, start: Int, like: Tensor)] = []

  private final class Bucket {
    let values: UnsafeMutableBufferPointer<Float>
    var count = 0
    var exchange: ProcessGroup.Exchange?

    init(capacity: Int) { values = .allocate(capacity: capacity) }
    deinit { values.deallocate() }
  }

  /// - Parameter capacity: values of a bucket; a larger tensor has one of its own.
  public init(_ group: ProcessGroup, capacity: Int = 1 << 22) {
    self.group = group
    self.capacity = capacity
  }

  /// - Parameter like: of the tensor's shape; the sum lies in memory as it does.
  public func add(_ tensor: Tensor, like: Tensor) throws {
    let count = like.count
    if let last = buckets.last, last.count + count > last.values.count { send(last) }
    if buckets.last.map({ $0.exchange != nil }) ?? true {
      buckets.append(Bucket(capacity: max(capacity, count)))
    }
    let bucket = buckets[buckets.count - 1]
    if let start = bucket.values.baseAddress {
      try tensor.pack(to: start + bucket.count, like: like)
    }
    places.append((buckets.count - 1, bucket.count, like))
    bucket.count += count
    if let sent = buckets.dropLast().last { advance(sent) }
  }

  private func send(_ bucket: Bucket) {
    guard let values = bucket.values.baseAddress else { return }
    bucket.exchange = group.beginSum(values, count: bucket.count)
  }

  private func advance(_ bucket: Bucket) {
    guard var exchange = bucket.exchange else { return }
    group.advance(&exchange)
    bucket.exchange = exchange
  }

  /// The sums, in the order in which their tensors were added. Call once.
  public func finish() throws -> [Tensor] {
    if let last = buckets.last { send(last) }
    for bucket in buckets {
      if var exchange = bucket.exchange { group.wait(for: &exchange) }
    }
    return try places.map { bucket, start, like in
      guard let values = buckets[bucket].values.baseAddress else { return like }
      return try .unpacked(values + start, like: like)
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
