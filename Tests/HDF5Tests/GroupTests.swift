// Groups: the tree, missing things, names.

import HDF5
import Testing

@Suite struct GroupTests {
  @Test func tree() throws {
    try withNewFile { file in
      let root = file.root
      #expect(root.path == "/" && root.name == "/")
      let deep = try root.createGroup("b/a")
      #expect(deep.path == "/b/a" && deep.name == "a")
      try deep.createDataset("x", of: Float.self, shape: [1])
      try root.createDataset("b/Z", of: Float.self, shape: [1])
      try root.createDataset("a b/ä", of: Float.self, shape: [1])
      try root.createDataset("0", of: Float.self, shape: [1])

      #expect(try root.names() == ["0", "a b", "b"])
      #expect(try root.groupNames() == ["a b", "b"])
      #expect(try root.datasetNames() == ["0"])
      #expect(try root.group("b").names() == ["Z", "a"])
      #expect(try root.allDatasetPaths() == ["/0", "/a b/ä", "/b/Z", "/b/a/x"])
      #expect(try root.group("b").allDatasetPaths() == ["/b/Z", "/b/a/x"])
      #expect(try root.dataset("/b/a/x").path == "/b/a/x")
      #expect(try root.group("b").group("a").dataset("x").path == "/b/a/x")
      #expect(try deep.names() == ["x"])
    }
  }

  @Test func contains() throws {
    try withNewFile { file in
      try file.root.createDataset("g/x", of: Float.self, shape: [1])
      for name in ["g", "g/x", "/g/x", "/", "g/"] { #expect(file.root.contains(name), "\(name)") }
      for name in ["", "x", "g/y", "g/x/y", "no/way", "/x"] {
        #expect(!file.root.contains(name), "\(name)")
      }
    }
  }

  @Test func reasons() throws {
    try withNewFile { file in
      let group = try file.root.createGroup("train")
      try group.createDataset("x", of: Float.self, shape: [1])
      let error = failure { _ = try group.dataset("image") }
      #expect(error?.description == "\(file.path): /train/image: missing dataset")
      #expect(reason { _ = try group.group("a/b") } == "missing group")
      #expect(reason { _ = try file.root.dataset("train") } == "is a group, expected a dataset")
      #expect(reason { _ = try group.group("x") } == "is a dataset, expected a group")
      #expect(reason { try file.root.createGroup("train") } == "already exists")
      #expect(reason { try file.root.createGroup("") } == "\"\" is no relative path")
      #expect(reason { try file.root.createGroup("/a") } == "\"/a\" is no relative path")
      #expect(reason { try group.createGroup("x/y") } == "is a dataset, expected a group")
      #expect(
        reason { try group.createDataset("x", of: Float.self, shape: [1]) } == "already exists")
      #expect(reason { try group.writeStrings("x", ["a"]) } == "already exists")
    }
  }
}
