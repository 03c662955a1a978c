// SHA-256 (FIPS 180-4), by libcrypto.

import CCrypto

/// A digest under way.
final class SHA256 {
  private let context: OpaquePointer?

  init() { context = ccrypto_sha256_new() }

  deinit { EVP_MD_CTX_free(context) }

  func update(_ bytes: UnsafeRawBufferPointer) {
    EVP_DigestUpdate(context, bytes.baseAddress, bytes.count)
  }

  func update(_ bytes: [UInt8]) { bytes.withUnsafeBytes { update($0) } }

  /// 32 bytes; call once. Without memory for the digest they are 0, which no content has.
  func finalize() -> [UInt8] {
    var digest = [UInt8](repeating: 0, count: 32)
    EVP_DigestFinal_ex(context, &digest, nil)
    return digest
  }
}
