// Reads stored bytes as they are, beside libhdf5 and its lock: from several threads at the same time.

import CHDF5
import Foundation

extension Dataset {
  /// Reads whole rows of a dataset that lies in the file in one piece, in this machine's own format.
  ///
  /// - Parameters:
  ///   - memory: for exactly the slab's values.
  ///   - offset: of the slab, which is inside the shape.
  ///   - count: the slab's shape.
  /// - Returns: false where that is not how the dataset lies, or the bytes cannot be had; libhdf5 then
  ///   reads it, or tells why it cannot.
  func readDirectly<T: HDF5Scalar>(
    into memory: UnsafeMutableBufferPointer<T>, offset: [Int], count: [Int]
  ) throws -> Bool {
    guard let base = memory.baseAddress, chunk == nil, !isVirtual,
      count.dropFirst() == shape.dropFirst()
    else { return false }
    let rowBytes = shape.dropFirst().reduce(MemoryLayout<T>.stride, *)
    return try handle.call("read") { id -> CInt in
      guard let (descriptor, start) = storedBytes(id, T.self) else { return 0 }
      let raw = UnsafeMutableRawBufferPointer(memory)
      let first = start + off_t(offset.first ?? 0) * off_t(rowBytes)
      var done = 0
      while done < raw.count {
        let read = pread(
          descriptor, UnsafeMutableRawPointer(base) + done, raw.count - done, first + off_t(done))
        if read > 0 { done += read } else if read == 0 || errno != EINTR { return 0 }
      }
      return 1
    } == 1
  }

  /// The descriptor of a file that is only read, and where in it a dataset's values start.
  private func storedBytes<T: HDF5Scalar>(_ id: hid_t, _: T.Type) -> (CInt, off_t)? {
    let type = H5Dget_type(id)
    defer { H5Tclose(type) }
    guard H5Tequal(type, T.elementType.nativeID) > 0 else { return nil }
    let file = H5Iget_file_id(id)
    defer { H5Fclose(file) }
    // What is being written may still be in libhdf5's buffers.
    var intent: CUnsignedInt = 0
    guard H5Fget_intent(file, &intent) >= 0, intent == chdf5_read_only() else { return nil }
    let access = H5Fget_access_plist(file)
    defer { H5Pclose(access) }
    var descriptor: UnsafeMutableRawPointer?
    guard H5Pget_driver(access) == chdf5_system_driver(),
      H5Fget_vfd_handle(file, chdf5_default(), &descriptor) >= 0, let descriptor
    else { return nil }
    let start = H5Dget_offset(id)
    guard start != chdf5_no_address(), let start = off_t(exactly: start) else { return nil }
    return (descriptor.load(as: CInt.self), start)
  }
}
