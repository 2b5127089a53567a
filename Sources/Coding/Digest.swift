import CXXHash

/// An XXH3-128 digest: 16 bytes, in canonical (big-endian) order. It finds damage and mix-ups; it is no signature.
package struct Digest: Hashable, Sendable, BitwiseCopyable, CustomStringConvertible {
    package let high: UInt64
    package let low: UInt64
}

extension Digest {
    /// - Precondition: 16 bytes.
    package init(bytes: some Collection<UInt8>) {
        precondition(bytes.count == 16, "a digest has 16 bytes")
        func word(_ part: some Sequence<UInt8>) -> UInt64 { part.reduce(0) { $0 << 8 | UInt64($1) } }
        self.init(high: word(bytes.prefix(8)), low: word(bytes.dropFirst(8)))
    }

    /// The 16 bytes from `offset` on.
    package init(_ bytes: UnsafeRawBufferPointer, at offset: Int) {
        func word(_ place: Int) -> UInt64 {
            UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: offset + place, as: UInt64.self))
        }
        self.init(high: word(0), low: word(8))
    }

    /// Nil unless `hex` is 32 lower-case hexadecimal digits.
    package init?(hex: String) {
        guard hex.utf8.count == 32, hex.utf8.allSatisfy({ "0123456789abcdef".utf8.contains($0) }),
            let high = UInt64(hex.prefix(16), radix: 16), let low = UInt64(hex.suffix(16), radix: 16)
        else { return nil }
        self.init(high: high, low: low)
    }

    package var bytes: [UInt8] {
        [high, low].flatMap { word in (0..<8).map { UInt8(truncatingIfNeeded: word >> (56 - 8 * $0)) } }
    }

    /// 32 lower-case hexadecimal digits, as `xxh128sum` prints them.
    package var hex: String {
        [high, low].map { word in
            let digits = String(word, radix: 16)
            return String(repeating: "0", count: 16 - digits.count) + digits
        }.joined()
    }

    package var description: String { hex }

    package static func of(_ bytes: UnsafeRawBufferPointer) -> Digest {
        Digest(XXH3_128bits(bytes.baseAddress, bytes.count))
    }

    package static func of(_ bytes: [UInt8]) -> Digest { bytes.withUnsafeBytes { of($0) } }

    package static func of(_ text: String) -> Digest { of(Array(text.utf8)) }

    fileprivate init(_ hash: XXH128_hash_t) { self.init(high: hash.high64, low: hash.low64) }
}

/// Digests data that comes in pieces: the result is that of the pieces joined.
package final class DigestStream {
    private let state: OpaquePointer

    package init() {
        guard let state = XXH3_createState() else { preconditionFailure("out of memory") }
        self.state = state
        XXH3_128bits_reset(state)
    }

    deinit { XXH3_freeState(state) }

    package func update(_ bytes: UnsafeRawBufferPointer) { XXH3_128bits_update(state, bytes.baseAddress, bytes.count) }

    package func update<T: BitwiseCopyable>(_ values: [T]) { values.withUnsafeBytes { update($0) } }

    /// The UTF-8 bytes and a NUL, so that ("a", "b") and ("ab", "") differ.
    package func update(_ text: String) { update(Array(text.utf8) + [0]) }

    /// The digest of everything so far; more may follow.
    package var digest: Digest { Digest(XXH3_128bits_digest(state)) }
}
