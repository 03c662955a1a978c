// Walks the tree of groups and creates groups and datasets in it.

import CHDF5

/// A group: a folder of groups and datasets.
public final class Group: AttributeHolder {
  public let handle: Handle
  /// The absolute path, "/" for the root.
  public var path: String { handle.place.path }
  /// The last part of the path, "/" for the root.
  public var name: String { path.split(separator: "/").last.map(String.init) ?? "/" }

  private static let foreignLink = "is a link into another file, which is not followed"

  private init(_ handle: Handle) {
    self.handle = handle
  }

  static func open(_ name: String, at place: Place, from parent: Handle) throws -> Group {
    let id = try parent.call("open", at: place) { H5Gopen2($0, name, chdf5_default()) }
    return Group(Handle(id, at: place, in: parent, close: H5Gclose))
  }

  // MARK: Looking

  /// Opens the group at a relative path such as "a/b". Throws "missing group", or
  /// "is a dataset, expected a group".
  public func group(_ name: String) throws -> Group {
    try require(H5O_TYPE_GROUP, name, "group")
    return try Group.open(name, at: handle.place.child(name), from: handle)
  }

  /// Opens the dataset at a relative path. Throws "missing dataset", or
  /// "is a group, expected a dataset".
  public func dataset(_ name: String) throws -> Dataset {
    try require(H5O_TYPE_DATASET, name, "dataset")
    let place = handle.place.child(name)
    let id = try handle.call("open", at: place) { H5Dopen2($0, name, chdf5_default()) }
    return try Dataset(Handle(id, at: place, in: handle, flush: H5Dflush, close: H5Dclose))
  }

  /// Whether there is a group or dataset at a relative path, or a link into another file, which
  /// opening refuses; false if links lead nowhere.
  public func contains(_ name: String) -> Bool {
    do {
      return try kind(name) != nil
    } catch let error as HDF5Error {
      return error.reason == Self.foreignLink
    } catch {
      return false
    }
  }

  /// The names of everything in the group, links included, sorted bytewise.
  public func names() throws -> [String] {
    try handle.names("list") { id, names in
      H5Literate(
        id, H5_INDEX_NAME, H5_ITER_INC, nil, { appendName($1, to: $3) }, names)
    }
  }

  /// The names of the groups in the group, sorted bytewise.
  public func groupNames() throws -> [String] {
    try names().filter { try kind($0) == H5O_TYPE_GROUP }
  }

  /// The names of the datasets in the group, sorted bytewise.
  public func datasetNames() throws -> [String] {
    try names().filter { try kind($0) == H5O_TYPE_DATASET }
  }

  /// The absolute paths of all datasets in and below the group, sorted bytewise. Soft and
  /// external links are not followed; a dataset with several names is listed once.
  public func allDatasetPaths() throws -> [String] {
    let names = try handle.names("list") { id, names in
      H5Ovisit2(
        id, H5_INDEX_NAME, H5_ITER_INC,
        { $2?.pointee.type == H5O_TYPE_DATASET ? appendName($1, to: $3) : 0 },
        names, UInt32(H5O_INFO_BASIC))
    }
    return names.map { handle.place.child($0).path }
  }

  // MARK: Creating

  /// Creates a group at a relative path, and the groups on the way to it. Throws
  /// "already exists".
  @discardableResult
  public func createGroup(_ name: String) throws -> Group {
    let (parent, leaf, place) = try prepare(name)
    return try parent.makeGroup(leaf, at: place)
  }

  /// Creates a dataset, and the groups on the way to it; it reads as zeros until written.
  ///
  /// - Parameters:
  ///   - name: a relative path.
  ///   - shape: the size of each dimension; zeros are allowed, and [] makes a single value.
  ///   - chunk: the size of a chunk in each dimension, cut to the shape; nil stores contiguously.
  ///   - compression: a deflate level, 0 to 9; needs a chunk.
  ///   - shuffles: whether the bytes are shuffled before; good for numbers that resemble each other,
  ///     bad for numbers among zeros.
  ///
  /// Throws "already exists", or a reason naming the shape, chunk or compression that is wrong.
  @discardableResult
  public func createDataset<T: HDF5Scalar>(
    _ name: String, of type: T.Type, shape: [Int], chunk: [Int]? = nil, compression: Int? = nil,
    shuffles: Bool = true
  ) throws -> Dataset {
    let place = handle.place.child(name)
    let creation = try creationList(chdf5_dataset_create(), at: place)
    defer { H5Pclose(creation) }
    try place.checkShape(shape)
    // Half of a header would be room for attributes that most datasets never get.
    try place.check("create") { H5Pset_dset_no_attrs_hint(creation, true) }
    if let chunk {
      guard chunk.count == shape.count, !chunk.isEmpty, chunk.allSatisfy({ $0 > 0 }) else {
        throw place.error("chunk \(chunk) does not fit shape \(shape)")
      }
      let sizes = zip(chunk, shape).map { hsize_t(min($0, max($1, 1))) }
      try place.check("create") { H5Pset_chunk(creation, Int32(sizes.count), sizes) }
    }
    if let compression {
      guard chunk != nil else { throw place.error("compression needs a chunk") }
      guard (0...9).contains(compression) else {
        throw place.error("compression \(compression) is not in 0...9")
      }
      if shuffles { try place.check("create") { H5Pset_shuffle(creation) } }
      try place.check("create") { H5Pset_deflate(creation, UInt32(compression)) }
    }
    return try makeDataset(name, T.elementType.nativeID, shape, creation)
  }

  /// Creates a 1-D dataset of UTF-8 strings of one length, padded with zeros, and the groups on the way
  /// to it: those of variable length would lie in a heap, where a damaged byte crashes libhdf5.
  /// Throws "already exists", or "string 3 contains a zero byte".
  @discardableResult
  public func writeStrings(_ name: String, _ values: [String]) throws -> Dataset {
    let place = handle.place.child(name)
    try place.checkStrings(values)
    let type = try place.stringType(of: values)
    defer { H5Tclose(type) }
    let creation = try creationList(chdf5_dataset_create(), at: place)
    defer { H5Pclose(creation) }
    let dataset = try makeDataset(name, type, [values.count], creation)
    if !values.isEmpty {
      try dataset.handle.call("write") { id in
        H5Dwrite(
          id, type, chdf5_all(), chdf5_all(), chdf5_default(),
          paddedStrings(values, length: H5Tget_size(type)))
      }
    }
    return dataset
  }

  /// Removes the group or dataset at a relative path. Throws "cannot remove: …".
  public func remove(_ name: String) throws {
    try handle.call("remove", at: handle.place.child(name)) {
      H5Ldelete($0, name, chdf5_default())
    }
  }

  func makeDataset(
    _ name: String, _ type: hid_t, _ shape: [Int], _ creation: hid_t
  ) throws -> Dataset {
    let (parent, leaf, place) = try prepare(name)
    let space = try place.makeSpace(shape)
    defer { H5Sclose(space) }
    let id = try parent.handle.call("create", at: place) {
      H5Dcreate2($0, leaf, type, space, chdf5_default(), creation, chdf5_default())
    }
    return try Dataset(Handle(id, at: place, in: handle, flush: H5Dflush, close: H5Dclose))
  }

  /// Creates one group. The groups on the way to an object are made with this too, since those
  /// that libhdf5 makes by itself keep times.
  private func makeGroup(_ leaf: String, at place: Place) throws -> Group {
    let creation = try creationList(chdf5_group_create(), at: place)
    defer { H5Pclose(creation) }
    let id = try handle.call("create", at: place) {
      H5Gcreate2($0, leaf, chdf5_default(), creation, chdf5_default())
    }
    return Group(Handle(id, at: place, in: handle, close: H5Gclose))
  }

  /// Finds, or makes, the group that `name` shall be created in.
  private func prepare(_ name: String) throws -> (parent: Group, leaf: String, place: Place) {
    let place = handle.place.child(name)
    var steps = name.split(separator: "/").map(String.init)
    guard let leaf = steps.popLast(), !name.hasPrefix("/"), !name.utf8.contains(0) else {
      throw place.error("\"\(name)\" is no relative path")
    }
    if try kind(name) != nil { throw place.error("already exists") }
    var parent = self
    for step in steps {
      let next = parent.handle.place.child(step)
      let exists = try parent.kind(step) != nil
      parent = try exists ? parent.group(step) : parent.makeGroup(step, at: next)
    }
    return (parent, leaf, place)
  }

  /// What is at a relative path; nil if nothing is. Throws if the file is damaged there.
  private func kind(_ name: String) throws -> H5O_type_t? {
    let place = handle.place.child(name)
    var prefix = name.hasPrefix("/") ? "/" : ""
    var found: H5O_type_t? = name.hasPrefix("/") ? H5O_TYPE_GROUP : nil
    for (depth, step) in name.split(separator: "/").enumerated() {
      if depth > 0, found != H5O_TYPE_GROUP { return nil }
      prefix += (depth > 0 ? "/" : "") + step
      let hasLink = try handle.call("look up", at: place) {
        H5Lexists($0, prefix, chdf5_default())
      }
      if hasLink == 0 && step != "." { return nil }
      if step != "." {
        var link = H5L_info_t()
        try handle.call("look up", at: place) {
          H5Lget_info($0, prefix, &link, chdf5_default())
        }
        guard link.type == H5L_TYPE_HARD || link.type == H5L_TYPE_SOFT else {
          throw place.error(Self.foreignLink)
        }
      }
      // A failure is a link to nowhere.
      var leads: htri_t = 0
      try handle.call("look up", at: place) { id -> herr_t in
        leads = H5Oexists_by_name(id, prefix, chdf5_default())
        return 0
      }
      if leads <= 0 { return nil }
      var info = H5O_info_t()
      try handle.call("look up", at: place) {
        H5Oget_info_by_name2($0, prefix, &info, UInt32(H5O_INFO_BASIC), chdf5_default())
      }
      found = info.type
    }
    return found
  }

  private func require(_ wanted: H5O_type_t, _ name: String, _ wantedName: String) throws {
    let place = handle.place.child(name)
    switch try kind(name) {
    case nil: throw place.error("missing \(wantedName)")
    case wanted: return
    case H5O_TYPE_GROUP: throw place.error("is a group, expected a \(wantedName)")
    case H5O_TYPE_DATASET: throw place.error("is a dataset, expected a \(wantedName)")
    default: throw place.error("is a named type, expected a \(wantedName)")
    }
  }
}
