// Our own loops on libtorch's threads: a second pool would fight the first one for the cores.

import CTorch

/// Runs `body` on pieces of a range, a piece per thread.
@inlinable @inline(__always)
public func inParallel(_ range: Range<Int>, _ body: @Sendable (Range<Int>) -> Void) {
  let pieces = pieceCount(range)
  inParallel(pieces: pieces) { body(piece($0, of: pieces, range)) }
}

/// The results of `body` on pieces of a range, a piece per thread, in order.
@inlinable @inline(__always)
public func inParallel<Result>(_ range: Range<Int>, _ body: @Sendable (Range<Int>) -> Result)
  -> [Result]
{
  let pieces = pieceCount(range)
  return [Result](unsafeUninitializedCapacity: pieces) { results, initialized in
    nonisolated(unsafe) let results = results
    inParallel(pieces: pieces) {
      results.initializeElement(at: $0, to: body(piece($0, of: pieces, range)))
    }
    initialized = pieces
  }
}

/// Runs `body` for 0..<`pieces`, in no order.
public func inParallel(pieces: Int, _ body: @Sendable (Int) -> Void) {
  withoutActuallyEscaping(body) { body in
    // What a C function can be handed as one pointer.
    let work = Unmanaged.passRetained(Work(body))
    defer { work.release() }
    let error = ct_parallel(
      Int32(pieces),
      { piece, work in
        guard let work else { return }
        Unmanaged<Work>.fromOpaque(work).takeUnretainedValue().body(Int(piece))
      }, work.toOpaque())
    // Nothing ran when the threads could not be had.
    if let error {
      ct_free_text(error)
      for piece in 0..<pieces { body(piece) }
    }
  }
}

private final class Work: Sendable {
  let body: @Sendable (Int) -> Void

  init(_ body: @escaping @Sendable (Int) -> Void) { self.body = body }
}

@usableFromInline func pieceCount(_ range: Range<Int>) -> Int {
  let smallestPiece = 1 << 16
  return max(1, min(Int(ct_threads()), range.count / smallestPiece))
}

@usableFromInline func piece(_ index: Int, of pieces: Int, _ range: Range<Int>) -> Range<Int> {
  range.lowerBound + range.count * index / pieces..<range.lowerBound + range.count * (index + 1)
    / pieces
}
