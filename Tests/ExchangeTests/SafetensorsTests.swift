// safetensors: what is written is read, other types are widened, and headers that lie are refused.

import Exchange
import Foundation
import Testing

struct SafetensorsTests {
  private func file(_ header: String, _ numbers: [UInt8] = []) -> Data {
    withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian) { Data($0) } + Data(header.utf8)
      + Data(numbers)
  }

  @Test func whatIsWrittenIsRead() throws {
    let tensors = [
      "a.weight": PlainTensor(shape: [2, 1, 3], values: [1, -0.5, .infinity, 0x1p-140, 0, 6]),
      "b/\"ü\"": PlainTensor(shape: [], values: [7]),
      "empty": PlainTensor(shape: [0, 4], values: []),
    ]
    let bytes = try Safetensors.bytes(of: tensors)
    #expect(try Safetensors.read(bytes) == tensors)
    #expect(bytes.withUnsafeBytes { $0.loadUnaligned(as: UInt64.self) } % 8 == 0)
  }

  @Test func otherTypesAreWidened() throws {
    let header = """
      {"__metadata__":{"format":"pt"},"h":{"dtype":"F16","shape":[4],"data_offsets":[0,8]},\
      "b":{"dtype":"BF16","shape":[1],"data_offsets":[8,10]},\
      "d":{"dtype":"F64","shape":[1],"data_offsets":[10,18]},\
      "i":{"dtype":"I64","shape":[],"data_offsets":[18,26]}}
      """
    var numbers: [UInt8] = [0x00, 0x3C, 0x01, 0x00, 0x00, 0xFC, 0xFF, 0x7B, 0xC0, 0xBF]
    numbers += withUnsafeBytes(of: (0.1).bitPattern.littleEndian, Array.init)
    numbers += withUnsafeBytes(of: Int64(-3).littleEndian, Array.init)
    let tensors = try Safetensors.read(file(header, numbers))
    #expect(tensors["h"]?.values == [1, 0x1p-24, -.infinity, 65504])
    #expect(tensors["b"]?.values == [-1.5])
    #expect(tensors["d"]?.values == [0.1])
    #expect(tensors["i"] == PlainTensor(shape: [], values: [-3]))
  }

  @Test(arguments: [
    #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#,
    #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"\u0061":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#,
    #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#,
    #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}"#,
    #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#,
    #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}"#,
    #"{"a":{"dtype":"F32","shape":[],"data_offsets":[0]}}"#,
    #"{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,4]}}"#,
    #"{"a":{"dtype":"F32","shape":[-1,-1],"data_offsets":[0,4]}}"#,
    #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[-4,0]}}"#,
    #"{"a":{"dtype":"F8","shape":[4],"data_offsets":[0,4]}}"#,
    #"{"a":{"dtype":"F32","shape":[9e99],"data_offsets":[0,4]}}"#, #"{"a":[]}"#, "[]", "", "{",
  ]) func headersThatLieAreRefused(_ header: String) {
    #expect(throws: ExchangeError.self) { try Safetensors.read(file(header, [0, 0, 0, 0])) }
  }

  @Test func aHeaderLongerThanTheFileIsRefused() {
    for length in [1, 1 << 40, UInt64.max] {
      let bytes = withUnsafeBytes(of: UInt64(length).littleEndian) { Data($0) }
      #expect(throws: ExchangeError.self) { try Safetensors.read(bytes) }
    }
  }
}
