// Virtual datasets: rows that lie in datasets of other files, one block after the other.

import CHDF5

/// All rows of another file's dataset, standing in a virtual one.
public struct VirtualBlock: Sendable, Equatable {
  /// The other file as the virtual dataset names it: relative to its own file's folder.
  public let file: String
  /// The dataset in the other file.
  public let path: String
  public let rows: Int

  public init(file: String, path: String, rows: Int) {
    self.file = file
    self.path = path
    self.rows = rows
  }
}

extension Group {
  /// Creates a dataset whose rows are those of other files' datasets, in order. Needs a file created
  /// with `holdsVirtual`. Throws "already exists".
  ///
  /// - Parameter rowShape: the shape of a row.
  @discardableResult
  public func createVirtualDataset(
    _ name: String, of type: ElementType, rowShape: [Int], blocks: [VirtualBlock]
  ) throws -> Dataset {
    let place = handle.place.child(name)
    let creation = try creationList(chdf5_dataset_create(), at: place)
    defer { H5Pclose(creation) }
    let shape = [blocks.reduce(0) { $0 + $1.rows }] + rowShape
    let space = try place.makeSpace(shape)
    defer { H5Sclose(space) }
    var first = 0
    for block in blocks {
      let blockShape = [block.rows] + rowShape
      let source = try place.makeSpace(blockShape)
      defer { H5Sclose(source) }
      let size = blockShape.map { hsize_t($0) }
      // An explicit selection: that of everything does not tell its size when it is read back.
      try place.check("select") {
        H5Sselect_hyperslab(source, H5S_SELECT_SET, size.map { _ in 0 }, nil, size, nil)
      }
      let start = ([first] + rowShape.map { _ in 0 }).map { hsize_t($0) }
      try place.check("select") {
        H5Sselect_hyperslab(space, H5S_SELECT_SET, start, nil, size, nil)
      }
      try place.check("create") {
        H5Pset_virtual(
          creation, space, escapedName(block.file), escapedName(block.path), source)
      }
      first += block.rows
    }
    return try makeDataset(name, type.nativeID, shape, creation)
  }
}

extension Place {
  /// Throws for sources without an end or with a number in their name: libhdf5 would open files to
  /// learn the size.
  func checkVirtualSources(_ creation: hid_t) throws {
    var count = 0
    try check("open") { H5Pget_virtual_count(creation, &count) }
    for index in 0..<count {
      let space = try check("open") { H5Pget_virtual_vspace(creation, index) }
      defer { H5Sclose(space) }
      let rank = H5Sget_simple_extent_ndims(space)
      var low = [hsize_t](repeating: 0, count: max(1, Int(rank)))
      var high = low
      guard rank > 0, H5Sget_select_bounds(space, &low, &high) >= 0,
        high.allSatisfy({ $0 < hsize_t.max - 1 })
      else { throw error("is virtual with no end, which is not read") }
    }
  }
}

extension Dataset {
  /// The blocks of rows that a virtual dataset is made of; nil for one that is made in another way.
  public func virtualBlocks() throws -> [VirtualBlock]? {
    let place = handle.place
    let creation = try handle.call("open") { H5Dget_create_plist($0) }
    defer { H5Pclose(creation) }
    var count = 0
    try place.check("open") { H5Pget_virtual_count(creation, &count) }
    var first = 0
    var blocks: [VirtualBlock] = []
    for index in 0..<count {
      let here = try place.check("open") { H5Pget_virtual_vspace(creation, index) }
      defer { H5Sclose(here) }
      let there = try place.check("open") { H5Pget_virtual_srcspace(creation, index) }
      defer { H5Sclose(there) }
      let isWhole = H5Sget_select_type(there) == H5S_SEL_ALL
      guard let target = box(of: here),
        let source = isWhole ? (target.start.map { _ in 0 }, target.count) : box(of: there),
        target.start == [first] + [Int](repeating: 0, count: shape.count - 1),
        target.count.dropFirst() == shape.dropFirst(),
        !source.start.contains(where: { $0 != 0 }), source.count == target.count
      else { return nil }
      func name(_ get: (UnsafeMutablePointer<CChar>?, Int) -> Int) throws -> String {
        let length = try place.check("open") { get(nil, 0) }
        return try withUnsafeTemporaryAllocation(of: CChar.self, capacity: length + 1) { text in
          text.initialize(repeating: 0)
          try place.check("open") { get(text.baseAddress, length + 1) }
          return text.baseAddress.map { String(cString: $0) } ?? ""
        }
      }
      guard
        let file = plainName(try name { H5Pget_virtual_filename(creation, index, $0, $1) }),
        let path = plainName(try name { H5Pget_virtual_dsetname(creation, index, $0, $1) })
      else { return nil }
      blocks.append(VirtualBlock(file: file, path: path, rows: target.count[0]))
      first += target.count[0]
    }
    return first == shape.first ? blocks : nil
  }

  /// The box that a dataspace selects; nil for a selection that is no box of the dataset's rank.
  private func box(of space: hid_t) -> (start: [Int], count: [Int])? {
    guard Int(H5Sget_simple_extent_ndims(space)) == shape.count else { return nil }
    var low = [hsize_t](repeating: 0, count: shape.count)
    var high = low
    guard H5Sget_select_bounds(space, &low, &high) >= 0 else { return nil }
    // Unlimited selections have no end.
    guard high.allSatisfy({ $0 < UInt64(Int.max) }) else { return nil }
    let count = zip(low, high).map { Int($1 - $0) + 1 }
    // Fewer points than the box holds mean gaps.
    let points = Int(H5Sget_select_npoints(space))
    let (volume, overflows) = count.reduce((1, false)) { product, next in
      let (value, overflow) = product.0.multipliedReportingOverflow(by: next)
      return (value, product.1 || overflow)
    }
    guard !overflows, points == volume else { return nil }
    return (low.map { Int(clamping: $0) }, count)
  }
}

/// HDF5 takes the names of sources for formats, in which `%b` is a number.
private func escapedName(_ name: String) -> String { name.replacing("%", with: "%%") }

/// The name that a source's format stands for; nil where it stands for several.
private func plainName(_ format: String) -> String? {
  let parts = format.replacing("%%", with: "\0")
  return parts.contains("%") ? nil : parts.replacing("\0", with: "%")
}
