/// Names a pair or a response by its token ids: the key on which artefacts are joined with data (docs/files.md).
///
/// XXH3-128 over, for every part in order, the count of ids as u32 and the ids as i32, little-endian.
package struct ContentKey: Hashable, Sendable, BitwiseCopyable, CustomStringConvertible {
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
