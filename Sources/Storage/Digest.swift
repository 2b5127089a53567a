import CXXHash
import Diagnostics
import Foundation

/// An XXH3-128 digest: 16 bytes, in canonical (big-endian) order. It finds damage and mix-ups; it is no signature.
package struct Digest: Hashable, Sendable, CustomStringConvertible {
    package let high: UInt64
    package let low: UInt64

    package init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// - Precondition: 16 bytes.
    package init(bytes: some Collection<UInt8>) {
        precondition(bytes.count == 16, "a digest has 16 bytes")
        func word(_ part: some Sequence<UInt8>) -> UInt64 { part.reduce(0) { $0 << 8 | UInt64($1) } }
        self.init(high: word(bytes.prefix(8)), low: word(bytes.dropFirst(8)))
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

    /// The digest of a file's bytes from `offset` on, and how many they are.
    ///
    /// - Throws: `RDOError(.artefact)` when the file cannot be read.
    package static func of(file path: String, from offset: Int = 0) throws -> (digest: Digest, byteCount: Int) {
        let descriptor = open(path, O_RDONLY)
        guard descriptor >= 0, lseek(descriptor, offset, SEEK_SET) == offset else {
            throw RDOError.system("read", path)
        }
        defer { close(descriptor) }
        let stream = DigestStream()
        var total = 0
        let block = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 64)
        defer { block.deallocate() }
        while true {
            let count = read(descriptor, block.baseAddress, block.count)
            if count < 0 && errno == EINTR { continue }
            guard count >= 0 else { throw RDOError.system("read", path) }
            if count == 0 { return (stream.digest, total) }
            stream.update(UnsafeRawBufferPointer(rebasing: block[..<count]))
            total += count
        }
    }

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

/// Names a pair or a response by its token ids: the key on which artefacts are joined with data (docs/files.md).
///
/// XXH3-128 over, for every part in order, the count of ids as u32 and the ids as i32, little-endian.
package struct ContentKey: Hashable, Sendable, CustomStringConvertible {
    package let digest: Digest

    package init(_ digest: Digest) { self.digest = digest }

    /// - Precondition: 16 bytes.
    package init(bytes: some Collection<UInt8>) { digest = Digest(bytes: bytes) }

    package var bytes: [UInt8] { digest.bytes }
    package var description: String { digest.hex }

    /// The key of (query, first response, second response).
    package static func pair(query: [Int32], first: [Int32], second: [Int32]) -> ContentKey {
        key(query, first, second)
    }

    /// The key of (query, response).
    package static func response(query: [Int32], response: [Int32]) -> ContentKey { key(query, response) }

    /// The key of a query alone.
    package static func query(_ query: [Int32]) -> ContentKey { key(query) }

    private static func key(_ parts: [Int32]...) -> ContentKey {
        var words: [Int32] = []
        words.reserveCapacity(parts.reduce(parts.count) { $0 + $1.count })
        for part in parts {
            words.append(Int32(bitPattern: UInt32(part.count).littleEndian))
            words += part.lazy.map(\.littleEndian)
        }
        return ContentKey(words.withUnsafeBytes { Digest.of($0) })
    }
}
