// Python's pickles, as data: what torch.save writes of tensors, lists, dicts, strings and numbers is
// understood, any other object is kept as its type's name, and nothing is ever called.
//
// The operations are those of Python's pickletools; persistent ids and the functions that rebuild
// tensors are those of torch/serialization.py and torch/_utils.py.

/// One pickle.
struct Pickle {
  enum Value {
    case none
    case bool(Bool)
    case integer(Int)
    case float(Double)
    case string(String)
    /// Where its elements stand in ``sequences``; those of a dict are key, value, key, value ...
    case tuple(Int)
    case list(Int)
    case dictionary(Int)
    /// A dict that Python 2 made of a list of pairs: where the list stands.
    case pairs(Int)
    /// A function or class, as "module name".
    case global(String)
    /// Where it stands in ``storages`` and ``tensors``.
    case storage(Int)
    case tensor(Int)
    /// Anything else: its type, as "module name".
    case object(String)
  }

  /// Numbers in a file of their own, which tensors are views of.
  struct Storage {
    /// nil where it is none that is read.
    let type: StoredType?
    let key: String
    /// Elements.
    let count: Int
  }

  struct Tensor {
    let storage: Storage
    /// In elements, as the strides are.
    let offset: Int
    let shape: [Int]
    let strides: [Int]
  }

  // Values hold places and not each other, so nothing nests, however deep the pickle is, and nothing
  // is copied when a value is used again: a pickle takes memory in proportion to its length.
  private(set) var sequences: [[Value]] = []
  private(set) var storages: [Storage] = []
  private(set) var tensors: [Tensor] = []
  private(set) var root = Value.none

  private var stack: [Value] = []
  private var marks: [Int] = []
  private var memo: [Int: Value] = [:]

  /// Reads one pickle, up to its end.
  ///
  /// - Throws: ``FormatError`` when it is damaged or uses operations that torch.save does not.
  init(_ reader: inout ByteReader) throws {
    // Each may take a hundred bytes of memory. Checkpoints have some ten per tensor.
    var operationsLeft = 10_000_000
    while true {
      operationsLeft -= 1
      guard operationsLeft > 0 else { throw FormatError("the pickle is too long") }
      let byte = try reader.integer(UInt8.self)
      guard let operation = Operation(rawValue: byte) else {
        throw FormatError(
          "the pickle has the operation 0x\(String(byte, radix: 16)), which state dicts do not")
      }
      if operation == .stop { break }
      try run(operation, &reader)
    }
    root = try pop()
    (stack, marks, memo) = ([], [], [:])
  }

  /// The elements of a tuple or list.
  func elements(of value: Value) -> [Value]? {
    switch value {
    case .tuple(let place), .list(let place): sequences[place]
    default: nil
    }
  }

  /// The keys and values of a dict.
  func entries(of value: Value) -> [(key: Value, value: Value)]? {
    switch value {
    case .dictionary(let place):
      let items = sequences[place]
      return stride(from: 0, to: items.count - 1, by: 2).map { (items[$0], items[$0 + 1]) }
    case .pairs(let place):
      return sequences[place].compactMap(elements).filter { $0.count == 2 }.map { ($0[0], $0[1]) }
    default: return nil
    }
  }

  /// Those of pickletools, by its names.
  private enum Operation: UInt8 {
    case proto = 0x80
    case frame = 0x95
    case stop = 0x2E
    case none = 0x4E
    case newtrue = 0x88
    case newfalse = 0x89
    case binint1 = 0x4B
    case binint2 = 0x4D
    case binint = 0x4A
    case long1 = 0x8A
    case long4 = 0x8B
    case binfloat = 0x47
    case shortBinstring = 0x55
    case binstring = 0x54
    case shortBinbytes = 0x43
    case binbytes = 0x42
    case shortBinunicode = 0x8C
    case binunicode = 0x58
    case binunicode8 = 0x8D
    case binbytes8 = 0x8E
    case mark = 0x28
    case pop = 0x30
    case popMark = 0x31
    case dup = 0x32
    case emptyTuple = 0x29
    case tuple1 = 0x85
    case tuple2 = 0x86
    case tuple3 = 0x87
    case tuple = 0x74
    case emptyList = 0x5D
    case list = 0x6C
    case append = 0x61
    case appends = 0x65
    case emptyDict = 0x7D
    case dict = 0x64
    case setitem = 0x73
    case setitems = 0x75
    case emptySet = 0x8F
    case frozenset = 0x91
    case additems = 0x90
    case binput = 0x71
    case longBinput = 0x72
    case memoize = 0x94
    case binget = 0x68
    case longBinget = 0x6A
    case global = 0x63
    case stackGlobal = 0x93
    case reduce = 0x52
    case newobj = 0x81
    case build = 0x62
    case binpersid = 0x51
  }

  private mutating func run(_ operation: Operation, _ reader: inout ByteReader) throws {
    switch operation {
    case .proto: try reader.skip(1)
    case .frame: try reader.skip(8)
    case .stop: break

    case .none: stack.append(.none)
    case .newtrue: stack.append(.bool(true))
    case .newfalse: stack.append(.bool(false))
    case .binint1: stack.append(.integer(Int(try reader.integer(UInt8.self))))
    case .binint2: stack.append(.integer(Int(try reader.integer(UInt16.self))))
    case .binint: stack.append(.integer(Int(try reader.integer(Int32.self))))
    case .long1: stack.append(long(try reader.bytes(reader.count(UInt8.self))))
    case .long4: stack.append(long(try reader.bytes(reader.count(UInt32.self))))
    case .binfloat:
      let bits = try reader.bytes(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
      stack.append(.float(Double(bitPattern: bits)))

    case .shortBinstring, .shortBinbytes, .shortBinunicode:
      stack.append(.string(try reader.string(reader.count(UInt8.self))))
    case .binstring, .binbytes, .binunicode:
      stack.append(.string(try reader.string(reader.count(UInt32.self))))
    case .binunicode8, .binbytes8:
      stack.append(.string(try reader.string(reader.count(UInt64.self))))

    case .mark: marks.append(stack.count)
    case .pop: _ = try pop()
    case .popMark: _ = try popToMark()
    case .dup: stack.append(try top())

    case .emptyTuple: stack.append(.tuple(new([])))
    case .tuple1: stack.append(.tuple(new([try pop()])))
    case .tuple2: stack.append(.tuple(new([try pop(), try pop()].reversed())))
    case .tuple3: stack.append(.tuple(new([try pop(), try pop(), try pop()].reversed())))
    case .tuple: stack.append(.tuple(new(try popToMark())))
    case .emptyList: stack.append(.list(new([])))
    case .list: stack.append(.list(new(try popToMark())))
    case .emptyDict: stack.append(.dictionary(new([])))
    case .dict: stack.append(.dictionary(new(try pairs(popToMark()))))
    case .emptySet: stack.append(.object("builtins set"))
    case .frozenset:
      _ = try popToMark()
      stack.append(.object("builtins frozenset"))

    case .append: try extend([try pop()])
    case .appends, .additems: try extend(popToMark())
    case .setitem:
      let value = try pop()
      try extend([try pop(), value])
    case .setitems: try extend(pairs(popToMark()))

    case .binput: memo[Int(try reader.integer(UInt8.self))] = try top()
    case .longBinput: memo[Int(try reader.integer(UInt32.self))] = try top()
    case .memoize: memo[memo.count] = try top()
    case .binget: try recall(Int(try reader.integer(UInt8.self)))
    case .longBinget: try recall(Int(try reader.integer(UInt32.self)))

    case .global: stack.append(try global(reader.line(), reader.line()))
    case .stackGlobal:
      guard case .string(let name) = try pop(), case .string(let module) = try pop() else {
        throw damaged
      }
      stack.append(try global(module, name))
    case .reduce:
      let arguments = try pop()
      stack.append(try result(of: pop(), arguments))
    case .newobj:
      _ = try pop()
      stack.append(object(try pop()))
    // The state of an object. A state dict has one too, which says nothing about its tensors.
    case .build: _ = try pop()
    case .binpersid: stack.append(try persistent(pop()))
    }
  }

  // MARK: The stack

  private var damaged: FormatError { FormatError("the pickle is damaged") }

  private mutating func pop() throws -> Value {
    _ = try top()
    return stack.removeLast()
  }

  private func top() throws -> Value {
    guard let last = stack.last, stack.count > marks.last ?? 0 else { throw damaged }
    return last
  }

  private mutating func popToMark() throws -> [Value] {
    guard let mark = marks.popLast() else { throw damaged }
    defer { stack.removeSubrange(mark...) }
    return Array(stack[mark...])
  }

  private mutating func recall(_ place: Int) throws {
    guard let value = memo[place] else { throw damaged }
    stack.append(value)
  }

  private mutating func new(_ elements: [Value]) -> Int {
    sequences.append(elements)
    return sequences.count - 1
  }

  private func pairs(_ items: [Value]) throws -> [Value] {
    guard items.count % 2 == 0 else { throw damaged }
    return items
  }

  /// Adds to the list or dict on top of the stack; what an object is given is not kept.
  private mutating func extend(_ items: [Value]) throws {
    switch try top() {
    case .list(let place), .dictionary(let place): sequences[place] += items
    case .object: break
    default: throw damaged
    }
  }

  private func long(_ bytes: ArraySlice<UInt8>) -> Value {
    guard bytes.count <= 8 else { return .object("int") }
    let isNegative = bytes.last.map { $0 >= 0x80 } ?? false
    return .integer(bytes.reversed().reduce(isNegative ? -1 : 0) { $0 << 8 | Int($1) })
  }

  // MARK: Objects

  private func global(_ module: String, _ name: String) throws -> Value {
    guard module.utf8.count + name.utf8.count < 1000 else { throw damaged }
    return .global(module + " " + name)
  }

  private func object(_ type: Value) -> Value {
    guard case .global(let name) = type else { return .object("builtins object") }
    return .object(name)
  }

  /// What calling a function would give, for those that torch.save names.
  private mutating func result(of function: Value, _ arguments: Value) throws -> Value {
    guard case .tuple(let place) = arguments else { throw damaged }
    let arguments = sequences[place]
    guard case .global(let name) = function else { return object(function) }
    switch name {
    case "collections OrderedDict":
      switch arguments.first {
      case nil: return .dictionary(new([]))
      case .list(let place)?: return .pairs(place)
      default: throw damaged
      }
    case "torch._utils _rebuild_tensor", "torch._utils _rebuild_tensor_v2":
      return try tensor(arguments)
    case "torch._utils _rebuild_parameter", "torch._utils _rebuild_parameter_with_state":
      guard let data = arguments.first else { throw damaged }
      return data
    default:
      return object(function)
    }
  }

  private mutating func tensor(_ arguments: [Value]) throws -> Value {
    guard arguments.count >= 4, case .integer(let offset) = arguments[1],
      let shape = integers(arguments[2]), let strides = integers(arguments[3]),
      shape.count == strides.count
    else { throw damaged }
    guard case .storage(let storage) = arguments[0] else { return .object("torch Tensor") }
    tensors.append(
      Tensor(storage: storages[storage], offset: offset, shape: shape, strides: strides))
    return .tensor(tensors.count - 1)
  }

  private func integers(_ value: Value) -> [Int]? {
    guard let elements = elements(of: value), elements.count <= 64 else { return nil }
    let numbers = elements.compactMap { if case .integer(let number) = $0 { number } else { nil } }
    return numbers.count == elements.count ? numbers : nil
  }

  /// What a persistent id stands for: ("storage", type, key, device, count), in old files with a
  /// sixth element for views of storages, which are not read.
  private mutating func persistent(_ id: Value) throws -> Value {
    guard let parts = elements(of: id), parts.count >= 5, case .global(let type) = parts[1],
      case .string(let key) = parts[2], case .integer(let count) = parts[4]
    else { return .object("builtins object") }
    if parts.count > 5 { guard case .none = parts[5] else { return .object("torch Storage") } }
    let name = type.split(separator: " ").last.map(String.init) ?? ""
    storages.append(Storage(type: StoredType(rawValue: name), key: key, count: count))
    return .storage(storages.count - 1)
  }
}
