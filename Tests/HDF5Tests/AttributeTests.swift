// Attributes: every kind of value, replacing, long ones, foreign tools.

import Foundation
import HDF5
import Testing

@Suite struct AttributeTests {
  @Test func roundTrips() throws {
    try withFolder { folder in
      let file = try File.create(folder + "/a.h5")
      let dataset = try file.root.createDataset("g/x", of: Float.self, shape: [1])
      for holder: any AttributeHolder in [file.root, try file.root.group("g"), dataset] {
        try holder.setAttribute("text", "Größe 三")
        try holder.setAttribute("empty", "")
        try holder.setAttribute("list", ["a", "", "ä"])
        try holder.setAttribute("no list", [] as [String])
        try holder.setAttribute("int", -3)
        try holder.setAttribute("double", 0.25)
        try holder.setAttribute("ints", [1, 2, 3])
        try holder.setAttribute("doubles", [0.5])
        try holder.setAttribute("no ints", [] as [Int])
        try holder.setAttribute("_FillValue", typed: 255 as UInt8)
        try holder.setAttribute("large", typed: UInt64.max)
        try holder.setAttribute("floats", typed: [1, 2.5] as [Float])
      }
      try file.close()
      let root = try File.open(folder + "/a.h5").root
      for holder: any AttributeHolder in [root, try root.group("g"), try root.dataset("g/x")] {
        #expect(try holder.attribute("text") == "Größe 三")
        #expect(try holder.attribute("text") == ["Größe 三"])
        #expect(try holder.attribute("empty") == "")
        #expect(try holder.attribute("list") == ["a", "", "ä"])
        #expect(try holder.attribute("no list") == [String]())
        #expect(try holder.attribute("int") == -3)
        #expect(try holder.attribute("int") == -3.0)
        #expect(try holder.attribute("int") == [-3])
        #expect(try holder.attribute("double") == 0.25)
        #expect(try holder.attribute("ints") == [1, 2, 3])
        #expect(try holder.attribute("ints") == [1.0, 2.0, 3.0])
        #expect(try holder.attribute("doubles") == 0.5)
        #expect(try holder.attribute("no ints") == [Int]())
        #expect(try holder.attribute("_FillValue") == 255)
        #expect(try holder.attribute("_FillValue", as: UInt8.self) == 255)
        #expect(try holder.attributeType("_FillValue") == .uint8)
        #expect(try holder.attributeType("text") == .string)
        #expect(try holder.attribute("floats") == [1, 2.5])
        #expect(holder.hasAttribute("int") && !holder.hasAttribute("in"))
        #expect(
          try holder.attributeNames() == [
            "_FillValue", "double", "doubles", "empty", "floats", "int", "ints", "large", "list",
            "no ints", "no list", "text",
          ])
      }
    }
  }

  @Test func reasons() throws {
    try withNewFile { file in
      let x = try file.root.createDataset("train/seg", of: Float.self, shape: [1])
      try x.setAttribute("text", "t")
      try x.setAttribute("two", [1, 2])
      try x.setAttribute("half", 0.5)
      try x.setAttribute("large", typed: UInt64.max)
      let error = failure { let _: Int = try x.attribute("_FillValue") }
      #expect(error?.path == "/train/seg@_FillValue" && error?.reason == "missing attribute")
      #expect(failure { let _: Int = try file.root.attribute("a") }?.path == "/@a")
      #expect(reason { let _: Int = try x.attribute("text") } == "is string, expected int64")
      #expect(reason { let _: Double = try x.attribute("text") } == "is string, expected float64")
      #expect(reason { let _: String = try x.attribute("half") } == "is float64, expected string")
      #expect(reason { let _: Int = try x.attribute("two") } == "has 2 values, expected 1")
      #expect(reason { let _: Int = try x.attribute("half") } == "0.5 is not a whole number")
      #expect(reason { let _: Int = try x.attribute("large") }.hasSuffix("is too large"))
      #expect(reason { try x.setAttribute("z", "a\0b") } == "string 0 contains a zero byte")
    }
  }

  @Test func replacing() throws {
    try withNewFile { file in
      for round in 0..<3 {
        for index in 0..<20 { try file.root.setAttribute("a\(index)", round * 100 + index) }
      }
      try file.root.setAttribute("a3", "now text")
      #expect(try file.root.attribute("a3") == "now text")
      #expect(try file.root.attribute("a19") == 219)
      #expect(try file.root.attributeNames().count == 20)
    }
  }

  @Test func longerThan64KiB() throws {
    try withFolder { folder in
      let long = String(repeating: "{\"schlüssel\": 1}, ", count: 20_000)
      let file = try File.create(folder + "/a.h5")
      let dataset = try file.root.createDataset("x", of: Float.self, shape: [1])
      for holder: any AttributeHolder in [file.root, dataset] {
        try holder.setAttribute("json", long)
        try holder.setAttribute("json", long + "!")
        try holder.setAttribute("many", (0..<50_000).map { $0 })
        try holder.setAttribute("names", (0..<10_000).map { "name \($0)" })
      }
      try file.close()
      let root = try File.open(folder + "/a.h5").root
      for holder: any AttributeHolder in [root, try root.dataset("x")] {
        #expect(try holder.attribute("json") == long + "!")
        #expect(try holder.attribute("many") == (0..<50_000).map { $0 })
        #expect(try holder.attribute("names") == (0..<10_000).map { "name \($0)" })
      }
    }
  }

  @Test(.enabled(if: FileManager.default.isExecutableFile(atPath: "/usr/bin/h5dump")))
  func h5dumpReadsIt() throws {
    try withFolder { folder in
      let file = try File.create(folder + "/a.h5")
      try file.root.setAttribute("title", "hello")
      try file.root.setAttribute("axes", ["z", "yx"])
      try file.root.createDataset("g/x", of: UInt16.self, shape: [2, 3])
        .setAttribute("_FillValue", typed: 9 as UInt16)
      try file.close()
      let dump = try run("/usr/bin/h5dump", "-A", file.path)
      #expect(dump.status == 0)
      for part in ["\"hello\"", "\"z\", \"yx\"", "H5T_STD_U16LE", "STRSIZE 6;", "_FillValue"] {
        #expect(dump.output.contains(part), "\(part)")
      }
    }
  }
}
